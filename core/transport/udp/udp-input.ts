/**
 * UDP input: checks a datagram and queues it on its socket, or on each that hears a broadcast or multicast; answers
 * "port unreachable" where nobody listens. udpErr tells a connected socket what ICMP said. Registered in
 * inet_protos for both families; on a worker. Linux: net/ipv4/udp.c __udp4_lib_rcv(), __udp4_lib_err(); RFC 768, 1122
 * section 4.1, 8200 section 8.1.
 */
import * as csum from '../../base/checksum.ts'
import { pseudoSumWords } from '../../base/checksum.ts'
import { AF_INET6 } from '../../base/family.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_L3MDEV,
  FL_SADDR,
  FL_SPORT,
  RTN_BROADCAST,
  RTN_MULTICAST,
} from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank } from '../../shm/counters.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import { Holder } from '../../skb/budget.ts'
import type { DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import {
  CHECKSUM_NONE,
  SKB_DATA,
  SKB_FRAGS,
  SKB_GSO_SIZE,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_TRANSPORT,
} from '../../skb/skb.ts'
import {
  SK_BIND_NEXT,
  SK_DROPS,
  SK_FAMILY,
  SK_FILTER,
  SK_RCVBUF,
  SK_RMEM,
} from '../../socket/sock.ts'
import { acceptsPmtu, pmtudiscOf, SK_INET_FLAGS } from '../../socket/inet-sock.ts'
import { IPPROTO_UDP } from '../../wire/ipproto.ts'
import * as udp from '../../wire/udp.ts'
import type { AfInfo, AfOpsOf } from '../../inet/af-ops.ts'
import { IPCB_TYPE, NO_MTU } from '../../inet/inet-constants.ts'
import { portHash, type UdpHash } from './udp-hash.ts'
import type { PacketAddrs } from '../../inet/packet-addrs.ts'
import type { Pmtu } from '../../inet/dst/pmtu.ts'
import type { OwnedFlows } from '../owned-flows.ts'
import type { Gso } from '../../dev/gso.ts'
import type { Datagram } from '../../socket/datagram.ts'
import type { DgramErr } from '../dgram-err.ts'
import { INET_UDP_GRO, IP_PMTUDISC_DONT } from '../../socket/socket-constants.ts'
import type { SkFilter } from '../../socket/sk-filter.ts'

type UdpInputDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  table: UdpHash
  afOps: AfOpsOf
  filter: Pick<SkFilter, 'skFilter' | 'skTrim'>
} & Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Pmtu, 'updatePmtu'> &
  Pick<OwnedFlows, 'passOn'> &
  Pick<Gso, 'segment'> &
  Pick<DgramErr, 'icmpError'> &
  Pick<Datagram, 'append' | 'makeRoom' | 'onLost'>

export const createUdpInput = (deps: UdpInputDeps) => {
  const { arena, skbs, drop, table, loadAddrs, afOps, updatePmtu } = deps
  const { passOn, segment, icmpError, append, makeRoom, onLost, filter } = deps
  const { i32, u8, f64, layout } = arena
  const { budget } = skbs
  const count = counterBank(arena, skbs.thread)
  const minimum = layout.sysctl + Sysctl.udp_rmem_min
  const bound = budget.bounds[Holder.udp_rcv * 2]
  const most = bound - (bound >> 2)
  const fl = createFlowi()

  /** A datagram, data at its UDP header. */
  const udpRcv = (skb: number): void => {
    if (i32[skb + SKB_GSO_SIZE] !== 0 && !isTakenWhole(skb)) return receiveSegments(skb)
    if (i32[skb + SKB_FRAGS] !== 0 && !skbs.expandHead(skb, 0)) return drop(skb, Drop.NOMEM)
    const at = i32[skb + SKB_DATA]
    loadAddrs(skb, fl)
    const len = lengthOf(at, i32[skb + SKB_LEN])
    if (len === 0) return bad(skb, Drop.PKT_TOO_SMALL)
    skbs.trim(skb, len)
    fl[FL_SPORT] = udp.srcPort(u8, at)
    fl[FL_DPORT] = udp.dstPort(u8, at)
    if (i32[skb + SKB_IP_SUMMED] === CHECKSUM_NONE && !isChecksumOk(at, len))
      return badChecksum(skb)
    if (isToMany(skb)) return deliverGroup(skb)
    toSocket(skb)
  }
  const isToMany = (skb: number): boolean =>
    i32[skb + IPCB_TYPE] === RTN_BROADCAST || i32[skb + IPCB_TYPE] === RTN_MULTICAST
  const toSocket = (skb: number): void => {
    const sk = table.lookup(fl)
    if (sk === 0) return noPort(skb)
    enqueue(sk, skb)
  }
  /** A checked datagram that another worker sent here: that one had no socket for it. */
  const udpResume = (skb: number): void => {
    const at = i32[skb + SKB_DATA]
    loadAddrs(skb, fl)
    fl[FL_SPORT] = udp.srcPort(u8, at)
    fl[FL_DPORT] = udp.dstPort(u8, at)
    if (isToMany(skb)) deliverGroup(skb)
    else toSocket(skb)
  }
  /** Of `room` octets what is the datagram, or 0. Over IPv6 a length of zero says to go by the packet's (RFC 2147 2, __udp6_lib_rcv). */
  const lengthOf = (at: number, room: number): number => {
    if (udp.check(u8, at, room)) return udp.length(u8, at)
    if (fl[FL_FAMILY] !== AF_INET6 || room < udp.MIN_HEADER) return 0
    return udp.length(u8, at) === 0 ? room : 0
  }
  /** Zero is "none" over IPv4 (RFC 768) and refused over IPv6. */
  const isChecksumOk = (at: number, len: number): boolean => {
    if (!udp.hasChecksum(u8, at)) return !afOps(fl[FL_FAMILY]).needsUdpChecksum
    const pseudo = pseudoSumWords(fl, FL_SADDR, FL_DADDR, IPPROTO_UDP, len)
    return csum.isChecksumOk(u8, at, len, pseudo)
  }
  /** Does the socket that a super-frame is for take it as it is (UDP_GRO)? One that others pass on is cut before. */
  const isTakenWhole = (skb: number): boolean => {
    const at = i32[skb + SKB_DATA]
    if (isToMany(skb) || !skbs.mayPull(skb, udp.MIN_HEADER)) return false
    loadAddrs(skb, fl)
    fl[FL_SPORT] = udp.srcPort(u8, at)
    fl[FL_DPORT] = udp.dstPort(u8, at)
    const sk = table.lookup(fl)
    return sk !== 0 && (i32[sk + SK_INET_FLAGS] & INET_UDP_GRO) !== 0
  }
  /** A super-frame came from a device that segments UDP: sockets get datagrams (udp_rcv_segment). */
  const receiveSegments = (skb: number): void => {
    const type = i32[skb + IPCB_TYPE]
    skbs.push(skb, i32[skb + SKB_DATA] - i32[skb + SKB_NETWORK])
    for (let seg = segment(skb); seg !== 0; ) {
      const next = i32[seg + SKB_NEXT]
      i32[seg + SKB_NEXT] = 0
      i32[seg + IPCB_TYPE] = type
      skbs.pull(seg, i32[seg + SKB_TRANSPORT] - i32[seg + SKB_DATA])
      udpRcv(seg)
      seg = next
    }
  }
  /** Counters of the family of the datagram in `fl`. */
  const mib = (): AfInfo['udpMib'] => afOps(fl[FL_FAMILY]).udpMib
  const bad = (skb: number, reason: Drop): void => {
    f64[count + mib().inErrors]++
    drop(skb, reason)
  }
  const badChecksum = (skb: number): void => {
    f64[count + mib().inCsumErrors]++
    bad(skb, Drop.UDP_CSUM)
  }
  const noPort = (skb: number): void => {
    if (passOn(skb, portHash(fl[FL_DPORT]), false)) return
    f64[count + mib().noPorts]++
    // filled by ipv4/af-inet.ts: icmpSend (ipv4/icmp/icmp-send.ts), and ipv6/af-inet6.ts: icmpv6Send (ipv6/icmp/icmpv6.ts)
    afOps(fl[FL_FAMILY]).portUnreachable(skb)
    drop(skb, Drop.NO_SOCKET)
  }

  /**
   * Each socket that hears it gets a clone, the last the packet itself. Who listens on all workers, as applications do,
   * gets it once, here; a port that is another worker's alone is looked for there.
   */
  const deliverGroup = (skb: number): void => {
    let sk = table.firstGroup(fl)
    if (sk === 0) {
      if (passOn(skb, portHash(fl[FL_DPORT]), false)) return
      f64[count + mib().ignoredMulti]++
      return drop(skb, Drop.NO_SOCKET)
    }
    for (;;) {
      const next = table.nextGroup(i32[sk + SK_BIND_NEXT], fl)
      if (next === 0) return enqueue(sk, skb)
      const twin = skbs.clone(skb)
      if (twin !== 0) enqueue(sk, twin)
      else noMemory(sk)
      sk = next
    }
  }
  const noMemory = (sk: number): void => {
    i32[sk + SK_DROPS]++
    f64[count + mib().rcvbufErrors]++
    f64[count + mib().inErrors]++
  }

  /** Queues the datagram on its socket, whose receive buffer pays for the memory that it holds. */
  const enqueue = (sk: number, skb: number): void => {
    if (i32[sk + SK_FILTER] !== 0 && !passFilter(sk, skb)) return
    if (i32[sk + SK_RMEM] > i32[sk + SK_RCVBUF]) {
      noMemory(sk)
      return drop(skb, Drop.SOCKET_RCVBUFF)
    }
    if (!mayQueue(sk, skb) && !(makeRoom(sk, skb, Holder.udp_rcv) && mayQueue(sk, skb))) {
      f64[count + mib().memErrors]++
      noMemory(sk)
      return drop(skb, Drop.PROTO_MEM)
    }
    append(sk, skb, Holder.udp_rcv)
  }

  /** The header is always left. */
  const passFilter = (sk: number, skb: number): boolean => {
    const len = filter.skFilter(sk, skb)
    if (len !== 0 && filter.skTrim(skb, Math.max(len, udp.MIN_HEADER))) return true
    i32[sk + SK_DROPS]++
    f64[count + mib().inErrors]++
    drop(skb, len === 0 ? Drop.SOCKET_FILTER : Drop.NOMEM)
    return false
  }

  /** The last quarter of what the worker may hold is for sockets that have less than udp_rmem_min. */
  const mayQueue = (sk: number, skb: number): boolean =>
    budget.mayHold(skb, Holder.udp_rcv) &&
    (budget.smallsOnLine(Holder.udp_rcv) < most || i32[sk + SK_RMEM] < i32[minimum])

  // what was queued and gives way to others is lost like what finds no memory
  onLost(Holder.udp_rcv, (sk) => {
    const { udpMib } = afOps(i32[sk + SK_FAMILY])
    f64[count + udpMib.memErrors]++
    f64[count + udpMib.inErrors]++
  })

  /** ICMP spoke of a datagram sent from here; NETWORK and TRANSPORT are the quoted headers. */
  const udpErr = (skb: number, errno: number, isFatal: boolean, mtu: number): boolean => {
    const at = i32[skb + SKB_TRANSPORT]
    loadAddrs(skb, fl)
    turnAround()
    fl[FL_SPORT] = udp.dstPort(u8, at)
    fl[FL_DPORT] = udp.srcPort(u8, at)
    const sk = table.lookup(fl)
    if (sk === 0) {
      f64[count + afOps(fl[FL_FAMILY]).icmpInErrors]++
      return false
    }
    const { index } = afOps(fl[FL_FAMILY])
    const how = pmtudiscOf(i32, sk, index)
    if (mtu !== NO_MTU) {
      const isLearned = acceptsPmtu(i32, sk, index)
      // over IPv4 it is told of all the same (__udp4_lib_err, __udp6_lib_err)
      if (index === 1 && !isLearned) return true
      if (isLearned) updatePmtu(fl[FL_L3MDEV], fl, FL_SADDR, mtu)
      if (index === 0 && how === IP_PMTUDISC_DONT) return true
    }
    const isHard = mtu === NO_MTU ? isFatal : how !== IP_PMTUDISC_DONT
    if (errno !== 0) icmpError(sk, skb, errno, isHard, fl[FL_SPORT], at + udp.MIN_HEADER)
    return true
  }
  const udpOwner = (skb: number): number => portHash(udp.srcPort(u8, i32[skb + SKB_TRANSPORT]))
  /** The quoted packet is ours: its source is our end. */
  const turnAround = (): void => {
    for (let w = 0; w < 4; w++) {
      const source = fl[FL_SADDR + w]
      fl[FL_SADDR + w] = fl[FL_DADDR + w]
      fl[FL_DADDR + w] = source
    }
  }

  return { udpRcv, udpResume, udpErr, udpOwner }
}
