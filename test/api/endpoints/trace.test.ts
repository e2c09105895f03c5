import { describe, expect, test } from 'bun:test'
import { createApp } from '../../../api/app.ts'
import { G_TRACES } from '../../../core/shm/layout.ts'
import { createSim } from '../../../sim/net/net-sim.ts'
import { udpFrame } from '../../../sim/net/packets.ts'
import { GREETINGS_MS } from '../../support/sim-topology.ts'
import { createSoftnet } from '../support/softnet.ts'

const PACKET = 'icmp 10.1.0.5 > 10.1.0.253'

/** A router that runs, with an API over it. */
const running = async () => {
  const sim = createSim(3)
  const r = await sim.host('r', {
    setup: {
      link: [
        { ifname: 'lo', up: true },
        {
          ifname: 'eth1',
          kind: 'pipe',
          address: '02:00:00:00:01:01',
          addresses: ['10.1.0.254/24'],
          up: true,
        },
      ],
    },
  })
  const station = sim.station()
  sim.wire(station, [r, 'eth1'])
  sim.run(GREETINGS_MS)
  const app = createApp({ control: r.control, version: '0.1.0' })
  const get = (path: string, headers = {}) => app.request(path, { headers }, { listener: 'unix' })
  /** Some datagrams for this host, to ports that nobody has, and time for their ways to end. */
  const send = async (count: number): Promise<void> => {
    await r.must({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 0 })
    await r.must({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 0 })
    for (let k = 0; k < count; k++)
      station.send(
        udpFrame(
          { dst: '02:00:00:00:01:01', src: '02:00:00:00:00:05' },
          { saddr: '10.1.0.5', daddr: '10.1.0.254' },
          { sport: 1, dport: 100 + k }
        )
      )
    sim.run(20)
  }
  const runOn = (): void => void sim.run(5000)
  return { r, get, send, runOn }
}

describe('/v1/trace', () => {
  test('POST is a dry run: JSON, or text for who asks for it', async () => {
    const { send, request } = createSoftnet()
    const { status, body } = await send('POST', '/v1/trace', { dev: 'veth0', packet: PACKET })
    expect(status).toBe(200)
    expect(body).toMatchObject({ dev: 'veth0', verdict: 'delivered: icmp' })
    expect(body.stages.map(({ stage }: { stage: string }) => stage)).toEqual(
      expect.arrayContaining(['receive', 'prerouting', 'route', 'input', 'transmit'])
    )
    const text = await request('/v1/trace', {
      method: 'POST',
      headers: { Accept: 'text/plain' },
      body: JSON.stringify({ dev: 'veth0', packet: PACKET }),
    })
    expect(await text.text()).toMatch(/^veth0: IP 10\.1\.0\.5 > .*\n +0 us +cpu \d +receive /)
  })
  test('what makes no sense is refused in words', async () => {
    const { send, json } = createSoftnet()
    const dry = async (body: object) => {
      const answer = await send('POST', '/v1/trace', body)
      return [answer.status, answer.body.detail]
    }
    expect(await dry({ dev: 'nope', packet: PACKET })).toEqual([404, 'Cannot find device "nope"'])
    expect(await dry({ dev: 'veth0', packet: 'tcp a > b' })).toEqual([
      422,
      'Error: "a" is no address.',
    ])
    expect((await dry({ dev: 'veth0' }))[0]).toBe(422)
    expect((await json('/v1/trace?limit=0')).status).toBe(400)
    expect((await json('/v1/trace?filter=port+port')).status).toBe(422)
  })
  test('GET follows so many packets, a line each, and ends', async () => {
    const { r, get, send, runOn } = await running()
    const response = await get('/v1/trace?limit=2&filter=udp')
    expect(response.headers.get('Content-Type')).toBe('application/x-ndjson')
    const body = response.text()
    await send(3)
    // what has been read of the rings by then has come to its end
    const timer = setInterval(runOn, 5)
    const lines = (await body)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    clearInterval(timer)
    expect(lines.map(({ verdict }) => verdict)).toEqual(
      expect.arrayContaining(['dropped: NO_SOCKET', 'dropped: NO_SOCKET'])
    )
    expect(lines.at(-1)).toEqual({ lost: 0 })
    expect(lines).toHaveLength(3)
    expect(r.arena.i32[G_TRACES]).toBe(0)
  })
  test('ends with its reader', async () => {
    const { r, get } = await running()
    const { body } = await get('/v1/trace')
    expect(r.arena.i32[G_TRACES]).toBe(1)
    await body!.cancel()
    expect(r.arena.i32[G_TRACES]).toBe(0)
  })
  test('the command line: a dry run, and what it does not understand', async () => {
    const { cli } = createSoftnet()
    const dry = await cli(`trace --dry dev=veth0 ${PACKET} ttl 3`)
    expect([dry.status, dry.out.split('\n')[0]]).toEqual([
      0,
      'veth0: IP 10.1.0.5 > 10.1.0.253: ICMP, echo request, id 1, seq 1, length 64',
    ])
    const asJson = await cli(`-j trace --dry dev=veth0 ${PACKET}`)
    expect(JSON.parse(asJson.out)).toMatchObject({ verdict: 'delivered: icmp' })
    expect(await cli('trace --dry dev=veth0 tcp a > b')).toMatchObject({
      status: 1,
      err: 'Error: "a" is no address.\n',
    })
    expect(await cli('trace --dry tcp')).toMatchObject({ status: 2 })
    expect(await cli('trace -x 4')).toMatchObject({
      status: 2,
      err: "trace: invalid option -- 'x'\n",
    })
    expect(await cli('trace -n')).toMatchObject({ status: 2 })
    expect((await cli('trace --help')).out).toStartWith('Usage: softnet trace')
  })
})
