/** ICMP errors of scripts: about a segment that the stack has sent, as a router on the way would answer it. */
import { AF_INET } from '../core/base/family.ts'
import { icmpMessage, ipPacket } from '../test/support/packets.ts'
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

export const icmpError = (packet: IcmpPacket, host: Host, flow: Flow): Uint8Array => {
  const code = UNREACHABLE[packet.code]
  if (host.family !== AF_INET || packet.type !== 'unreachable' || code === undefined)
    throw new Unsupported(`ICMP ${packet.type} ${packet.code}`)
  const isn = flow.isn ?? 0
  const segment = encode(
    {
      proto: 'tcp',
      flags: 0x10,
      seq: (packet.seq + isn) | 0,
      len: packet.len,
      ack: 0,
      win: 0,
      urg: 0,
      options: [],
      ecn: 0,
    },
    {
      family: AF_INET,
      src: [...host.local],
      dst: [...host.remote],
      sport: flow.port,
      dport: flow.peerPort,
    }
  )
  const message = icmpMessage(TYPE_UNREACHABLE, code, packet.mtu, segment.subarray(0, QUOTED))
  const fields = { saddr: host.gateway, daddr: host.localText, protocol: IPPROTO_ICMP }
  return ipPacket(fields, message)
}
