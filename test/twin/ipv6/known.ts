// Differences from the kernel that stay, each with its reason.

import { dumpFrame } from '../../../core/wire/dump.ts'
import { NDISC_REDIRECT } from '../../../core/wire/icmpv6.ts'
import {
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ICMPV6,
  IPPROTO_ROUTING,
} from '../../../core/wire/ipproto.ts'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import {
  EXT_PROTOCOL,
  EXT_TRANSPORT,
  EXT_WORDS,
  FRAGMENT_HEADER,
  fragmentOffset,
  moreFragments,
  WALK_OK,
  walk,
} from '../../../core/wire/ipv6-ext.ts'
import type { Case } from '../case.ts'
import type { Difference, Known } from '../known.ts'

const hasFrame = (steps: Case, like: RegExp): boolean =>
  steps.some(
    (step) => step.do === 'frame' && like.test(dumpFrame(step.frame, 0, step.frame.length))
  )
/** Both said the same, but for the MTU and the hop limit of the packet that an error quotes. */
const differsByRouteMtu = ({ kernel, softnet }: Difference): boolean => {
  const plain = (line: string): string => {
    const frame = Buffer.from(line.split(' ').at(-1)!, 'hex')
    frame.fill(0, MTU_TOLD, MTU_TOLD + 4)
    frame[HOPS_OF_QUOTED] = 0
    return frame.toString('hex')
  }
  return kernel.map(plain).join() === softnet.map(plain).join()
}
/** Of lines of one counter. */
const total = (lines: readonly string[]): number =>
  lines.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0)
const isEmptyJumbo = (step: Case[number]): boolean => {
  if (step.do !== 'frame') return false
  const packet = step.frame.subarray(14)
  return (
    packet.length >= ipv6.HEADER &&
    ipv6.payloadLength(packet, 0) === 0 &&
    packet[ipv6.NEXT_HEADER_FIELD] === IPPROTO_HOPOPTS
  )
}
/** Counters of so many: the kernel's as of packets that have gone on, softnet's as of malformed ones. */
const isOfEmptyJumbos = (
  count: number,
  kernel: readonly string[],
  softnet: readonly string[]
): boolean => {
  const isRequest = (line: string): boolean => line.startsWith('Ip6ReasmReqds ')
  const requests = total(kernel.filter(isRequest)) - total(softnet.filter(isRequest))
  const [theirs, ours] = [kernel, softnet].map((all) => all.filter((line) => !isRequest(line)))
  return (
    requests >= 0 &&
    requests <= count &&
    theirs!.every((line) => /^Ip6In(NoRoutes|HdrErrors) /.test(line)) &&
    ours!.every((line) => /^Ip6InHdrErrors /.test(line)) &&
    total(theirs!) <= total(ours!)
  )
}
/** A redirect, or a first piece of one, be it cut behind its type. */
const isRedirect = (step: Case[number]): boolean => {
  if (step.do !== 'frame') return false
  const packet = step.frame.subarray(14)
  const out = new Int32Array(EXT_WORDS)
  return (
    packet.length > ipv6.HEADER &&
    walk(packet, 0, packet.length, out) === WALK_OK &&
    out[EXT_PROTOCOL] === IPPROTO_ICMPV6 &&
    packet[out[EXT_TRANSPORT]!] === NDISC_REDIRECT
  )
}
/** Do its extension headers say that they are longer than it is? */
const runsPast = (packet: Uint8Array): boolean => {
  let at = ipv6.HEADER
  let next = packet[ipv6.NEXT_HEADER_FIELD]
  while (at < packet.length && EXTENSIONS.has(next!)) {
    next = packet[at]
    at += 8 * (packet[at + 1]! + 1)
  }
  return at > packet.length
}
/** A first fragment behind whose end there is to be another extension header. */
const isCutInChain = (packet: Uint8Array): boolean => {
  let at = ipv6.HEADER
  let next = packet[ipv6.NEXT_HEADER_FIELD]
  let isFragment = false
  while (EXTENSIONS.has(next!) || next === IPPROTO_FRAGMENT) {
    if (at + OPTION_HEADER > packet.length) return isFragment
    const isHere = next === IPPROTO_FRAGMENT
    isFragment ||= isHere && fragmentOffset(packet, at) === 0 && moreFragments(packet, at)
    next = packet[at]
    at += isHere ? FRAGMENT_HEADER : 8 * (packet[at + 1]! + 1)
  }
  return false
}
/** Which header follows, and the length. */
const OPTION_HEADER = 2
const EXTENSIONS = new Set([IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS])
/** PIM and UDP-Lite */
const ONLY_KERNELS = new Set([103, 136])
/** Behind the headers of Ethernet and IPv6. */
const MTU_TOLD = 14 + 40 + 4
const HOPS_OF_QUOTED = 14 + 40 + 8 + 7

export const KNOWN_IPV6: readonly Known[] = [
  {
    reason:
      'RFC 4291 section 2.5.2: what comes from :: is never sent on. Linux does, back onto the link that it came by.',
    among: (steps) => hasFrame(steps, /^IP6 ::(\.\d+)? >/),
    line: /^(eth\d kernel: IP6 ::(\.\d+)? >|counters (kernel|softnet): Ip6(FragFails|InTooBigErrors|InAddrErrors) )/,
  },
  {
    reason:
      "Linux looks at a route's own MTU behind the device's and behind the hop limit's fall: it tells the device's first, then quotes a packet that is not the one that was sent, and InTooBigErrors does not count it; of one whose headers run past its end it says nothing (ip6_find_1stfragopt).",
    isIt: (steps, difference) =>
      difference.where === 'counters'
        ? [...difference.kernel, ...difference.softnet].every((line) =>
            /^Ip6InTooBigErrors /.test(line)
          ) && total(difference.kernel) < total(difference.softnet)
        : difference.softnet.every((line) => /too big, mtu/.test(line)) &&
          (difference.kernel.length === 0
            ? steps.some((step) => step.do === 'frame' && runsPast(step.frame.subarray(14)))
            : differsByRouteMtu(difference)),
  },
  {
    reason:
      'An anycast address answers TCP with nothing, as it stands for several routers. Linux does so too, but where something listens it refuses a stray ACK.',
    line: /^eth\d kernel: IP6 (fd00:3::|2001:db8:\d::|2001:db8:2:0:7::)\.9 > \S+: Flags \[R\]/,
  },
  {
    reason:
      'RFC 4443 section 2.4 e.2: no error is said about a redirect. To Linux a redirect is a message as any that is no error (is_ineligible).',
    isIt: (steps, { where, kernel, softnet }) =>
      where !== 'counters' &&
      steps.some(isRedirect) &&
      softnet.length === 0 &&
      kernel.every((line) =>
        /ICMP6, (unreachable|packet too big|time exceeded|type 4,)/.test(line)
      ),
  },
  {
    reason: 'The kernel counts a SYN from an IPv4-mapped address as an error of its header.',
    isIt: (steps, { where, kernel, softnet }) =>
      where === 'counters' &&
      hasFrame(steps, /^IP6 ::ffff:/) &&
      [...kernel, ...softnet].every((line) => /^Ip6InHdrErrors /.test(line)),
  },
  {
    reason:
      'RFC 2675 section 3: a length of 0 with hop-by-hop options is a jumbogram, which says its length there or is malformed. Linux sends it on as it is, or looks for a fragment in it.',
    isIt: (steps, { where, kernel, softnet }) =>
      steps.some(isEmptyJumbo) &&
      (where === 'counters'
        ? isOfEmptyJumbos(steps.filter(isEmptyJumbo).length, kernel, softnet)
        : softnet.every((line) => /ICMP6, type 4, code 0/.test(line)) &&
          kernel.every((line) => line.startsWith('IP6 '))),
  },
  {
    reason:
      'Of what waits for a neighbour behind a link that goes down the sender is told; the kernel is silent',
    isIt: (steps, { where, kernel, softnet }) =>
      where !== 'counters' &&
      steps.some((step) => step.do === 'run' && /eth\d down|disable_ipv6=1/.test(step.line)) &&
      kernel.length === 0 &&
      softnet.every((line) => /ICMP6, unreachable, code 3/.test(line)),
  },
  {
    reason:
      'RFC 8200 section 4.5: a first fragment has all headers, or is discarded and an error says so. The kernel does not see that one is missing where that is an extension header (ipv6_skip_exthdr).',
    isIt: (steps, { where, kernel, softnet }) =>
      steps.some((step) => step.do === 'frame' && isCutInChain(step.frame.subarray(14))) &&
      (where === 'counters'
        ? [...kernel, ...softnet].every((line) => /^Ip6InHdrErrors /.test(line)) &&
          total(kernel) < total(softnet)
        : kernel.length === 0 && softnet.every((line) => /ICMP6, type 4, code 3/.test(line))),
  },
  {
    reason: 'The kernel has PIM and UDP-Lite',
    isIt: (steps) =>
      steps.some((step) => step.do === 'frame' && ONLY_KERNELS.has(step.frame[20] ?? 0)),
  },
]
