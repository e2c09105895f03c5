/**
 * inet_sock: what the row of a socket of IPv4 or IPv6 has beside sock.ts's words, whatever its protocol: what options of IP say
 * (socket/sockopt/), behind the protocol's words; and what the bits of both mean. Set on the socket's worker, read by all layers.
 * Linux: struct inet_sock, include/net/inet_sock.h; struct ipv6_pinfo, include/linux/ipv6.h.
 */
import { AF_INET, AF_INET6, isV4Mapped } from '../base/family.ts'
import { FL_F_SRC_PUBLIC, FL_F_SRC_TMP } from '../base/flowi.ts'
import type { Arena } from '../shm/arena.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { FLOWLABEL_MASK } from '../wire/ipv6.ts'
import { SK_DADDR, SK_DST_GENERATION, SK_FAMILY, SK_NUM, SK_REUSE } from './sock.ts'
import {
  CMSG_PEEK_OFF,
  CMSG_STAMP,
  CMSG_STAMPING,
  FREEBIND,
  INET_AUTOFLOWLABEL,
  INET_AUTOFLOWLABEL_SET,
  INET_LOCALROUTE,
  INET_SNDFLOW,
  INET_TRANSPARENT,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_INTERFACE,
  IP_PMTUDISC_WANT,
  MAPPED,
  MC_NO_ALL,
  SOF_TIMESTAMPING_RX_SOFTWARE,
  SOF_TIMESTAMPING_SOFTWARE,
} from './socket-constants.ts'

/** From IPV6_PREFER_SRC_TMP and _PUBLIC to FL_F_SRC_*. */
const SRC_PREFS_SHIFT = 5
/** net.ipv6.auto_flowlabels: labels unless a socket does not want them; whatever it wants (IP6_AUTO_FLOW_LABEL_*). */
const AUTO_LABEL_OPTOUT = 1
export const AUTO_LABEL_FORCED = 3

/** The first of them: what lies between SK_PROTO and here is the protocol's. */
export const SK_INET = 448
/** INET_* bits. */
export const SK_INET_FLAGS = SK_INET
/** CMSG_* bits. */
export const SK_CMSG = SK_INET + 1
/** IP_MTU_DISCOVER, and IPV6_MTU_DISCOVER behind it, as pmtudiscOf reads them. */
export const SK_PMTUDISC = SK_INET + 2
/** Devices of IP_UNICAST_IF, and IPV6_UNICAST_IF behind it, or 0. */
export const SK_UNICAST_IF = SK_INET + 4
/** IP_OPTIONS: how many octets, which each packet asks, and the octets (ipv4/options/ip-options-sock.ts). */
export const SK_IPOPT_LEN = SK_INET + 6
export const SK_IPOPT = SK_INET + 19
/** The first hop of the source route among them, four words; or no address. */
export const SK_IPOPT_HOP = SK_INET + 36
/** IPV6_MTU: most that a packet may have before it is cut, or 0. */
export const SK_FRAG_SIZE = SK_INET + 7
/** UDP_SEGMENT: octets of each datagram that a call's are cut into, or 0. */
export const SK_GSO_SIZE = SK_INET + 8
/** IPV6_TCLASS and IPV6_UNICAST_HOPS, as SK_TOS and SK_TTL are of IPv4: a socket may speak both. */
export const SK_TCLASS = SK_INET + 9
export const SK_HOPS = SK_INET + 10
/** IP_MINTTL, and IPV6_MINHOPCOUNT behind it. */
export const SK_MIN_TTL = SK_INET + 11
/** First of its multicast memberships (inet/mc/mc-members.ts); what it sends to groups with: socket/sockopt/mc-sockopt.ts. */
export const SK_MC_LIST = SK_INET + 13
/** Hop limits, one more each; 0 is 1. IPv6's in the upper half. */
export const SK_MC_TTL = SK_INET + 14
/** MC_* bits. */
export const SK_MC_FLAGS = SK_INET + 15
/** Devices, or 0; IPv6's in the upper half. The IPv4 source, or 0. */
export const SK_MC_IF = SK_INET + 16
export const SK_MC_ADDR = SK_INET + 17
/** IP_LOCAL_PORT_RANGE: the highest port in the upper half, the lowest in the lower; 0 of either is the sysctl's. */
export const SK_LOCAL_PORTS = SK_INET + 18
/** Datagrams with time stamps so far (sk_tskey). */
export const SK_TSKEY = SK_INET + 29
/** SO_PEEK_OFF, one more: 0 is -1. */
export const SK_PEEK_OFF = SK_INET + 30
/** IPV6_PKTINFO: the device, and the address that is only told again (sticky_pktinfo). */
export const SK_STICKY_IF = SK_INET + 31
export const SK_STICKY_ADDR = SK_INET + 32
/** The port that a stream had before its attempt to connect failed (portOf). */
export const SK_SPORT = SK_INET + 40
/** The flow label of what is sent to its peer, or 0 (np->flow_label). */
export const SK_FLOW_LABEL = SK_INET + 41
/** IPV6_ADDR_PREFERENCES: IPV6_PREFER_SRC_TMP, _PUBLIC and _COA (np->srcprefs). */
export const SK_SRC_PREFS = SK_INET + 42
/** What IPV6_RECVPATHMTU is to tell: the MTU, or 0; of the way to whom, four words and a device (msg/rx-pmtu.ts). */
export const SK_RXPMTU = SK_INET + 43
export const SK_RXPMTU_ADDR = SK_INET + 44
export const SK_RXPMTU_ZONE = SK_INET + 48

/**
 * How the socket's packets of a family (its index) go about the path's MTU, IP_PMTUDISC_*: a zeroed row's is
 * IP_PMTUDISC_WANT.
 */
export const pmtudiscOf = (i32: Int32Array, sk: number, index: number): number =>
  i32[sk + SK_PMTUDISC + index] ^ IP_PMTUDISC_WANT
/** Does it believe those who say that the path takes less (ip_sk_accept_pmtu, ip6_sk_accept_pmtu)? */
export const acceptsPmtu = (i32: Int32Array, sk: number, index: number): boolean =>
  pmtudiscOf(i32, sk, index) < IP_PMTUDISC_INTERFACE

/** Do its packets of a family (its index) go to hosts of a link alone (SO_DONTROUTE)? Those of IPv6 do not ask. */
export const isLocalRoute = (i32: Int32Array, sk: number, index: number): boolean =>
  index === 0 && (i32[sk + SK_INET_FLAGS] & INET_LOCALROUTE) !== 0
/** The route that it keeps is looked up anew (sk_dst_reset). */
export const skDstReset = (i32: Int32Array, sk: number): void => {
  i32[sk + SK_DST_GENERATION]--
}

/** Has each of its packets options of its own? Those of IPv6 have none of these. */
const hasIpOptions = (i32: Int32Array, sk: number): boolean =>
  i32[sk + SK_IPOPT_LEN] !== 0 && i32[sk + SK_FAMILY] === AF_INET
/** So many octets of them (icsk_ext_hdr_len). */
export const extHdrLen = (i32: Int32Array, sk: number): number =>
  hasIpOptions(i32, sk) ? i32[sk + SK_IPOPT_LEN] : 0
/** Where the address lies that a stream's packets go to first: the first hop of a source route of its own, else its peer's. */
export const firstHopOf = (i32: Int32Array, sk: number): number =>
  hasIpOptions(i32, sk) && i32[sk + SK_IPOPT_HOP + 3] !== 0 ? sk + SK_IPOPT_HOP : sk + SK_DADDR

/** The port by which it is called: its own, or the one that it had last and has given back (inet_sport). */
export const portOf = (i32: Int32Array, sk: number): number =>
  i32[sk + SK_NUM] || i32[sk + SK_SPORT]

/** The family that it was made of (sk_family), by which its options and what it shows go. */
export const familyOfSock = (i32: Int32Array, sk: number): number =>
  (i32[sk + SK_REUSE] & MAPPED) === 0 ? i32[sk + SK_FAMILY] : AF_INET6

/**
 * A new socket's, whose family is known: of IPv4 IP_PMTUDISC_DONT where ip_no_pmtu_disc says so; one of IPv6 hears no
 * group of IPv4 that it has not joined (inet_create, inet6_create).
 */
export const initInet = ({ i32, layout }: Arena, sk: number): void => {
  const how =
    i32[layout.sysctl + Sysctl.ip_no_pmtu_disc] === 0 ? IP_PMTUDISC_WANT : IP_PMTUDISC_DONT
  i32[sk + SK_PMTUDISC] = how ^ IP_PMTUDISC_WANT
  if (i32[sk + SK_FAMILY] === AF_INET6) i32[sk + SK_MC_FLAGS] = MC_NO_ALL
}

/** May an address like that of (words, at) be its own though it is nobody's here (inet_can_nonlocal_bind)? */
export const mayBeAnothers = (
  { i32, layout }: Arena,
  sk: number,
  words: Int32Array,
  at: number
): boolean => {
  const all = isV4Mapped(words, at) ? Sysctl.ip_nonlocal_bind : Sysctl.ip6_nonlocal_bind
  const isFree =
    (i32[sk + SK_REUSE] & FREEBIND) !== 0 || (i32[sk + SK_INET_FLAGS] & INET_TRANSPARENT) !== 0
  return isFree || i32[layout.sysctl + all] !== 0
}

/** Of a sin6_flowinfo the label, where the socket heeds it. */
export const labelOf = (i32: Int32Array, sk: number, flowinfo: number): number =>
  (i32[sk + SK_INET_FLAGS] & INET_SNDFLOW) === 0 ? 0 : flowinfo & FLOWLABEL_MASK
/** Are its packets that say no flow label given one (ip6_autoflowlabel)? Of what is no socket's, 0, the sysctl decides. */
export const hasAutoLabel = ({ i32, layout }: Arena, sk: number): boolean => {
  const all = i32[layout.sysctl + Sysctl.auto_flowlabels]
  const flags = sk === 0 ? 0 : i32[sk + SK_INET_FLAGS]
  if ((flags & INET_AUTOFLOWLABEL_SET) !== 0) return (flags & INET_AUTOFLOWLABEL) !== 0
  return all === AUTO_LABEL_OPTOUT || all === AUTO_LABEL_FORCED
}

/** FL_F_SRC_*: which addresses its packets prefer as their source. */
export const srcPrefsOf = (i32: Int32Array, sk: number): number =>
  (i32[sk + SK_SRC_PREFS] << SRC_PREFS_SHIFT) & (FL_F_SRC_TMP | FL_F_SRC_PUBLIC)

/** CMSG_* bits with those that SO_TIMESTAMPING makes of its own. */
export const withStamping = (wanted: number, flags: number): number => {
  const stamp = (flags & SOF_TIMESTAMPING_RX_SOFTWARE) === 0 ? 0 : CMSG_STAMP
  const tells = (flags & SOF_TIMESTAMPING_SOFTWARE) === 0 ? 0 : CMSG_STAMPING
  return (wanted & ~(CMSG_STAMP | CMSG_STAMPING)) | stamp | tells
}

/** Where a read of what stays begins (SO_PEEK_OFF), -1 where it is not said (sk_peek_offset). */
export const peekOffOf = (i32: Int32Array, sk: number): number =>
  (i32[sk + SK_CMSG] & CMSG_PEEK_OFF) === 0 ? -1 : i32[sk + SK_PEEK_OFF] - 1
/** So many octets were told, and stay; or, below 0, were taken (sk_peek_offset_fwd, sk_peek_offset_bwd). */
export const movePeekOff = (i32: Int32Array, sk: number, by: number): void => {
  if ((i32[sk + SK_CMSG] & CMSG_PEEK_OFF) === 0) return
  i32[sk + SK_PEEK_OFF] = Math.max(0, i32[sk + SK_PEEK_OFF] - 1 + by) + 1
}
