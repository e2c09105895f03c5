import { describe, expect, test } from 'bun:test'
import { PATTERN_BYTES, chargenPattern } from '../../../core/socket/services/chargen.ts'
import { randomBytes } from '../../support/random.ts'
import { createFakeWorker, fakeArena } from '../../support/fake-worker.ts'

const ALL = { echo: true, discard: true, chargen: true }
const setUp = (seed = 1) => {
  const arena = fakeArena()
  const worker = createFakeWorker(arena, { seed, rcvbuf: 32768, sndbuf: 24000 })
  expect(worker.services.configure(ALL)).toBe(true)
  const before = worker.skbs.available()
  return { ...worker, before }
}

describe('echo', () => {
  test.each([1, 2, 3, 4, 5])('gives back every byte under backpressure (seed %i)', (seed) => {
    const { tcp, turn, random, skbs, before, slab } = setUp(seed)
    const live = slab.live()
    const data = randomBytes(random, 400000)
    const peer = tcp.connect(7)
    const back = Buffer.alloc(data.length)
    let written = 0
    let read = 0
    for (let k = 0; k < 20000 && !peer.ended(); k++) {
      if (written < data.length)
        written += peer.write(
          data,
          written,
          Math.min(data.length - written, (random() >>> 1) % 9000)
        )
      else peer.end()
      // reads slowly, and at times not at all
      if ((random() & 7) === 0) {
        const part = peer.read((random() >>> 1) % 20000)
        back.set(part, read)
        read += part.length
      }
      turn()
    }
    expect(read).toBe(data.length)
    expect(back.equals(data)).toBe(true)
    expect(peer.isClosed()).toBe(true)
    expect(slab.live()).toBe(live)
    const after = skbs.available()
    // the bounce buffer is kept
    expect(after.skbs).toBeGreaterThanOrEqual(before.skbs - 1)
    expect(after.larges).toBeGreaterThanOrEqual(before.larges - 1)
  })

  test('stops reading when the peer does not read', () => {
    const { tcp, turn, random } = setUp()
    const data = randomBytes(random, 1000000)
    const peer = tcp.connect(7)
    let written = 0
    for (let k = 0; k < 500; k++) {
      written += peer.write(data, written, data.length - written)
      turn()
    }
    // two socket buffers and what is on the way between them
    expect(written).toBeLessThan(32768 + 24000 + 65536)
    expect(peer.unread()).toBe(32768)
  })

  test('a reset while bytes wait frees everything', () => {
    const { tcp, turn, random, skbs, before, slab } = setUp()
    const live = slab.live()
    const peer = tcp.connect(7)
    const data = randomBytes(random, 100000)
    for (let k = 0, w = 0; k < 50; k++) {
      w += peer.write(data, w)
      turn()
    }
    peer.reset()
    turn()
    expect(peer.isClosed()).toBe(true)
    expect(slab.live()).toBe(live)
    expect(skbs.available().smalls).toBe(before.smalls)
    expect(skbs.available().larges).toBeGreaterThanOrEqual(before.larges - 1)
  })

  test('answers datagrams, except those of other such services', () => {
    const { udp, turn } = setUp()
    const data = new Uint8Array([1, 2, 3])
    udp.arrive(7, { data, addr: 0x0a000005, port: 1234 })
    udp.arrive(7, { data, addr: 0x0a000005, port: 19 })
    udp.arrive(7, { data: new Uint8Array(0), addr: 0x0a000006, port: 1235 })
    turn()
    expect(udp.sent).toEqual([
      { data, addr: 0x0a000005, port: 1234 },
      { data: new Uint8Array(0), addr: 0x0a000006, port: 1235 },
    ])
  })
})

test('discard takes everything and answers nothing', () => {
  const { tcp, udp, turn, random } = setUp()
  const peer = tcp.connect(9)
  const data = randomBytes(random, 200000)
  let written = 0
  for (let k = 0; k < 1000 && written < data.length; k++) {
    written += peer.write(data, written)
    turn()
  }
  expect(written).toBe(data.length)
  expect(peer.unsent()).toBe(0)
  peer.end()
  turn()
  expect(peer.isClosed()).toBe(true)
  udp.arrive(9, { data, addr: 1, port: 2 })
  turn()
  expect(udp.sent).toEqual([])
})

describe('chargen', () => {
  test('sends RFC 864 lines for as long as they are taken', () => {
    const { tcp, turn, random } = setUp()
    const peer = tcp.connect(19)
    const parts: Uint8Array[] = []
    let got = 0
    for (let k = 0; k < 20000 && got < 300000; k++) {
      turn()
      const part = peer.read((random() >>> 1) % 8000)
      parts.push(part)
      got += part.length
    }
    const text = Buffer.concat(parts)
    const pattern = chargenPattern()
    expect(text.every((byte, k) => byte === pattern[k % PATTERN_BYTES])).toBe(true)
    const lines = text.toString('latin1').split('\r\n')
    expect(lines[0]).toBe(
      ' !"#$%&\'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg'
    )
    expect(lines[1]!.startsWith('!"#$')).toBe(true)
    peer.end()
    turn()
    expect(peer.isClosed()).toBe(true)
  })
  test('answers a datagram with at most 512 characters', () => {
    const { udp, turn } = setUp()
    for (let k = 0; k < 50; k++)
      udp.arrive(19, { data: new Uint8Array(1), addr: 5, port: 3000 + k })
    turn()
    expect(udp.sent.length).toBe(50)
    expect(udp.sent.every(({ data }) => data.length <= 512)).toBe(true)
  })
})

test('services open and close with the configuration', () => {
  const { tcp, services, slab } = setUp()
  services.configure({ echo: false, discard: true, chargen: false })
  expect([7, 9, 19].map(tcp.listens)).toEqual([false, true, false])
  services.configure({ echo: false, discard: false, chargen: false })
  expect(slab.live()).toBe(0)
  services.configure(ALL)
  expect([7, 9, 19].map(tcp.listens)).toEqual([true, true, true])
})
