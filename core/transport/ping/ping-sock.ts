/**
 * Ping sockets: the calls of the socket layer (its Proto) for echo requests and their replies. What is sent and received is a
 * message from its ICMP header on; the identifier in it is the socket's port. Who may have one says net.ipv4.ping_group_range:
 * applications here are group 0. Linux: net/ipv4/ping.c, net/ipv6/ping.c.
 */
import { clearAddr, copyAddr, needsZone } from '../../base/family.ts'
import { pseudoSumWords } from '../../base/checksum.ts'
import { Errno } from '../../base/errno.ts'
import { FL_DADDR, FL_OIF, FL_SADDR } from '../../base/flowi.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import type { AfOps, AfOpsOf } from '../../inet/af-ops.ts'
import type { Arena } from '../../shm/arena.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import { MAX_HEADER } from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import type { IpCmsg } from '../../socket/msg/ip-cmsg.ts'
import type { Datagram } from '../../socket/datagram.ts'
import type { Proto } from '../../socket/proto.ts'
import {
  SK_DADDR,
  SK_DPORT,
  SK_FAMILY,
  SK_NUM,
  SK_REUSE,
  SK_SADDR,
  SK_STATE,
  SOCK_DGRAM,
  TCP_ESTABLISHED,
  SK_BOUND_DEV,
} from '../../socket/sock.ts'
import { MSG_OOB, REUSE_ADDR, V6ONLY } from '../../socket/socket-constants.ts'
import * as icmp from '../../wire/icmp.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import { bindAddr, isGroupType, peerError } from '../bind-addr.ts'
import type { DgramFlow } from '../dgram-flow.ts'
import { createDgramPeer } from '../dgram-peer.ts'
import type { OwnedFlows } from '../owned-flows.ts'
import { identHash } from './ping-input.ts'
import type { PingTable } from './ping-table.ts'

type PingSockDeps = {
  arena: Arena
  skbs: Skbs
  datagram: Datagram
  dgramFlow: DgramFlow
  table: PingTable
  afOps: AfOpsOf
  owned: Pick<OwnedFlows, 'add' | 'remove'>
} & Pick<AddrType, 'addrType'> &
  Pick<IpCmsg, 'ipCmsgRecv'>

const { EACCES, EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EDESTADDRREQ, EINVAL, EMSGSIZE, EOPNOTSUPP } =
  Errno
const MAX_LEN = 0xffff
/** The group of applications. */
const GROUP = 0

export const createPingSock = (deps: PingSockDeps): Proto => {
  const { arena, skbs, datagram, dgramFlow, table, afOps, owned, addrType } = deps
  const { i32, u8, layout } = arena
  const { sysctl } = layout
  const { peer, notePeer } = createDgramPeer(deps)
  const opsOf = (sk: number): AfOps => afOps(i32[sk + SK_FAMILY])

  const open = (family: number): number => {
    const low = i32[sysctl + Sysctl.ping_group_range_min]
    const high = i32[sysctl + Sysctl.ping_group_range_max]
    if (GROUP < low || GROUP > high) return -EACCES
    const { icmp: kind } = afOps(family)
    const sk = datagram.alloc(family, SOCK_DGRAM, kind.protocol)
    if (sk !== 0) i32[sk + SK_REUSE] = kind.hasPseudo ? V6ONLY | REUSE_ADDR : REUSE_ADDR
    return sk
  }
  const hold = (sk: number, ident: number): void => {
    table.enter(sk, ident)
    owned.add(identHash(ident))
  }
  const close = (sk: number): void => {
    if (i32[sk + SK_NUM] !== 0) {
      table.leave(sk)
      owned.remove(identHash(i32[sk + SK_NUM]))
    }
    datagram.free(sk)
  }

  const bind = (sk: number, words: Int32Array, at: number, port: number): number => {
    if (isGroupType(addrType(words, at, i32[sk + SK_BOUND_DEV]))) return -EADDRNOTAVAIL
    if (i32[sk + SK_NUM] !== 0) return -EINVAL
    const error = bindAddr(arena, addrType, sk, words, at)
    if (error !== 0) return error
    const ident = port === 0 ? table.pick() : port
    if (ident !== 0 && table.isFree(sk, ident)) {
      hold(sk, ident)
      return 0
    }
    clearAddr(i32, sk + SK_SADDR)
    return -EADDRINUSE
  }
  const autobind = (sk: number): boolean => {
    if (i32[sk + SK_NUM] !== 0) return true
    const ident = table.pick()
    if (ident !== 0) hold(sk, ident)
    return ident !== 0
  }
  const route = (sk: number, words: Int32Array, at: number): number =>
    peerError(i32, sk, words, at) || dgramFlow.route(sk, words, at, opsOf(sk).icmp.protocol, 0, 0)
  /** Whose link, is asked before anything of the way (ping_v6_sendmsg). */
  const routeTo = (sk: number, words: Int32Array, at: number): number => {
    const error = route(sk, words, at)
    return needsZone(words, at) && dgramFlow.flow[FL_OIF] === 0 ? -EINVAL : error
  }
  const connect = (sk: number, words: Int32Array, at: number, port: number): number => {
    if (!autobind(sk)) return -EAGAIN
    const error = route(sk, words, at)
    if (error !== 0) return error
    copyAddr(i32, sk + SK_SADDR, dgramFlow.flow, FL_SADDR)
    copyAddr(i32, sk + SK_DADDR, dgramFlow.flow, FL_DADDR)
    i32[sk + SK_DPORT] = port
    i32[sk + SK_STATE] = TCP_ESTABLISHED
    return 0
  }

  /** Is the message at `from` one that a ping socket sends? */
  const isEcho = (sk: number, from: number): boolean =>
    icmp.type(u8, from) === opsOf(sk).icmp.echo && icmp.code(u8, from) === 0
  const messageError = (sk: number, from: number, len: number, flags: number): number => {
    if (len > MAX_LEN) return -EMSGSIZE
    if (len < icmp.MIN_HEADER) return -EINVAL
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    return isEcho(sk, from) ? 0 : -EINVAL
  }
  const sendto = (
    sk: number,
    from: number,
    len: number,
    words: Int32Array,
    at: number,
    _port = 0,
    flags = 0
  ): number => {
    if (!autobind(sk)) return -EAGAIN
    const error = messageError(sk, from, len, flags) || routeTo(sk, words, at)
    if (error !== 0) return error
    return dgramFlow.sizeError(sk, len) || datagram.sendError(sk) || transmit(sk, from, len)
  }
  const transmit = (sk: number, from: number, len: number): number => {
    const skb = skbs.alloc(len, MAX_HEADER)
    // as Linux without IP_RECVERR: what is lost for want of memory is not reported
    if (skb === 0) return len
    const ops = opsOf(sk)
    const { flow } = dgramFlow
    const { protocol, echo, hasPseudo } = ops.icmp
    const to = skbs.put(skb, len)
    u8.copyWithin(to, from, from + len)
    icmp.setId(u8, to, i32[sk + SK_NUM])
    const pseudo = hasPseudo ? pseudoSumWords(flow, FL_SADDR, FL_DADDR, protocol, len) : 0
    icmpv6.setChecksum(u8, to, len, pseudo)
    ops.icmpOut(echo)
    const error = dgramFlow.send(sk, skb, protocol)
    return error === 0 || error === -Errno.ENOBUFS ? len : error
  }
  const sendmsg = (sk: number, from: number, len: number, flags: number): number => {
    if (i32[sk + SK_STATE] === TCP_ESTABLISHED)
      return sendto(sk, from, len, i32, sk + SK_DADDR, 0, flags)
    if (!autobind(sk)) return -EAGAIN
    return messageError(sk, from, len, flags) || -EDESTADDRREQ
  }

  const note = (sk: number, skb: number): void => notePeer(sk, skb, 0)
  /** Takes one message, cut to `len`, into the arena. Its sender lies in `peer` then. */
  const recvfrom = (sk: number, to: number, len: number, flags = 0): number =>
    (flags & MSG_OOB) !== 0 ? -EOPNOTSUPP : datagram.receive(sk, to, len, flags, 0, note)

  return {
    open,
    bind,
    connect,
    sendmsg,
    recvmsg: recvfrom,
    sendto,
    recvfrom,
    peer,
    ...datagram.calls,
    close,
    abort: close,
  }
}
