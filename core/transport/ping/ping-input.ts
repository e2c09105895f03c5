/**
 * Echo replies to ping sockets, by their identifier, and what ICMP says of their requests. Called by ICMP of either family,
 * which has checked the message; on a worker. Linux: ping_rcv(), ping_err() (net/ipv4/ping.c).
 */
import { createFlowi, FL_DADDR, FL_FAMILY, FL_SADDR, FL_L3MDEV } from '../../base/flowi.ts'
import { mix32 } from '../../base/u32.ts'
import type { AfOpsOf } from '../../inet/af-ops.ts'
import { NO_MTU } from '../../inet/inet-constants.ts'
import type { PacketAddrs } from '../../inet/packet-addrs.ts'
import type { Pmtu } from '../../inet/dst/pmtu.ts'
import type { Arena } from '../../shm/arena.ts'
import { Holder } from '../../skb/budget.ts'
import { Drop, type DropFn } from '../../skb/drop.ts'
import { SKB_DATA, SKB_TRANSPORT } from '../../skb/skb.ts'
import type { Datagram } from '../../socket/datagram.ts'
import { acceptsPmtu, pmtudiscOf } from '../../socket/inet-sock.ts'
import { IP_PMTUDISC_DONT } from '../../socket/socket-constants.ts'
import type { DgramErr } from '../dgram-err.ts'
import * as icmp from '../../wire/icmp.ts'
import type { OwnedFlows } from '../owned-flows.ts'
import type { PingTable } from './ping-table.ts'

type PingInputDeps = {
  arena: Arena
  drop: DropFn
  table: PingTable
  afOps: AfOpsOf
  datagram: Pick<Datagram, 'queueRcv'>
} & Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Pmtu, 'updatePmtu'> &
  Pick<OwnedFlows, 'passOn'> &
  Pick<DgramErr, 'icmpError'>

/** By which workers know of each other's identifiers (transport/owned-flows.ts). */
export const identHash = (ident: number): number => mix32(ident | 0x120000)

export const createPingInput = (deps: PingInputDeps) => {
  const { arena, drop, table, afOps, datagram, loadAddrs, updatePmtu, passOn, icmpError } = deps
  const { i32, u8 } = arena
  const fl = createFlowi()

  /** An echo reply, data at its ICMP header; the words are the same in both families. */
  const pingRcv = (skb: number): void => {
    const ident = icmp.id(u8, i32[skb + SKB_DATA])
    loadAddrs(skb, fl)
    const sk = table.lookup(ident, fl, FL_DADDR)
    if (sk === 0) {
      if (!passOn(skb, identHash(ident), false)) drop(skb, Drop.NO_SOCKET)
      return
    }
    const reason = datagram.queueRcv(sk, skb, Holder.sock_queue)
    if (reason !== 0) drop(skb, reason)
  }

  /** ICMP spoke of a message sent from here; NETWORK and TRANSPORT are the quoted headers. */
  const pingErr = (skb: number, errno: number, isFatal: boolean, mtu: number): boolean => {
    const at = i32[skb + SKB_TRANSPORT]
    loadAddrs(skb, fl)
    if (icmp.type(u8, at) !== afOps(fl[FL_FAMILY]).icmp.echo || icmp.code(u8, at) !== 0)
      return false
    const sk = table.lookup(icmp.id(u8, at), fl, FL_SADDR)
    if (sk === 0) return false
    const { index } = afOps(fl[FL_FAMILY])
    // of IPv6 it is learned already (ipv6/icmp/icmpv6.ts)
    if (mtu !== NO_MTU && index === 0 && acceptsPmtu(i32, sk, index))
      updatePmtu(fl[FL_L3MDEV], fl, FL_DADDR, mtu)
    const isCut = index === 0 && pmtudiscOf(i32, sk, index) === IP_PMTUDISC_DONT
    if (errno === 0 || (mtu !== NO_MTU && isCut)) return true
    icmpError(sk, skb, errno, isFatal, 0, at)
    return true
  }
  const pingOwner = (skb: number): number => identHash(icmp.id(u8, i32[skb + SKB_TRANSPORT]))
  return { pingRcv, pingErr, pingOwner }
}
