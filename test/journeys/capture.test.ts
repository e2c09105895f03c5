// Captures over a whole stack: what is shown to whom, what dies with its reason, and that who does not read costs frames of
// his own and nothing else.

import { describe, expect, test } from 'bun:test'
import type { CaptureItem, CaptureSpec, Capturing } from '../../core/control/text/messages.ts'
import { dumpFrame } from '../../core/wire/dump.ts'
import { createSim } from '../../sim/net/net-sim.ts'
import { type IpFields, icmpFrame, udpFrame } from '../../sim/net/packets.ts'
import { GREETINGS_MS } from '../support/sim-topology.ts'

const ROUTER = '02:00:00:00:01:01'
const HOST = '02:00:00:00:00:77'
const FAR = '02:00:00:00:02:77'
const link = { dst: ROUTER, src: HOST }
const through = { saddr: '10.1.0.77', daddr: '10.2.0.77' }
const ports = { sport: 4000, dport: 9 }

const network = async (captureRing = 1 << 15) => {
  const sim = createSim(5)
  const eth = (n: number) => ({
    ifname: `eth${n}`,
    kind: 'pipe',
    address: `02:00:00:00:0${n}:01`,
    addresses: [`10.${n}.0.254/24`],
    up: true,
  })
  const r = await sim.host('r', {
    config: { captureRing },
    setup: {
      link: [{ ifname: 'lo', up: true }, eth(1), eth(2)],
      neigh: [
        { dev: 'eth1', dst: '10.1.0.77', lladdr: HOST },
        { dev: 'eth2', dst: '10.2.0.77', lladdr: FAR },
      ],
      sysctl: { 'net.ipv4.ip_forward': 1 },
    },
  })
  const near = sim.station()
  sim.wire(near, [r, 'eth1'])
  sim.wire(sim.station(), [r, 'eth2'])
  sim.run(GREETINGS_MS)
  const gauge = r.gauge()
  const send = (frame: Uint8Array): void => {
    near.send(frame)
    sim.run(5)
  }
  const datagram = (fields: Partial<IpFields> = {}, len = 4): void =>
    send(udpFrame(link, { ...through, ...fields }, ports, new Uint8Array(len)))
  /** What a capture has seen so far, when it is asked. */
  const capture = (spec: CaptureSpec = {}) => {
    const seen: (Omit<CaptureItem, 'bytes' | 'timeUs'> & { frame: string; kept: number })[] = []
    const capturing = r.control.capture(spec, ({ bytes, timeUs, ...item }) => {
      expect(timeUs).toBeGreaterThan(0)
      seen.push({ ...item, frame: dumpFrame(bytes, 0, bytes.length), kept: bytes.length })
    }) as Capturing
    const look = () => {
      capturing.poll()
      return seen.splice(0)
    }
    return { ...capturing, look }
  }
  return { sim, r, send, datagram, capture, gauge }
}

describe('a capture', () => {
  test('shows a frame where it comes in and where it leaves', async () => {
    const { datagram, capture, r, gauge } = await network()
    const { look, close, lost } = capture()
    datagram()
    expect(look()).toEqual([
      {
        dev: 'eth1',
        cpu: 0,
        direction: 'in',
        drop: null,
        length: 46,
        kept: 46,
        frame: 'IP 10.1.0.77.4000 > 10.2.0.77.9: UDP, length 4',
      },
      expect.objectContaining({ dev: 'eth2', direction: 'out', length: 46 }),
    ])
    close()
    datagram()
    expect(look()).toEqual([])
    expect(lost()).toBe(0)
    expect(r.gauge()).toEqual(gauge)
  })
  test('is of one device, of one direction, of what its filter takes, and no longer than asked for', async () => {
    const { datagram, send, capture } = await network()
    const one = capture({ dev: 'eth2' })
    const out = capture({ direction: 'out' })
    const icmp = capture({ filter: 'icmp', snaplen: 34, direction: 'in' })
    datagram()
    send(icmpFrame(link, through, 8, 0, 0, new Uint8Array(100)))
    expect(one.look().map(({ dev }) => dev)).toEqual(['eth2', 'eth2'])
    expect(out.look().map(({ dev }) => dev)).toEqual(['eth2', 'eth2'])
    expect(icmp.look()).toMatchObject([{ dev: 'eth1', length: 142, kept: 34 }])
  })
  test('shows what dies, with its reason, and what never had a link header with an empty one', async () => {
    const { sim, datagram, send, capture, r, gauge } = await network()
    const { look } = capture({ drops: true, filter: 'udp or icmp', direction: 'in' })
    datagram({ ttl: 1 })
    expect(look().map(({ dev, drop, frame }) => [dev, drop, frame])).toEqual([
      ['eth1', null, 'IP 10.1.0.77.4000 > 10.2.0.77.9: UDP, length 4'],
      ['eth1', 'TTL_EXCEEDED', 'IP 10.1.0.77.4000 > 10.2.0.77.9: UDP, length 4'],
    ])
    // the answer waits for an address that nobody has
    send(icmpFrame(link, { saddr: '10.2.0.99', daddr: '10.1.0.254' }, 8, 0, 0, new Uint8Array(4)))
    sim.run(5000)
    expect(look().find(({ drop }) => drop === 'NEIGH_FAILED')).toMatchObject({
      drop: 'NEIGH_FAILED',
      length: 46,
      frame: 'IP 10.1.0.254 > 10.2.0.99: ICMP, echo reply, id 0, seq 0, length 12',
    })
    expect(r.gauge().skbs).toEqual(gauge.skbs)
  })
  test('that nobody reads loses frames and counts them, and goes on when somebody does', async () => {
    const { datagram, capture } = await network(1 << 12)
    const { look, lost } = capture()
    for (let k = 0; k < 40; k++) datagram({}, 1400)
    const first = look()
    expect(first.length + lost()).toBe(80)
    expect(lost()).toBeGreaterThan(40)
    const before = lost()
    for (let round = 0; round < 50; round++) {
      datagram({}, 10 * round)
      expect(look().map(({ length }) => length)).toEqual([42 + 10 * round, 42 + 10 * round])
    }
    expect(lost()).toBe(before)
  })
  test('is one of eight at most; what it asks for must make sense', async () => {
    const { r, capture } = await network()
    const all = Array.from({ length: 8 }, () => capture())
    const refused = (spec: CaptureSpec) => r.control.capture(spec, () => {})
    expect(refused({})).toMatchObject({ message: 'Error: too many captures already.' })
    expect(refused({ dev: 'eth9' })).toMatchObject({ message: 'Cannot find device "eth9"' })
    expect(refused({ filter: 'port' })).toMatchObject({ field: 'filter' })
    all[3]!.close()
    // a thread may be in its program until it has passed a quiescent point
    r.turn()
    r.control.poll()
    expect(refused({})).toHaveProperty('startUs')
  })
})
