import { describe, expect, test } from 'bun:test'
import type { CaptureItem } from '../../../core/control/text/messages.ts'
import { G_CAPTURES } from '../../../core/shm/layout.ts'
import type { CapturedPacket } from '../../../core/wire/captured-packet.ts'
import { createCaptureReader } from '../../../core/wire/pcap-reader.ts'
import { createPcapng } from '../../../api/endpoints/pcapng.ts'
import { createSoftnet } from '../support/softnet.ts'

describe('/v1/capture', () => {
  test('is a stream of pcapng that begins at once, and the capture ends with its reader', async () => {
    const { request, json, arena } = createSoftnet()
    const response = await request('/v1/capture?dev=veth0&filter=tcp')
    expect(response.headers.get('Content-Type')).toBe('application/x-pcapng')
    const reader = response.body!.getReader()
    const { value } = await reader.read()
    expect([...value!.subarray(0, 4)]).toEqual([0x0a, 0x0d, 0x0d, 0x0a])
    expect(arena.i32[G_CAPTURES]).toBe(1)
    const list = async () => (await json('/v1/captures')).body.items
    expect(await list()).toEqual([{ dev: 'veth0', filter: 'tcp', captured: 0, lost: 0 }])
    await reader.cancel()
    expect(arena.i32[G_CAPTURES]).toBe(0)
    expect(await list()).toEqual([])
  })
  test('is refused in words: a device, an expression, a number that makes no sense', async () => {
    const { json } = createSoftnet()
    expect((await json('/v1/capture?dev=nope')).body.detail).toBe('Cannot find device "nope"')
    const bad = await json('/v1/capture?filter=port+port')
    expect([bad.status, bad.body.errors[0].field]).toEqual([422, 'filter'])
    expect((await json('/v1/capture?limit=none')).status).toBe(400)
    expect((await json('/v1/capture?sides=both')).status).toBe(400)
  })
  test('as lines: what went by in words, and on request its octets', async () => {
    const { control } = createSoftnet()
    const bytes = new Uint8Array(60).fill(0xff)
    const item: CaptureItem = {
      ...{ timeUs: 7, dev: 'lan0', cpu: 1, direction: 'in', drop: null, length: 80, bytes },
    }
    const capture: typeof control.capture = (_spec, take) => {
      let given = false
      const poll = (): void => {
        if (!given) take(item)
        given = true
      }
      return { startUs: 0, poll, lost: () => 2, close: () => {} }
    }
    const { request } = createSoftnet({ control: { ...control, capture } })
    const lines = async (query: string) => {
      const headers = { Accept: 'application/x-ndjson' }
      const text = await (await request(`/v1/capture?limit=1${query}`, { headers })).text()
      return text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    }
    const [frame, news] = await lines('')
    expect(frame).toMatchObject({ dev: 'lan0', cpu: 1, direction: 'in', drop: null, length: 80 })
    expect(frame.frame).toContain('ff:ff:ff:ff:ff:ff')
    expect(frame).not.toHaveProperty('octets')
    expect(news).toEqual({ lost: 2 })
    expect((await lines('&octets=1'))[0].octets).toBe(bytes.toBase64())
  })
  test('shows what is in packets: who may only look, may not', async () => {
    const { request } = createSoftnet({}, { listener: 'loopback' })
    expect((await request('/v1/capture')).status).toBe(401)
  })
})

test('a packet in pcapng has its device, its direction, its time, and why it died', () => {
  const bytes = new Uint8Array(60).fill(7)
  const pcapng = createPcapng(262144, 5_000_000, 1_700_000_000_000_000)
  const item = { cpu: 1, length: 80, bytes }
  pcapng.add({ ...item, timeUs: 5_000_001, dev: 'lan0', direction: 'in', drop: null })
  pcapng.add({ ...item, timeUs: 5_000_002, dev: 'lan1', direction: 'out', drop: 'TTL_EXCEEDED' })
  const file = pcapng.take()
  expect(pcapng.take()).toHaveLength(0)
  const reader = createCaptureReader(file)!
  const seen: CapturedPacket[] = []
  while (reader.next()) seen.push({ ...reader.packet })
  expect(reader.problem()).toBeNull()
  expect(seen).toMatchObject([
    { iface: 0, seconds: 1_700_000_000, nanos: 1000, capLen: 60, len: 80 },
    { iface: 1, seconds: 1_700_000_000, nanos: 2000, capLen: 60, len: 80 },
  ])
  const text = new TextDecoder('latin1').decode(file)
  for (const word of ['lan0', 'lan1', 'dropped: TTL_EXCEEDED']) expect(text).toContain(word)
})
