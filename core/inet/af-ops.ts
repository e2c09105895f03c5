/**
 * What the address families differ in, as far as routing, sockets and transports go: one table, asked by family. Its
 * constants stand here; what sends is filled in by ipv4/af-inet.ts and ipv6/af-inet6.ts, joined by core/stack. Code
 * above and beside IP takes `afOps(family)` and is the same for both. Any thread. Linux: struct
 * inet_connection_sock_af_ops, struct inet6_protocol; RFC 791, 1191, 8200, 8201.
 */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import type { Flowi } from '../base/flowi.ts'
import type { Arena } from '../shm/arena.ts'
import { Mib } from '../shm/counters.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { GSO_TCPV4, GSO_TCPV6 } from '../skb/skb.ts'
import { SK_TOS } from '../socket/sock.ts'
import { SK_TCLASS } from '../socket/inet-sock.ts'
import { ICMP_DEST_UNREACH, ICMP_ECHO, ICMP_HOST_UNREACH } from '../wire/icmp.ts'
import { ICMPV6_DEST_UNREACH, ICMPV6_ECHO_REQUEST, ICMPV6_NOROUTE } from '../wire/icmpv6.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../wire/ipproto.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'

/** Counters of UDP: each family has its own, as indices of the bank. */
const UDP_MIB = {
  inDatagrams: Mib.UdpInDatagrams,
  noPorts: Mib.UdpNoPorts,
  inErrors: Mib.UdpInErrors,
  outDatagrams: Mib.UdpOutDatagrams,
  rcvbufErrors: Mib.UdpRcvbufErrors,
  sndbufErrors: Mib.UdpSndbufErrors,
  inCsumErrors: Mib.UdpInCsumErrors,
  ignoredMulti: Mib.UdpIgnoredMulti,
  memErrors: Mib.UdpMemErrors,
}
const UDP6_MIB: typeof UDP_MIB = {
  inDatagrams: Mib.Udp6InDatagrams,
  noPorts: Mib.Udp6NoPorts,
  inErrors: Mib.Udp6InErrors,
  outDatagrams: Mib.Udp6OutDatagrams,
  rcvbufErrors: Mib.Udp6RcvbufErrors,
  sndbufErrors: Mib.Udp6SndbufErrors,
  inCsumErrors: Mib.Udp6InCsumErrors,
  ignoredMulti: Mib.Udp6IgnoredMulti,
  memErrors: Mib.Udp6MemErrors,
}

export type AfInfo = Readonly<{
  family: number
  /** Its place where each family has a word of its own. */
  index: 0 | 1
  /** Octets of the fixed header, and where in it the TTL or hop limit is. */
  headerLen: number
  hopLimitAt: number
  /** TOS or traffic class of the header at (mem, at). */
  tosOf: (mem: Uint8Array, at: number) => number
  /** Its flow label; IPv4 has none. */
  labelOf: (mem: Uint8Array, at: number) => number
  /** Word of a sock that says what its packets have there. */
  sockTos: number
  /** What a network header can carry at most. */
  maxPayload: number
  /** Every link takes so much (RFC 791, 8200 section 5), every host so much. */
  minMtu: number
  defaultMtu: number
  /**
   * The least that an ICMP error makes of a path's MTU. A path said to be narrower is then either left to fragment what
   * is that large (IPv4: mtu locked, no DF any more), or not believed.
   */
  minPmtu: (arena: Arena) => number
  locksMtu: boolean
  /** Sysctls: seconds that what was learned of a path's MTU is believed; the least MSS that is announced. */
  mtuExpires: number
  minAdvMss: number
  /** GSO_* of a TCP super-frame. */
  tsoType: number
  /** The values of the peer's MSS that a SYN cookie can say, rising (msstab of net/ipv4/syncookies.c and net/ipv6). */
  syncookieMss: readonly number[]
  /** A UDP checksum of zero is none (RFC 768), or an error (RFC 8200 section 8.1). */
  needsUdpChecksum: boolean
  udpMib: Readonly<typeof UDP_MIB>
  /** Counter of ICMP errors that nobody is told. */
  icmpInErrors: number
  /**
   * Its control messages: the protocol, what asks for an echo, whether the pseudo header is in the checksum, the least of a
   * message that a filter looks at, and what says that a router has no way: the type, and the last of its codes that do.
   */
  icmp: Readonly<{
    protocol: number
    echo: number
    hasPseudo: boolean
    filtered: number
    noRoute: number
    noRouteCode: number
  }>
  /** Raw sockets get a packet with its IP header. */
  rawHasHeader: boolean
  /** The port of an address that a raw socket sends to names the protocol. */
  rawPortIsProtocol: boolean
  /** Sysctl: answers have the mark of what they answer. */
  fwmarkReflect: number
  /** Bits of an address, which are the last of its four words. */
  addrBits: number
}>

export type AfOps = AfInfo &
  Readonly<{
    /** Hop limit of packets whose socket asks for none. */
    hopLimit: () => number
    /**
     * Sends a connected sock's packet, data at the transport header: 0, or -errno; the packet is taken over.
     * IPv4: ipQueueXmit (ipv4/ip-output.ts).
     */
    queueXmit: (skb: number, sk: number) => number
    /**
     * The same of a datagram socket, along a flow that was routed, with a hop limit (0: the default's; NO_HOPS). IPv4:
     * ipSendSock (ipv4/ip-output.ts).
     */
    send: (
      skb: number,
      fl: Flowi,
      proto: number,
      tos: number,
      hopLimit: number,
      sk: number
    ) => number
    /** The same of a packet whose IP header its sender has made. IPv4: ipSendHeader (ipv4/ip-output.ts). */
    sendHeader: (skb: number, fl: Flowi) => number
    /** Counts a control message of a socket's. IPv4: icmpOut (ipv4/icmp/icmp-push-reply.ts). */
    icmpOut: (type: number) => void
    /**
     * Sends what answers a received packet without a socket, the way back in `fl`, which it routes: with its TOS, and what its
     * options had recorded; 0, or -errno. IPv4: ipSendReply (ipv4/ip-output.ts; ip_send_unicast_reply).
     */
    reply: (skb: number, fl: Flowi, proto: number, request: number) => number
    /**
     * What answers the options of a received packet becomes what the sock's packets carry. IPv4: keepOptions
     * (ipv4/options/ip-options-echo.ts).
     */
    keepOptions: (sk: number, request: number) => void
    /**
     * Tells the sender of a packet that nobody listens on its port. The packet stays the caller's.
     * IPv4: icmpSend (ipv4/icmp/icmp-send.ts).
     */
    portUnreachable: (skb: number) => void
  }>
/** The table, asked by family; filled by core/stack/inet.ts: createAfInet (ipv4/), createAfInet6 (ipv6/). */
export type AfOpsOf = (family: number) => AfOps

export const AF_INET_INFO: AfInfo = {
  family: AF_INET,
  index: 0,
  headerLen: 20,
  hopLimitAt: 8,
  tosOf: ipv4.tos,
  labelOf: () => 0,
  sockTos: SK_TOS,
  maxPayload: 65515,
  minMtu: 68,
  defaultMtu: 576,
  minPmtu: ({ i32, layout }) => i32[layout.sysctl + Sysctl.route_min_pmtu],
  locksMtu: true,
  mtuExpires: Sysctl.route_mtu_expires,
  minAdvMss: Sysctl.route_min_adv_mss,
  tsoType: GSO_TCPV4,
  syncookieMss: [536, 1300, 1440, 1460],
  needsUdpChecksum: false,
  udpMib: UDP_MIB,
  icmpInErrors: Mib.IcmpInErrors,
  icmp: {
    protocol: IPPROTO_ICMP,
    echo: ICMP_ECHO,
    hasPseudo: false,
    filtered: 8,
    noRoute: ICMP_DEST_UNREACH,
    noRouteCode: ICMP_HOST_UNREACH,
  },
  rawHasHeader: true,
  rawPortIsProtocol: false,
  fwmarkReflect: Sysctl.fwmark_reflect,
  addrBits: 32,
}
export const AF_INET6_INFO: AfInfo = {
  family: AF_INET6,
  index: 1,
  headerLen: 40,
  hopLimitAt: 7,
  tosOf: ipv6.trafficClass,
  labelOf: ipv6.flowLabel,
  sockTos: SK_TCLASS,
  maxPayload: 65535,
  minMtu: 1280,
  defaultMtu: 1280,
  minPmtu: () => ipv6.MIN_MTU,
  locksMtu: false,
  mtuExpires: Sysctl.route6_mtu_expires,
  minAdvMss: Sysctl.route6_min_adv_mss,
  tsoType: GSO_TCPV6,
  syncookieMss: [1220, 1420, 1440, 8940],
  needsUdpChecksum: true,
  udpMib: UDP6_MIB,
  icmpInErrors: Mib.Icmp6InErrors,
  icmp: {
    protocol: IPPROTO_ICMPV6,
    echo: ICMPV6_ECHO_REQUEST,
    hasPseudo: true,
    filtered: 4,
    noRoute: ICMPV6_DEST_UNREACH,
    noRouteCode: ICMPV6_NOROUTE,
  },
  rawHasHeader: false,
  rawPortIsProtocol: true,
  fwmarkReflect: Sysctl.fwmark_reflect6,
  addrBits: 128,
}

/** The one place that chooses by family. */
export const byFamily =
  <T>(v4: T, v6: T) =>
  (family: number): T =>
    family === AF_INET ? v4 : v6
export const afInfo = byFamily(AF_INET_INFO, AF_INET6_INFO)
