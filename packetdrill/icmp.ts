/** ICMP errors of scripts: about a segment that the stack has sent, as a router on the way would answer it. */
import { AF_INET } from '../core/base/family.ts'
import { IPPROTO_ICMPV6 } from '../core/wire/ipproto.ts'
import { icmpMessage, ipPacket } from '../sim/net/packets.ts'
import { icmpv6Message, ip6Packet } from '../sim/net/packets6.ts'
import type { Host } from './host.ts'
import { type IcmpPacket, Unsupported } from './script.ts'
import type { Flow } from './segments.ts'
import { encode } from './wire.ts'

const UNREACHABLE: Record<string, number> = {
  net_unreachable: 0,
  host_unreachable: 1,
  protocol_unreachable: 2,
  port_unreachable: 3,
  frag_needed: 4,
  source_route_failed: 5,
  '': 0,
}
const TYPE_UNREACHABLE = 3
const IPPROTO_ICMP = 1
/** An IP header and 64 bits, as RFC 792 has it. */
const QUOTED = 28

const UNREACHABLE6: Record<string, number> = {
  no_route: 0,
  admin_prohibited: 1,
  address_unreachable: 3,
  port_unreachable: 4,
  '': 0,
}
const TYPE_UNREACHABLE6 = 1
const TYPE_TOO_BIG6 = 2
/** As much of it as there is room for (RFC 4443 section 3.1); more than the headers is looked at by nobody. */
const QUOTED6 = 200

/** The segment that it is about. */
const quoted = ({ seq, len }: IcmpPacket, host: Host, flow: Flow): Uint8Array =>
  encode(
    {
      proto: 'tcp',
      flags: 0x10,
      seq: (seq + (flow.isn ?? 0)) | 0,
      len,
      ack: 0,
      win: 0,
      urg: 0,
      options: [],
      ecn: 0,
    },
    {
      family: host.family,
      src: [...host.local],
      dst: [...host.remote],
      sport: flow.port,
      dport: flow.peerPort,
    }
  )
const unsupported = ({ type, code }: IcmpPacket): never => {
  throw new Unsupported(`ICMP ${type} ${code}`)
}

const icmp4 = (packet: IcmpPacket, host: Host, segment: Uint8Array): Uint8Array => {
  const code = UNREACHABLE[packet.code]
  if (packet.type !== 'unreachable' || code === undefined) return unsupported(packet)
  const message = icmpMessage(TYPE_UNREACHABLE, code, packet.mtu, segment.subarray(0, QUOTED))
  return ipPacket({ saddr: host.gateway, daddr: host.localText, protocol: IPPROTO_ICMP }, message)
}
const icmp6 = (packet: IcmpPacket, host: Host, segment: Uint8Array): Uint8Array => {
  const isTooBig = packet.type === 'packet_too_big'
  const code = isTooBig ? 0 : UNREACHABLE6[packet.code]
  if ((!isTooBig && packet.type !== 'unreachable') || code === undefined) return unsupported(packet)
  const fields = { saddr: host.gateway, daddr: host.localText, protocol: IPPROTO_ICMPV6 }
  const type = isTooBig ? TYPE_TOO_BIG6 : TYPE_UNREACHABLE6
  const data = segment.subarray(0, QUOTED6)
  return ip6Packet(fields, icmpv6Message(fields, type, code, packet.mtu, data))
}

export const icmpError = (packet: IcmpPacket, host: Host, flow: Flow): Uint8Array =>
  (host.family === AF_INET ? icmp4 : icmp6)(packet, host, quoted(packet, host, flow))
