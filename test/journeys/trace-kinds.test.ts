// A packet of each kind: the dry run says what a live trace says, and a capture and the counters have seen just that.

import { describe, expect, test } from 'bun:test'
import type { CaptureItem, Capturing, LinkItem } from '../../core/control/text/messages.ts'
import { isRefused } from '../../core/control/text/names.ts'
import { IP_DF, IP_MF } from '../../core/wire/ipv4.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import { dumpFrame } from '../../core/wire/dump.ts'
import { Drop } from '../../core/skb/drop.ts'
import { NS, ndFrame } from '../support/ndisc.ts'
import {
  arpFrame,
  etherFrame,
  icmpFrame,
  ipFrame,
  tcpFrame,
  udpFrame,
} from '../../sim/net/packets.ts'
import {
  fragmentHeader,
  ip6Frame,
  optionsHeader,
  routingHeader,
  udp6Frame,
} from '../../sim/net/packets6.ts'
import { HOST, KINDS, lines, network, ROUTER } from '../support/trace-network.ts'

const link = { dst: ROUTER, src: HOST }
const here = { saddr: '10.1.0.77', daddr: '10.1.0.254' }
const through = { saddr: '10.1.0.77', daddr: '10.2.0.77' }
const here6 = { saddr: 'fd00:1::77', daddr: 'fd00:1::1' }
const through6 = { saddr: 'fd00:1::77', daddr: 'fd00:2::77' }
const ports = { sport: 4000, dport: 99 }
const bytes = (length: number) => new Uint8Array(length)
/** With one octet turned over. */
const spoilt = (frame: Uint8Array, at: number): Uint8Array => {
  const copy = frame.slice()
  copy[at]! ^= 0xff
  return copy
}

const ETH = 14
/** What words can not make. */
const FRAMES: readonly (readonly [kind: string, frame: Uint8Array, verdict: string])[] = [
  [
    'IPv4 with a wrong checksum',
    spoilt(udpFrame(link, through, ports), ETH + 10),
    'dropped: IP_CSUM',
  ],
  ['IPv4 that is version 5', spoilt(udpFrame(link, through, ports), ETH), 'dropped: IP_INHDR'],
  [
    'IPv4 cut short',
    udpFrame(link, through, ports).subarray(0, ETH + 19),
    'dropped: PKT_TOO_SMALL',
  ],
  [
    'IPv4 shorter than it says',
    udpFrame(link, through, ports).subarray(0, ETH + 30),
    'dropped: PKT_TOO_SMALL',
  ],
  ['UDP with a wrong checksum', spoilt(udpFrame(link, here, ports), ETH + 30), 'dropped: UDP_CSUM'],
  ['TCP with a wrong checksum', spoilt(tcpFrame(link, here, ports), ETH + 30), 'dropped: TCP_CSUM'],
  [
    'ICMP with a wrong checksum',
    spoilt(icmpFrame(link, here, 8, 0, 1), ETH + 24),
    'dropped: ICMP_CSUM',
  ],
  ['ICMP of an unknown type', icmpFrame(link, here, 77, 0, 0), 'dropped: UNHANDLED_PROTO'],
  ['a redirect', icmpFrame(link, here, 5, 1, 0, bytes(28)), 'delivered: icmp'],
  [
    'a protocol that nobody has',
    ipFrame(link, { ...here, protocol: 99 }, bytes(20)),
    'dropped: IP_NOPROTO',
  ],
  ['an ethertype that nobody has', etherFrame(link, 0x88b5, bytes(46)), 'dropped: UNHANDLED_PROTO'],
  [
    'a source route',
    udpFrame(link, { ...through, options: [131, 7, 4, 10, 2, 0, 77, 0] }, ports),
    'dropped: IP_INHDR',
  ],
  [
    'an option that is cut',
    udpFrame(link, { ...through, options: [7, 40, 4, 0] }, ports),
    'dropped: IP_INHDR',
  ],
  [
    'a router alert',
    udpFrame(link, { ...through, options: [148, 4, 0, 0] }, ports),
    'sent by eth2',
  ],
  [
    'a first fragment for us',
    ipFrame(link, { ...here, flags: IP_MF, protocol: IPPROTO_UDP }, bytes(64)),
    'kept by reasm',
  ],
  [
    'a last fragment for us',
    ipFrame(link, { ...here, offset: 64, protocol: IPPROTO_UDP }, bytes(64)),
    'kept by reasm',
  ],
  [
    'a fragment on its way',
    ipFrame(link, { ...through, offset: 64, protocol: IPPROTO_UDP }, bytes(64)),
    'sent by eth2',
  ],
  [
    'a fragment beyond the end',
    ipFrame(link, { ...here, offset: 65528, protocol: IPPROTO_UDP }, bytes(64)),
    'dropped: DUP_FRAG',
  ],
  [
    'too long, and not to be cut',
    ipFrame(link, { ...through, flags: IP_DF, protocol: IPPROTO_TCP }, bytes(1460)),
    'dropped: PKT_TOO_BIG',
  ],
  [
    'a question for us by ARP',
    arpFrame(
      { dst: 'ff:ff:ff:ff:ff:ff', src: HOST },
      { op: 1, sha: HOST, sip: '10.1.0.77', tip: '10.1.0.254' }
    ),
    'received on eth1',
  ],
  [
    'a question for others by ARP',
    arpFrame(
      { dst: 'ff:ff:ff:ff:ff:ff', src: HOST },
      { op: 1, sha: HOST, sip: '10.1.0.77', tip: '10.1.0.9' }
    ),
    'received on eth1',
  ],
  [
    'ARP of an unknown operation',
    arpFrame(link, { op: 9, sha: HOST, sip: '10.1.0.77', tip: '10.1.0.254' }),
    'dropped: ARP_INVALID',
  ],
  [
    'ARP cut short',
    arpFrame(link, { op: 1, sha: HOST, sip: '10.1.0.77', tip: '10.1.0.254' }).subarray(0, ETH + 20),
    'dropped: ARP_INVALID',
  ],
  [
    'IPv6 that is version 9',
    spoilt(udp6Frame(link, through6, ports), ETH),
    'dropped: UNHANDLED_PROTO',
  ],
  [
    'IPv6 shorter than it says',
    udp6Frame(link, through6, ports).subarray(0, ETH + 50),
    'dropped: PKT_TOO_SMALL',
  ],
  [
    'IPv6 UDP with a wrong checksum',
    spoilt(udp6Frame(link, here6, ports), ETH + 50),
    'dropped: UDP_CSUM',
  ],
  [
    'an option that is to be refused',
    ip6Frame(link, { ...here6, ext: [[0, optionsHeader(0xc7, 2, 0, 0)]] }, bytes(8)),
    'dropped: IPV6_BAD_EXTHDR',
  ],
  [
    'an option that is to be dropped',
    ip6Frame(link, { ...here6, ext: [[0, optionsHeader(0x47, 2, 0, 0)]] }, bytes(8)),
    'dropped: IPV6_BAD_EXTHDR',
  ],
  [
    'a routing header of type 0',
    ip6Frame(link, { ...here6, ext: [[43, routingHeader(0, 1)]] }, bytes(8)),
    'dropped: IPV6_BAD_EXTHDR',
  ],
  [
    'an IPv6 fragment for us',
    ip6Frame(link, { ...here6, ext: [[44, fragmentHeader(0, true, 7)]] }, bytes(64)),
    'kept by reasm',
  ],
  [
    'an IPv6 fragment on its way',
    ip6Frame(link, { ...through6, ext: [[44, fragmentHeader(64, false, 7)]] }, bytes(64)),
    'sent by eth2',
  ],
  [
    'an IPv6 protocol that nobody has',
    ip6Frame(link, { ...here6, protocol: 99 }, bytes(20)),
    'dropped: IP_NOPROTO',
  ],
  ['no next header', ip6Frame(link, { ...here6, protocol: 59 }, bytes(0)), 'delivered: 59'],
  [
    'a neighbour solicitation from afar',
    ndFrame({ ...link, ...here6, type: NS, target: 'fd00:1::1', hops: 64 }),
    'dropped: IPV6_NDISC_HOP_LIMIT',
  ],
  [
    'IPv6 unicast in a multicast frame',
    udp6Frame({ dst: '33:33:00:00:00:01', src: HOST }, here6, ports),
    'dropped: NO_SOCKET',
  ],
  [
    'IPv4 unicast in a broadcast frame',
    udpFrame({ dst: 'ff:ff:ff:ff:ff:ff', src: HOST }, here, ports),
    'dropped: NO_SOCKET',
  ],
]

const ALL: readonly (readonly [kind: string, packet: string, verdict: string])[] = [
  ...KINDS.map(([packet, verdict]) => [packet, packet, verdict] as const),
  ...FRAMES.map(([kind, frame, verdict]) => [kind, frame.toHex(), verdict] as const),
]
test('there are kinds enough, and reasons', () => {
  const reasons = new Set(
    ALL.map(([, , verdict]) => verdict).filter((v) => v.startsWith('dropped'))
  )
  expect([ALL.length, reasons.size]).toEqual([86, 24])
})

type Router = Awaited<ReturnType<typeof network>>['r']
/** Frames that came in and went out, by device, and packets that died, by reason. */
const counted = async (r: Router) => {
  const links = await Promise.all(
    ['eth1', 'eth2'].map(async (ifname) => {
      const reply = await r.request({ type: 'RTM_GETLINK', ifname })
      if (isRefused(reply)) throw new Error(reply.message)
      return (reply as { item: LinkItem }).item.stats64
    })
  )
  const drops = Object.keys(Drop).map((reason) => [reason, r.drops(reason as never)] as const)
  return {
    rx: links.map(({ rx }) => rx.packets),
    tx: links.map(({ tx }) => tx.packets),
    drops: Object.fromEntries(drops),
  }
}
type Counted = Awaited<ReturnType<typeof counted>>
const since = (before: Counted, now: Counted) => ({
  rx: now.rx.map((n, k) => n - before.rx[k]!),
  tx: now.tx.map((n, k) => n - before.tx[k]!),
  drops: Object.fromEntries(
    Object.entries(now.drops).flatMap(([reason, n]) =>
      n === before.drops[reason] ? [] : [[reason, n - before.drops[reason]!]]
    )
  ),
})
/** As long as a trace waits for what somebody keeps. */
const KEPT_MS = 4500

/** How often each is there. */
const tally = (words: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}

describe('a packet is traced as it goes', () => {
  test.each(ALL)('%s', async (_kind, packet, verdict) => {
    const { r, send, dry, trace } = await network()
    const expected = await dry(packet)
    expect(expected.verdict).toBe(verdict)
    const seen: (Pick<CaptureItem, 'dev' | 'direction' | 'drop'> & { frame: string })[] = []
    const capture = r.control.capture({ drops: true }, ({ dev, direction, drop, bytes }) => {
      seen.push({ dev, direction, drop, frame: dumpFrame(bytes, 0, bytes.length) })
    }) as Capturing
    const { look, lost, close } = await trace()
    const before = await counted(r)
    send(packet)
    capture.poll()
    const [traced] = look(expected.verdict.startsWith('kept') ? KEPT_MS : 200)
    const { rx, tx, drops } = since(before, await counted(r))
    close()
    capture.close()

    expect(lines(traced!)).toEqual(lines(expected))
    expect([traced!.frame, lost()]).toEqual([expected.frame, 0])
    const { stages } = traced!
    const of = (name: string) => stages.filter(({ stage }) => stage === name)
    // what came in, and what went out of each device, as the capture and the devices' counters saw it
    const wentIn = seen.filter(({ direction, drop }) => direction === 'in' && drop === null)
    expect(wentIn).toEqual([{ dev: 'eth1', direction: 'in', drop: null, frame: traced!.frame }])
    expect(rx).toEqual([1, 0])
    const wentOut = seen.filter(({ direction, drop }) => direction === 'out' && drop === null)
    expect(wentOut.map(({ dev, frame }) => `${dev}: ${frame}`)).toEqual(
      of('transmit').map(({ text }) => text.replace(/ \(.*\)$/, ''))
    )
    expect(tx).toEqual(
      ['eth1', 'eth2'].map((dev) => of('transmit').filter((stage) => stage.dev === dev).length)
    )
    // what died
    const reasons = of('drop').map(({ reason }) => String(reason))
    const died = seen.flatMap(({ drop }) => (drop === null ? [] : [drop]))
    expect([tally(died), drops]).toEqual([tally(reasons), tally(reasons)])
  })
})
