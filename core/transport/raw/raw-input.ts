/**
 * Raw input: each raw socket of a packet's protocol that is bound and connected so gets a copy, before the transport has the
 * packet; and hears of errors about what it may have sent. One of each family, on a worker: a socket sees what comes to its worker.
 * Linux: net/ipv4/raw.c raw_local_deliver(), raw_icmp_error(); net/ipv6/raw.c ipv6_raw_deliver(), rawv6_rcv().
 */
import { fold, pseudoSumWords, sumBytes } from '../../base/checksum.ts'
import { AF_INET6, isAnyAddr, isGroupAddr, isSameAddr } from '../../base/family.ts'
import { createFlowi, FL_DADDR, FL_IIF, FL_SADDR, FL_L3MDEV } from '../../base/flowi.ts'
import type { AfInfo } from '../../inet/af-ops.ts'
import { NO_MTU } from '../../inet/inet-constants.ts'
import type { InetListeners } from '../../inet/inet-protos.ts'
import type { PacketAddrs } from '../../inet/packet-addrs.ts'
import type { Pmtu } from '../../inet/dst/pmtu.ts'
import type { Arena } from '../../shm/arena.ts'
import { Holder } from '../../skb/budget.ts'
import { Drop, type DropFn } from '../../skb/drop.ts'
import {
  CHECKSUM_NONE,
  SKB_DATA,
  SKB_F_TRACE,
  SKB_FLAGS,
  SKB_FRAGS,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
  SKB_TRANSPORT,
} from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import type { Datagram } from '../../socket/datagram.ts'
import type { McSockopt } from '../../socket/sockopt/mc-sockopt.ts'
import {
  SK_BOUND_DEV,
  SK_DADDR,
  SK_DROPS,
  SK_HASH_NEXT,
  SK_NUM,
  SK_SADDR,
  isBoundTo,
} from '../../socket/sock.ts'
import { acceptsPmtu, pmtudiscOf } from '../../socket/inet-sock.ts'
import type { DgramErr } from '../dgram-err.ts'
import { IP_PMTUDISC_DO, IP_PMTUDISC_DONT } from '../../socket/socket-constants.ts'
import { RAW_CHECKSUM, RAW_FILTER, RAW_HDRINCL } from './raw-constants.ts'
import { Sysctl } from '../../shm/sysctl.ts'

type RawInputDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  /** First raw socket of each protocol, of this family. */
  raws: InetListeners['raws']
  family: AfInfo
  datagram: Pick<Datagram, 'isFull' | 'queueRcv'>
  mc: Pick<McSockopt, 'allows'>
} & Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Pmtu, 'updatePmtu'> &
  Pick<DgramErr, 'icmpError' | 'mayHear'>

export const createRawInput = (deps: RawInputDeps) => {
  const { arena, skbs, drop, raws, family, datagram, mc, loadAddrs, updatePmtu } = deps
  const { icmpError, mayHear } = deps
  const { i32, u8, layout } = arena
  const accept = layout.sysctl + Sysctl.raw_l3mdev_accept
  const fl = createFlowi()

  /** Is the socket one that speaks from `local` to `remote`, places of addresses in `fl`? */
  const isOf = (sk: number, local: number, remote: number): boolean =>
    (isAnyAddr(i32, sk + SK_DADDR) || isSameAddr(i32, sk + SK_DADDR, fl, remote)) &&
    (isAnyAddr(i32, sk + SK_SADDR) || isSameAddr(i32, sk + SK_SADDR, fl, local)) &&
    isBoundTo(i32[sk + SK_BOUND_DEV], fl, i32[accept] !== 0)
  const hearsGroup = (sk: number): boolean =>
    !isGroupAddr(fl, FL_DADDR) || mc.allows(sk, fl[FL_IIF], fl, FL_DADDR, fl, FL_SADDR)
  /** A control message of a type that it has no use for. */
  const isFiltered = (sk: number, skb: number): boolean => {
    if (i32[sk + SK_NUM] !== family.icmp.protocol) return false
    const type = i32[skb + SKB_LEN] < family.icmp.filtered ? -1 : skbs.byteAt(skb, 0)
    return type < 0 || ((i32[sk + RAW_FILTER + (type >> 5)] >>> (type & 31)) & 1) !== 0
  }

  /** Gives raw sockets their copies of a packet, data at its transport header; true when there was one. */
  const rawDeliver = (skb: number, protocol: number): boolean => {
    loadAddrs(skb, fl)
    let isHeard = false
    for (let sk = raws[protocol]; sk !== 0; sk = i32[sk + SK_HASH_NEXT]) {
      if (!isOf(sk, FL_DADDR, FL_SADDR)) continue
      isHeard = true
      if (!isFiltered(sk, skb) && hearsGroup(sk)) copyTo(sk, skb)
    }
    return isHeard
  }
  const copyTo = (sk: number, skb: number): void => {
    const twin = datagram.isFull(sk) ? 0 : skbs.clone(skb)
    if (twin === 0) {
      i32[sk + SK_DROPS]++
      return
    }
    // what becomes of the copy is not the packet's way
    i32[twin + SKB_FLAGS] &= ~SKB_F_TRACE
    if (i32[sk + RAW_CHECKSUM] !== 0 && !isChecksumOk(twin, i32[sk + SK_NUM])) {
      i32[sk + SK_DROPS]++
      return drop(twin, Drop.SKB_CSUM)
    }
    if (family.rawHasHeader) skbs.push(twin, i32[twin + SKB_DATA] - i32[twin + SKB_NETWORK])
    const reason = datagram.queueRcv(sk, twin, Holder.sock_queue)
    if (reason !== 0) drop(twin, reason)
  }
  const isChecksumOk = (skb: number, protocol: number): boolean => {
    if (i32[skb + SKB_IP_SUMMED] !== CHECKSUM_NONE) return true
    if (i32[skb + SKB_FRAGS] !== 0 && !skbs.expandHead(skb, 0)) return false
    const len = i32[skb + SKB_LEN]
    const pseudo = pseudoSumWords(fl, FL_SADDR, FL_DADDR, protocol, len)
    return fold(sumBytes(u8, i32[skb + SKB_DATA], len, pseudo)) === 0xffff
  }

  /** ICMP spoke of a packet sent from here; NETWORK is its header. */
  const rawErr = (
    skb: number,
    protocol: number,
    errno: number,
    isFatal: boolean,
    mtu: number
  ): void => {
    loadAddrs(skb, fl)
    if (errno === 0) return
    for (let sk = raws[protocol]; sk !== 0; sk = i32[sk + SK_HASH_NEXT]) {
      if (!isOf(sk, FL_SADDR, FL_DADDR)) continue
      if (mtu !== NO_MTU && learnsMtu(sk)) updatePmtu(fl[FL_L3MDEV], fl, FL_DADDR, mtu)
      const isHard = mtu === NO_MTU ? isFatal : hearsMtu(sk)
      const payload = i32[sk + RAW_HDRINCL] === 0 ? SKB_TRANSPORT : SKB_NETWORK
      icmpError(sk, skb, errno, isHard, 0, i32[skb + payload])
    }
  }
  /** Over IPv6 only what tells somebody is looked at, and then whatever the socket thinks of it (raw_err, rawv6_err). */
  const learnsMtu = (sk: number): boolean =>
    family.index === 0 ? acceptsPmtu(i32, sk, 0) : mayHear(sk, AF_INET6)
  /** Is a path that takes less its matter? */
  const hearsMtu = (sk: number): boolean => {
    const how = pmtudiscOf(i32, sk, family.index)
    return family.index === 0 ? how !== IP_PMTUDISC_DONT : how === IP_PMTUDISC_DO
  }
  return { rawDeliver, rawErr }
}
