/**
 * UDP sockets: the calls of the socket layer (its Proto) over the rows, tables, input and output of this worker. A
 * socket lives on one worker; so does its port, and a port is chosen so that answers hash home to it.
 * Linux: net/ipv4/udp.c udp_prot, af_inet.c inet_bind(), datagram.c ip4_datagram_connect().
 */
import { clearAddr, copyAddr, familyOf, needsZone, V4_MAPPED } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import { FL_DADDR, FL_SADDR } from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_US } from '../../base/time.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank } from '../../shm/counters.ts'
import type { Slab } from '../../shm/slab.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skb.ts'
import {
  SKB_DATA,
  SKB_DEV,
  SKB_LEN,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_SK,
  SKB_TRANSPORT,
} from '../../skb/skb.ts'
import { PEER_PORT, PEER_WORDS, PEER_ZONE } from '../../socket/socket-constants.ts'
import type { Proto } from '../../socket/proto.ts'
import { SOL_SOCKET } from '../../socket/socket-constants.ts'
import {
  newCookie,
  SEND_SHUTDOWN,
  SK_COOKIE,
  SK_CREATED,
  SK_DADDR,
  SK_DPORT,
  SK_ERR,
  SK_EVENT_HUP,
  SK_FAMILY,
  SK_FLAGS,
  SK_NUM,
  SK_PROTOCOL,
  SK_RCVBUF,
  SK_RCVQ_HEAD,
  SK_RCVQ_LEN,
  SK_RMEM,
  SK_SADDR,
  SK_SHUTDOWN,
  SK_SNDBUF,
  SK_STATE,
  SK_TYPE,
  SOCK_DGRAM,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  SK_BOUND_DEV,
} from '../../socket/sock.ts'
import { IPPROTO_UDP } from '../../wire/ipproto.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import * as udp from '../../wire/udp.ts'
import type { AfOpsOf } from '../../inet/af-ops.ts'
import { bindAddr, isGroupType, peerError } from '../bind-addr.ts'
import type { OwnedFlows } from '../owned-flows.ts'
import type { Ports } from '../ports.ts'
import { portHash, type UdpHash } from './udp-hash.ts'
import type { UdpOutput } from './udp-output.ts'
import { UDP_BOUND_GROUP, UDP_BROADCAST } from './udp-output.ts'
import type { Events } from '../../socket/events.ts'
import type { AddrType } from '../../inet/addr-type.ts'

type UdpSockDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  slab: Slab
  time: Time
  random: () => number
  ports: Ports
  table: UdpHash
  output: UdpOutput
  afOps: AfOpsOf
  owned: Pick<OwnedFlows, 'add' | 'remove'>
  /** core/stack/udp.ts: would packets from (remote, rport) to (local, port) of `flow` come to this worker? */
  hashesHome: (flow: Int32Array, port: number, rport: number) => boolean
} & Pick<Events, 'sockEvents'> &
  Pick<AddrType, 'addrType'>

const SO_BROADCAST = 6

export const createUdpSock = (deps: UdpSockDeps) => {
  const { arena, skbs, consume, slab, time, random, ports, table, output, sockEvents, owned } = deps
  const { addrType, hashesHome, afOps } = deps
  const { i32, u8, f64, layout } = arena
  const { sysctl } = layout
  const count = counterBank(arena, skbs.thread)
  const peer = new Int32Array(PEER_WORDS)

  const holdPort = (sk: number, port: number): void => {
    ports.hold(sk, port)
    owned.add(portHash(port))
  }
  const releasePort = (sk: number): void => {
    ports.release(sk)
    owned.remove(portHash(i32[sk + SK_NUM]))
  }

  const open = (family: number): number => {
    const sk = slab.alloc()
    if (sk === 0) return 0
    i32[sk + SK_FAMILY] = family
    i32[sk + SK_TYPE] = SOCK_DGRAM
    i32[sk + SK_PROTOCOL] = IPPROTO_UDP
    i32[sk + SK_STATE] = TCP_CLOSE
    i32[sk + SK_RCVBUF] = i32[sysctl + Sysctl.rmem_default]
    i32[sk + SK_SNDBUF] = i32[sysctl + Sysctl.wmem_default]
    i32[sk + SK_CREATED] = time[TIME_US]
    i32[sk + SK_COOKIE] = newCookie(arena, skbs.thread, slab)
    return sk
  }

  const low = (): number => i32[sysctl + Sysctl.ip_local_port_range_min]
  const high = (): number => i32[sysctl + Sysctl.ip_local_port_range_max]

  /** Takes a port that is free; towards a peer, one whose answers come to this worker. 0, or -errno. */
  const autobind = (sk: number, rport: number): number => {
    const port = ports.pick(
      low(),
      high(),
      random(),
      (n) => !ports.conflicts(sk, n) && (rport === 0 || hashesHome(output.flow, n, rport))
    )
    if (port === 0) return rport === 0 ? -Errno.EADDRINUSE : -Errno.EAGAIN
    holdPort(sk, port)
    return 0
  }

  const bind = (sk: number, words: Int32Array, at: number, port: number): number => {
    if (i32[sk + SK_NUM] !== 0) return -Errno.EINVAL
    let error = bindAddr(i32, addrType, sk, words, at)
    if (error !== 0) return error
    if (port === 0) error = autobind(sk, 0)
    else if (ports.conflicts(sk, port)) error = -Errno.EADDRINUSE
    else holdPort(sk, port)
    if (error !== 0) clearAddr(i32, sk + SK_SADDR)
    else if (isGroupType(addrType(words, at, i32[sk + SK_BOUND_DEV])))
      i32[sk + SK_FLAGS] |= UDP_BOUND_GROUP
    return error
  }

  const connect = (sk: number, words: Int32Array, at: number, port: number): number => {
    const error = peerError(i32, sk, words, at) || output.route(sk, words, at, port)
    if (error !== 0) return error
    if (i32[sk + SK_NUM] === 0) {
      const failed = autobind(sk, port)
      if (failed !== 0) return failed
    }
    table.unhash(sk)
    const { flow } = output
    if ((i32[sk + SK_FLAGS] & UDP_BOUND_GROUP) === 0) copyAddr(i32, sk + SK_SADDR, flow, FL_SADDR)
    copyAddr(i32, sk + SK_DADDR, flow, FL_DADDR)
    i32[sk + SK_DPORT] = port
    i32[sk + SK_STATE] = TCP_ESTABLISHED
    table.hash(sk)
    return 0
  }

  /** Reports a pending error once (sock_error): 0, or -errno. */
  const takeError = (sk: number): number => {
    const error = i32[sk + SK_ERR]
    if (error !== 0) i32[sk + SK_ERR] = 0
    return -error
  }
  /** What comes before the bytes of any datagram: errors, route, port. 0, or -errno. */
  const prepare = (sk: number, words: Int32Array, at: number, port: number): number => {
    if (i32[sk + SK_ERR] !== 0) return takeError(sk)
    if ((i32[sk + SK_SHUTDOWN] & SEND_SHUTDOWN) !== 0) return -Errno.EPIPE
    if (port === 0) return -Errno.EINVAL
    const error = peerError(i32, sk, words, at) || output.route(sk, words, at, port)
    if (error !== 0 || i32[sk + SK_NUM] !== 0) return error
    const failed = autobind(sk, port)
    // the flow was made before there was a port
    return failed !== 0 ? failed : output.route(sk, words, at, port)
  }
  const prepareConnected = (sk: number): number => {
    if (i32[sk + SK_DPORT] !== 0) return prepare(sk, i32, sk + SK_DADDR, i32[sk + SK_DPORT])
    return i32[sk + SK_ERR] !== 0 ? takeError(sk) : -Errno.EDESTADDRREQ
  }
  const sendto = (
    sk: number,
    from: number,
    len: number,
    words: Int32Array,
    at: number,
    port: number
  ): number => {
    const error = prepare(sk, words, at, port)
    return error !== 0 ? error : output.sendArena(sk, from, len)
  }
  const sendtoBytes = (
    sk: number,
    bytes: Uint8Array,
    from: number,
    len: number,
    words: Int32Array,
    at: number,
    port: number
  ): number => {
    const error = prepare(sk, words, at, port)
    return error !== 0 ? error : output.sendArray(sk, bytes, from, len)
  }
  const sendmsg = (sk: number, from: number, len: number): number => {
    const error = prepareConnected(sk)
    return error !== 0 ? error : output.sendArena(sk, from, len)
  }
  const sendBytes = (sk: number, bytes: Uint8Array, from: number, len: number): number => {
    const error = prepareConnected(sk)
    return error !== 0 ? error : output.sendArray(sk, bytes, from, len)
  }

  /** The datagram at the head of the queue, taken off; or why there is none, negative. */
  const take = (sk: number): number => {
    if (i32[sk + SK_ERR] !== 0) return takeError(sk)
    const skb = i32[sk + SK_RCVQ_HEAD]
    if (i32[sk + SK_RCVQ_LEN] === 0) return -Errno.EAGAIN
    i32[sk + SK_RCVQ_HEAD] = i32[skb + SKB_NEXT]
    i32[sk + SK_RCVQ_LEN]--
    skbs.budget.release(skb)
    i32[sk + SK_RMEM] -= skbs.budget.truesize(skb)
    i32[skb + SKB_NEXT] = 0
    i32[skb + SKB_SK] = 0
    return skb
  }
  const notePeer = (skb: number): void => {
    const at = i32[skb + SKB_NETWORK]
    const is4 = ipv4.version(u8, at) === 4
    peer[0] = is4 ? 0 : ipv6.src0(u8, at)
    peer[1] = is4 ? 0 : ipv6.src1(u8, at)
    peer[2] = is4 ? V4_MAPPED : ipv6.src2(u8, at)
    peer[3] = is4 ? ipv4.src(u8, at) : ipv6.src3(u8, at)
    peer[PEER_PORT] = udp.srcPort(u8, i32[skb + SKB_TRANSPORT])
    peer[PEER_ZONE] = needsZone(peer, 0) ? i32[skb + SKB_DEV] : 0
  }
  const inDatagrams = (): number => afOps(familyOf(peer, 0)).udpMib.inDatagrams
  /** Takes one datagram, cut to `len`, into the arena. Its sender lies in `peer` then. */
  const recvfrom = (sk: number, to: number, len: number): number => {
    const skb = take(sk)
    if (skb < 0) return skb
    notePeer(skb)
    const n = Math.min(len, i32[skb + SKB_LEN] - udp.MIN_HEADER)
    const from = i32[skb + SKB_DATA] + udp.MIN_HEADER
    u8.copyWithin(to, from, from + n)
    f64[count + inDatagrams()]++
    consume(skb)
    return n
  }
  const recvBytes = (sk: number, bytes: Uint8Array, at: number, len: number): number => {
    const skb = take(sk)
    if (skb < 0) return skb
    notePeer(skb)
    const n = Math.min(len, i32[skb + SKB_LEN] - udp.MIN_HEADER)
    const from = i32[skb + SKB_DATA] + udp.MIN_HEADER
    for (let k = 0; k < n; k++) bytes[at + k] = u8[from + k]
    f64[count + inDatagrams()]++
    consume(skb)
    return n
  }

  /**
   * As in Linux (inet_shutdown, __skb_wait_for_more_packets): it takes hold of an unconnected socket too, though the
   * answer is ENOTCONN, and wakes who waits. Datagrams go on being received: there is no end of them, an empty queue
   * is EAGAIN as before, never an empty datagram.
   */
  const shutdown = (sk: number, how: number): number => {
    // SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2 are one less than the bits they mean
    i32[sk + SK_SHUTDOWN] |= how + 1
    sockEvents(sk, SK_EVENT_HUP)
    return i32[sk + SK_STATE] === TCP_ESTABLISHED ? 0 : -Errno.ENOTCONN
  }
  const close = (sk: number): void => {
    while (i32[sk + SK_RCVQ_LEN] !== 0) {
      i32[sk + SK_ERR] = 0
      consume(take(sk))
    }
    table.unhash(sk)
    if (i32[sk + SK_NUM] !== 0) releasePort(sk)
    slab.free(sk)
  }

  const setOption = (sk: number, level: number, name: number, value: number): number => {
    if (level === SOL_SOCKET && name === SO_BROADCAST) {
      if (value !== 0) i32[sk + SK_FLAGS] |= UDP_BROADCAST
      else i32[sk + SK_FLAGS] &= ~UDP_BROADCAST
      return 0
    }
    return -Errno.ENOPROTOOPT
  }
  const getOption = (sk: number, level: number, name: number): number => {
    if (level === SOL_SOCKET && name === SO_BROADCAST) return i32[sk + SK_FLAGS] & UDP_BROADCAST
    return -Errno.ENOPROTOOPT
  }

  const proto: Proto = {
    open,
    bind,
    connect,
    sendmsg,
    sendBytes,
    recvmsg: recvfrom,
    recvBytes,
    sendto,
    recvfrom,
    peer,
    shutdown,
    close,
    abort: close,
    setOption,
    getOption,
  }
  return { proto, sendtoBytes }
}
