// Differences from the kernel that stay, each with its reason.

import * as arp from '../../../core/wire/arp.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import { formatIpv4 } from '../../../core/wire/text.ts'
import { ip } from '../../../sim/net/packets.ts'
import type { Case } from '../case.ts'
import type { Known } from '../known.ts'
import { BROADCASTS, OWN } from './world.ts'

const BROADCAST_ADDRS = new Set(BROADCASTS.map(ip))
const packets = (steps: Case): Uint8Array[] =>
  steps.flatMap((step) =>
    step.do === 'frame' && step.frame.length >= 34 ? [step.frame.subarray(14)] : []
  )
const arps = (steps: Case): Uint8Array[] =>
  steps.flatMap((step) =>
    step.do === 'frame' && step.frame[12] === 8 && step.frame[13] === 6
      ? [step.frame.subarray(14)]
      : []
  )
const sourceOf = (packet: Uint8Array): number =>
  packet[0]! >> 4 === 4 ? ipv4.src(packet, 0) : arp.senderIp(packet, 0)
const hasSource = (steps: Case, isIt: (addr: number) => boolean): boolean =>
  packets(steps).some((packet) => isIt(sourceOf(packet)))
/** Broadcast addresses of the networks that the case gives it besides. */
const addedBroadcasts = (steps: Case): number[] =>
  steps.flatMap((step) => {
    const line = step.do === 'run' ? step.line : ''
    const [, addr, plen] = /^ip addr add (\S+)\/(\d+) /.exec(line) ?? []
    return addr === undefined || Number(plen) > 30 ? [] : [ip(addr) | (-1 >>> Number(plen))]
  })
const hasOption = (steps: Case, ...kinds: number[]): boolean =>
  packets(steps).some((packet) => {
    const options = packet.subarray(ipv4.MIN_HEADER, ipv4.headerLen(packet, 0))
    return kinds.some((kind) => options.includes(kind))
  })
/** What stands in the slots of a source route. */
const hopsIn = (packet: Uint8Array): number[] => {
  const end = ipv4.headerLen(packet, 0)
  for (let p = ipv4.MIN_HEADER; p + 3 < end; p += packet[p] === 1 ? 1 : Math.max(2, packet[p + 1]!))
    if (packet[p] === 131 || packet[p] === 137)
      return Array.from({ length: (packet[p + 1]! - 3) >> 2 }, (_, k) => {
        const at = p + 3 + 4 * k
        return at + 4 > end ? 0 : ipv4.src(packet, at - 12)
      })
  return []
}
const hopsOf = (steps: Case): number[] => packets(steps).flatMap(hopsIn)
/** A connection is asked for by a source route. */
const hasRoutedSyn = (steps: Case): boolean =>
  packets(steps).some((packet) => {
    const body = ipv4.headerLen(packet, 0)
    const isSyn = packet[9] === 6 && (packet[body + 13]! & 0x12) === 2
    return isSyn && hopsIn(packet).length > 0
  })
const hasChange = (steps: Case, words: RegExp): boolean =>
  steps.some((step) => step.do === 'run' && words.test(step.line))
const hasOptions = (steps: Case): boolean =>
  packets(steps).some((packet) => ipv4.headerLen(packet, 0) > ipv4.MIN_HEADER)

const isOne = (addr: number): boolean =>
  addr >>> 24 !== 0 && addr >>> 28 < 14 && !BROADCAST_ADDRS.has(addr)

const OWN_ADDRS = new RegExp(
  OWN.map((addr) => (ip(addr) >>> 0).toString(16).padStart(8, '0')).join('|'),
  'g'
)
const withoutOwn = (lines: string[]): string[] =>
  lines.map((line) => line.replaceAll(OWN_ADDRS, 'OWN')).sort()

export const KNOWN_IPV4: readonly Known[] = [
  {
    reason:
      'A source that is the broadcast address of a network of ours, or of loopback, is a martian (RFC 1122 3.2.1.3, 1812 5.3.7); the kernel looks for that only where rp_filter or redirects make it look at the route',
    isIt: (steps) =>
      hasSource(
        steps,
        (addr) =>
          BROADCAST_ADDRS.has(addr) ||
          addedBroadcasts(steps).includes(addr) ||
          ipv4.isLoopbackAddr(addr)
      ),
  },
  {
    reason:
      'The address beside a timestamp of a packet that is sent on is that of the link that it leaves by, as in a recorded route (RFC 1812 4.2.2.2); the kernel leaves that of the link it came by',
    isIt: (steps, { kernel, softnet }) =>
      hasOption(steps, 68) && withoutOwn(kernel).join() === withoutOwn(softnet).join(),
  },
  {
    reason:
      'A recorded route has the address of the link that a packet leaves by; the kernel has the one that its source route led to, where that link has several',
    isIt: (steps, { kernel, softnet }) =>
      hasOption(steps, 7) &&
      hasOption(steps, 131, 137) &&
      withoutOwn(kernel).join() === withoutOwn(softnet).join(),
  },
  {
    reason:
      'The kernel sends an answer to many, or to nobody, where a source route makes them its first hop (RFC 1122 3.2.2 has no error go to many)',
    isIt: (steps) => hopsOf(steps).some((addr) => !isOne(addr)),
  },
  {
    reason:
      'The kernel believes who says that his link address is that of many (RFC 1812 3.3.2 forbids it); clusters that say so need an entry that is permanent',
    isIt: (steps) => arps(steps).some((packet) => (packet[arp.SENDER_MAC]! & 1) !== 0),
  },
  {
    reason:
      'The kernel sends errors and redirects about a broadcast that it sends on (RFC 1122 3.2.2 forbids errors about those)',
    isIt: (steps, { kernel }) =>
      hasChange(steps, /bc_forwarding/) &&
      kernel.some((line) => /ICMP, (type|time exceeded|unreachable)|^IcmpOut/.test(line)),
  },
  {
    reason:
      'Of what waits for a neighbour behind a link that goes down, or loses its last address, the sender is told; the kernel is silent',
    isIt: (steps, { kernel, softnet }) =>
      hasChange(steps, /link set eth\d down|addr del/) &&
      (softnet.some((line) => /unreachable, code 1|^IcmpOutDestUnreachs/.test(line)) ||
        // one error more changes the identification of those that follow
        [...kernel, ...softnet].every((line) => /ICMP, |^ARP, Request/.test(line))),
  },
  {
    reason: 'The kernel counts time-stamp replies as echo replies',
    line: /^counters \w+: IcmpOut(Echo|Timestamp)Reps /,
  },
  {
    reason: 'The kernel counts an error about a packet of its own of protocol 255 as a wrong one',
    isIt: (steps, { where, softnet }) =>
      where === 'counters' &&
      packets(steps).some((packet) => packet[9] === 255) &&
      softnet.every((line) => line.startsWith('IcmpInErrors')),
  },
  {
    reason: 'The kernel has PIM',
    isIt: (steps) => packets(steps).some((packet) => packet[9] === 103),
  },
  {
    reason: 'The kernel has UDP-Lite',
    isIt: (steps) => packets(steps).some((packet) => packet[9] === 136),
  },
  {
    reason:
      'A sender whose packets wait for himself is told of each; the kernel tells of the first, which has him asked for anew, and throws the others away (neigh_invalidate)',
    isIt: (steps, { where, kernel, softnet }) =>
      where === 'counters' &&
      packets(steps).filter((packet) => ipv4.src(packet, 0) === ipv4.dst(packet, 0)).length > 1 &&
      [...kernel, ...softnet].every((line) =>
        /^(IcmpOut(DestUnreachs|Msgs)|IpExtOutOctets|IpOut(Requests|Transmits)) /.test(line)
      ),
  },
  {
    reason: 'The kernel counts overlaps of fragments beside IpReasmFails',
    line: /^counters kernel: IpExtReasmOverlaps /,
  },
  {
    reason:
      'A whole datagram has no DF: nobody sends it on. The kernel gives it DF when its largest fragments had',
    isIt: (steps) =>
      packets(steps).some((packet) => ipv4.isFragment(packet, 0)) &&
      packets(steps).some((packet) => ipv4.isFragment(packet, 0) && ipv4.dontFragment(packet, 0)),
  },
  {
    reason:
      'A SYN-ACK whose neighbour does not answer: the kernel tells itself of other packets, but not of that',
    isIt: (steps, { where, kernel }) =>
      where === 'counters' &&
      packets(steps).some((packet) => packet[9] === 6) &&
      !kernel.some((line) => line.startsWith('Icmp')),
  },
  {
    reason:
      'An error to a host that has just been forgotten, about a packet that waited for it: the kernel asks for the host anew',
    isIt: (steps, { kernel, softnet }) =>
      softnet.length === 0 &&
      kernel.every((line) =>
        packets(steps).some((packet) =>
          line.startsWith(`ARP, Request who-has ${formatIpv4(ipv4.src(packet, 0))} `)
        )
      ),
  },
  {
    reason: 'Connections do not answer with the options of their SYN, nor by the way that it came',
    isIt: (steps, { where, kernel, softnet }) =>
      hasOptions(steps) &&
      ([...kernel, ...softnet].every((line) => line.includes('Flags [S.]')) ||
        (hasRoutedSyn(steps) &&
          (where === 'counters' || kernel.every((line) => line.startsWith('ARP, Request'))))),
  },
]
