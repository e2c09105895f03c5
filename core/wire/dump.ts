/**
 * One line of text about a frame, worded as tcpdump words it. Cold: for logs, test failures and the
 * API's capture view. A frame that is cut short says so and is never read beyond its end.
 */
import { type Bytes, i32 } from '../base/bytes.ts'
import { toUnsigned } from '../base/u32.ts'
import * as arp from './arp.ts'
import * as ethernet from './ethernet.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from './ipproto.ts'
import * as ipv4 from './ipv4.ts'
import * as ipv6 from './ipv6.ts'
import * as ext from './ipv6-ext.ts'
import * as tcp from './tcp.ts'
import * as opts from './tcp-options.ts'
import { formatIpv4, formatIpv6, formatMac, formatMacAt } from './text.ts'
import * as udp from './udp.ts'
import * as vlan from './vlan.ts'

export const dumpFrame = (mem: Bytes, at: number, len: number): string => {
  if (!ethernet.check(mem, at, len)) return `[|ether] length ${len}`
  const end = at + len
  let type = ethernet.type(mem, at)
  let cursor = at + ethernet.ETH_HLEN
  let tags = ''
  while (vlan.isVlanType(type)) {
    if (!vlan.check(mem, cursor, end - cursor)) return `${tags}[|vlan]`
    tags += `vlan ${vlan.vid(mem, cursor)}, p ${vlan.priority(mem, cursor)}, `
    type = vlan.type(mem, cursor)
    cursor += vlan.VLAN_HLEN
  }
  if (type === ethernet.ETH_P_IP || type === ethernet.ETH_P_IPV6 || type === ethernet.ETH_P_ARP) {
    return tags + dumpNetwork(mem, type, cursor, end)
  }
  const macs = `${formatMacAt(mem, at + 6)} > ${formatMacAt(mem, at)}`
  return `${tags}${macs}, ethertype 0x${type.toString(16).padStart(4, '0')}, length ${len}`
}

/** From the network header on, for places that hold no link header. */
const dumpNetwork = (mem: Bytes, type: number, at: number, end: number): string => {
  if (type === ethernet.ETH_P_ARP) return dumpArp(mem, at, end)
  return type === ethernet.ETH_P_IP ? dumpIpv4(mem, at, end) : dumpIpv6(mem, at, end)
}

const dumpArp = (mem: Bytes, at: number, end: number): string => {
  if (!arp.check(mem, at, end - at)) return 'ARP, [|arp]'
  const op = arp.operation(mem, at)
  const sender = formatIpv4(arp.senderIp(mem, at))
  const length = `length ${end - at}`
  if (op === arp.ARPOP_REQUEST) {
    return `ARP, Request who-has ${formatIpv4(arp.targetIp(mem, at))} tell ${sender}, ${length}`
  }
  const mac = formatMac(arp.senderMacHi(mem, at), arp.senderMacLo(mem, at))
  if (op === arp.ARPOP_REPLY) return `ARP, Reply ${sender} is-at ${mac}, ${length}`
  return `ARP, operation ${op}, ${length}`
}

const dumpIpv4 = (mem: Bytes, at: number, end: number): string => {
  if (!ipv4.check(mem, at, end - at)) return 'IP [|ip]'
  const ipEnd = at + ipv4.totalLength(mem, at)
  const body = at + ipv4.headerLen(mem, at)
  const source = formatIpv4(ipv4.src(mem, at))
  const target = formatIpv4(ipv4.dst(mem, at))
  const offset = ipv4.fragmentOffset(mem, at)
  const piece = ipv4.isFragment(mem, at)
    ? ` frag ${ipv4.id(mem, at)}:${ipEnd - body}@${offset}${ipv4.moreFragments(mem, at) ? '+' : ''}`
    : ''
  if (offset !== 0) return `IP ${source} > ${target}:${piece} ip-proto-${ipv4.protocol(mem, at)}`
  return `IP ${dumpTransport(mem, ipv4.protocol(mem, at), body, ipEnd, source, target)}${piece}`
}

const dumpIpv6 = (mem: Bytes, at: number, end: number): string => {
  if (!ipv6.check(mem, at, end - at)) return 'IP6 [|ip6]'
  const ipEnd = at + ipv6.HEADER + ipv6.payloadLength(mem, at)
  const out = new Int32Array(ext.EXT_WORDS)
  const source = formatIpv6(...wordsAt(mem, at + 8))
  const target = formatIpv6(...wordsAt(mem, at + 24))
  if (ext.walk(mem, at, ipEnd, out) !== ext.WALK_OK) return `IP6 ${source} > ${target}: [|ip6ext]`
  const body = out[ext.EXT_TRANSPORT]
  const fragmentAt = out[ext.EXT_FRAGMENT]
  const protocol = out[ext.EXT_PROTOCOL]
  if (fragmentAt < 0) return `IP6 ${dumpTransport(mem, protocol, body, ipEnd, source, target)}`
  const offset = ext.fragmentOffset(mem, fragmentAt)
  const more = ext.moreFragments(mem, fragmentAt) ? '+' : ''
  const id = toUnsigned(ext.fragmentId(mem, fragmentAt))
  const piece = ` frag ${id}:${ipEnd - body}@${offset}${more}`
  if (offset !== 0) return `IP6 ${source} > ${target}:${piece} ip-proto-${protocol}`
  return `IP6 ${dumpTransport(mem, protocol, body, ipEnd, source, target)}${piece}`
}

const wordsAt = (mem: Bytes, at: number): [number, number, number, number] => [
  i32(mem, at),
  i32(mem, at + 4),
  i32(mem, at + 8),
  i32(mem, at + 12),
]

const dumpTransport = (
  mem: Bytes,
  protocol: number,
  at: number,
  end: number,
  source: string,
  target: string
): string => {
  const room = end - at
  if (protocol === IPPROTO_TCP) {
    if (!tcp.check(mem, at, room)) return `${source} > ${target}: [|tcp]`
    const ends = `${source}.${tcp.srcPort(mem, at)} > ${target}.${tcp.dstPort(mem, at)}`
    return `${ends}: ${dumpTcp(mem, at, room)}`
  }
  if (protocol === IPPROTO_UDP) {
    // the first piece of a fragmented datagram names the length of the whole
    if (room < udp.MIN_HEADER) return `${source} > ${target}: [|udp]`
    const ends = `${source}.${udp.srcPort(mem, at)} > ${target}.${udp.dstPort(mem, at)}`
    return `${ends}: UDP, length ${udp.length(mem, at) - udp.MIN_HEADER}`
  }
  if (protocol === IPPROTO_ICMP || protocol === IPPROTO_ICMPV6) {
    const name = protocol === IPPROTO_ICMP ? 'ICMP' : 'ICMP6'
    if (room < icmp.MIN_HEADER) return `${source} > ${target}: [|${name.toLowerCase()}]`
    const what = protocol === IPPROTO_ICMP ? dumpIcmp(mem, at) : dumpIcmpv6(mem, at)
    return `${source} > ${target}: ${name}, ${what}, length ${room}`
  }
  return `${source} > ${target}: ip-proto-${protocol} ${room}`
}

const FLAG_LETTERS: readonly [number, string][] = [
  [tcp.TCP_FIN, 'F'],
  [tcp.TCP_SYN, 'S'],
  [tcp.TCP_RST, 'R'],
  [tcp.TCP_PSH, 'P'],
  [tcp.TCP_ACK, '.'],
  [tcp.TCP_URG, 'U'],
  [tcp.TCP_ECE, 'E'],
  [tcp.TCP_CWR, 'W'],
]

const dumpTcp = (mem: Bytes, at: number, room: number): string => {
  const flags = tcp.flags(mem, at)
  const letters = FLAG_LETTERS.map(([bit, letter]) => (flags & bit ? letter : '')).join('')
  const length = room - tcp.headerLen(mem, at)
  const seq = toUnsigned(tcp.seq(mem, at))
  const last = toUnsigned(tcp.seq(mem, at) + length)
  const parts = [`Flags [${letters || 'none'}]`, `seq ${length > 0 ? `${seq}:${last}` : seq}`]
  if (flags & tcp.TCP_ACK) parts.push(`ack ${toUnsigned(tcp.ack(mem, at))}`)
  parts.push(`win ${tcp.window(mem, at)}`)
  if (flags & tcp.TCP_URG) parts.push(`urg ${tcp.urgent(mem, at)}`)
  if (tcp.optionsLen(mem, at) > 0) parts.push(`options [${dumpTcpOptions(mem, at)}]`)
  parts.push(`length ${length}`)
  return parts.join(', ')
}

const dumpTcpOptions = (mem: Bytes, at: number): string => {
  const out = new Int32Array(opts.OPT_WORDS)
  opts.parse(mem, at + tcp.MIN_HEADER, tcp.optionsLen(mem, at), out)
  const seen = out[opts.OPT_SEEN]
  const parts: string[] = []
  if (seen & opts.SEEN_MSS) parts.push(`mss ${out[opts.OPT_MSS]}`)
  if (seen & opts.SEEN_SACK_PERM) parts.push('sackOK')
  if (seen & opts.SEEN_TIMESTAMPS) {
    const tsval = toUnsigned(out[opts.OPT_TSVAL])
    parts.push(`TS val ${tsval} ecr ${toUnsigned(out[opts.OPT_TSECR])}`)
  }
  if (seen & opts.SEEN_WSCALE) parts.push(`wscale ${out[opts.OPT_WSCALE]}`)
  if (seen & opts.SEEN_SACK) {
    const blocks = Array.from({ length: out[opts.OPT_SACK_COUNT] }, (_, i) => {
      const start = toUnsigned(opts.sackStart(mem, out[opts.OPT_SACK_AT], i))
      return `{${start}:${toUnsigned(opts.sackEnd(mem, out[opts.OPT_SACK_AT], i))}}`
    })
    parts.push(`sack ${blocks.length} ${blocks.join('')}`)
  }
  if (seen & opts.SEEN_FASTOPEN) parts.push(`tfo ${out[opts.OPT_FASTOPEN_LEN]} octets`)
  return parts.join(',')
}

const dumpIcmp = (mem: Bytes, at: number): string => {
  const type = icmp.type(mem, at)
  const code = icmp.code(mem, at)
  const echo = `id ${icmp.id(mem, at)}, seq ${icmp.seq(mem, at)}`
  if (type === icmp.ICMP_ECHO) return `echo request, ${echo}`
  if (type === icmp.ICMP_ECHOREPLY) return `echo reply, ${echo}`
  if (type === icmp.ICMP_DEST_UNREACH && code === icmp.ICMP_FRAG_NEEDED) {
    return `unreachable - need to frag (mtu ${icmp.nextHopMtu(mem, at)})`
  }
  if (type === icmp.ICMP_DEST_UNREACH) return `unreachable, code ${code}`
  if (type === icmp.ICMP_TIME_EXCEEDED) return `time exceeded, code ${code}`
  return `type ${type}, code ${code}`
}

const dumpIcmpv6 = (mem: Bytes, at: number): string => {
  const type = icmpv6.type(mem, at)
  const echo = `id ${icmpv6.id(mem, at)}, seq ${icmpv6.seq(mem, at)}`
  if (type === icmpv6.ICMPV6_ECHO_REQUEST) return `echo request, ${echo}`
  if (type === icmpv6.ICMPV6_ECHO_REPLY) return `echo reply, ${echo}`
  if (type === icmpv6.ICMPV6_DEST_UNREACH) return `unreachable, code ${icmpv6.code(mem, at)}`
  if (type === icmpv6.ICMPV6_PKT_TOOBIG)
    return `packet too big, mtu ${toUnsigned(icmpv6.mtu(mem, at))}`
  if (type === icmpv6.ICMPV6_TIME_EXCEED) return `time exceeded, code ${icmpv6.code(mem, at)}`
  if (type === icmpv6.NDISC_NEIGHBOUR_SOLICITATION) return 'neighbor solicitation'
  if (type === icmpv6.NDISC_NEIGHBOUR_ADVERTISEMENT) return 'neighbor advertisement'
  if (type === icmpv6.NDISC_ROUTER_SOLICITATION) return 'router solicitation'
  if (type === icmpv6.NDISC_ROUTER_ADVERTISEMENT) return 'router advertisement'
  return `type ${type}, code ${icmpv6.code(mem, at)}`
}
