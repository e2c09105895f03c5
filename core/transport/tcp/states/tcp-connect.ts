/**
 * Active open and binding: addresses, a local port whose answers come back to this worker, the SYN. Called by the
 * socket layer on the worker. Linux: tcp_v4_connect, __inet_hash_connect, inet_csk_get_port, tcp_connect;
 * RFC 6056 (port choice), RFC 6528 (sequence number).
 */
import { initCwnd } from '../sock/tcp-metrics.ts'
import { AF_INET, clearAddr, copyAddr, familyOf, isAnyAddr } from '../../../base/family.ts'
import { Errno } from '../../../base/errno.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_IIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TYPE,
  RTN_LOCAL,
  RTN_UNICAST,
  FL_L3MDEV,
} from '../../../base/flowi.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS, TIME_US } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  SK_REUSE,
  SK_BIND_NEXT,
  SK_CREATED,
  SK_DADDR,
  SK_DPORT,
  SK_DST_DEV,
  SK_ERR,
  SK_ERR_SOFT,
  SK_FAMILY,
  SK_FLAGS,
  SK_NUM,
  SK_PROTO,
  SK_SADDR,
  SK_STATE,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_SYN_SENT,
  TCP_SYN_RECV,
  SK_BOUND_DEV,
} from '../../../socket/sock.ts'
import { familyOfSock, SK_INET, SK_INET_FLAGS } from '../../../socket/inet-sock.ts'
import { MIN_HEADER } from '../../../wire/tcp.ts'
import { bindAddr, isGroupType, peerError } from '../../bind-addr.ts'
import { highPort, lowPort, type Ports } from '../../ports.ts'
import type { SecureSeq } from '../../secure-seq.ts'
import { MAPPED, INET_NO_PORT, MSG_DONTWAIT } from '../../../socket/socket-constants.ts'
import type { FastopenClient } from './tcp-fastopen-client.ts'
import type { TcpHash } from '../sock/tcp-hash.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpCong } from '../rec/tcp-cong.ts'
import { accecnSendSyn } from '../rec/tcp-accecn.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { SkDst } from '../../../inet/dst/sk-dst.ts'
import {
  ICSK_TIME_RETRANS,
  OPT_SACK,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  FO_CONNECT,
  FO_DEFER,
  FO_USER,
  TP_FASTOPEN,
  TP_FO_MAX_QLEN,
  TP_TSFLAGS,
  TP_TSKEY,
  TP_ZCKEY,
  TP_CA_OPS,
  TP_EVENTS,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_KEEPALIVE_TIME,
  TP_LINGER,
  TP_LINGER2,
  TP_DEFER_ACCEPT,
  TP_MD5,
  TP_MSS_CACHE,
  TP_NONAGLE,
  TP_MAX_PACING_RATE,
  TP_NOTSENT_LOWAT,
  TP_PACING,
  TP_REORDERING,
  TP_SYN_RETRIES,
  TP_USER_MSS,
  TP_USER_TIMEOUT,
  TP_WINDOW_CLAMP,
  TP_ADVMSS,
  TP_HEADER_LEN,
  TP_MSS_CLAMP,
  TP_OPTS,
  TP_PACKETS_OUT,
  TP_RETRANS_STAMP,
  TP_RTO,
  TP_RTO_MAX,
  TP_RTO_MIN,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_SSTHRESH,
  TP_SND_ISN,
  TP_SND_NXT,
  TP_SND_SML,
  TP_SND_UNA,
  TP_SND_WND,
  TP_TS_OFFSET,
  TP_WRITE_SEQ,
} from '../sock/tcp-sock.ts'
import {
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  SOCK_CONNECTED,
  SOCK_CONNECTING,
  SOCK_DISCONNECTING,
  SOCK_DONE,
  SOCK_NOSPACE,
  SOCK_UNPREDICTED,
  SOCK_WRITE_PENDING,
} from '../sock/sock-flags.ts'
import { CB_END_SEQ } from '../sock/tcp-cb.ts'
import {
  TFO_CLIENT_ENABLE,
  TCP_TIMEOUT_INIT,
  TCP_INFINITE_SSTHRESH,
} from '../sock/tcp-constants.ts'
import type { TcpMd5 } from '../sock/tcp-md5.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import type { TcpOom } from '../sock/tcp-oom.ts'
import { createTcpTwReuse } from './tcp-tw-reuse.ts'
import type { TcpTimers } from '../sock/tcp-timers.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpWindow } from '../rcv/tcp-window.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import type { TcpRcvQueue } from '../rcv/tcp-rcv-queue.ts'
import type { Steer } from '../../../steering/steer.ts'
import type { AddrType } from '../../../inet/addr/addr-type.ts'
import { l3mdevOf } from '../../../netdev/netdev.ts'

const IPPROTO_TCP = 6
// What a keyed hash is for.
const HASH_ISN = 1
const HASH_TS = 2
const HASH_PORT = 3

/** What setsockopt has set: it outlives an attempt to connect. */
const USER_WORDS = [
  TP_WINDOW_CLAMP,
  TP_USER_MSS,
  TP_NONAGLE,
  TP_LINGER,
  TP_LINGER2,
  TP_KEEPALIVE_TIME,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_SYN_RETRIES,
  TP_USER_TIMEOUT,
  TP_DEFER_ACCEPT,
  TP_MD5,
  TP_CA_OPS,
  TP_EVENTS,
  TP_NOTSENT_LOWAT,
  TP_FO_MAX_QLEN,
  TP_PACING,
  TP_MAX_PACING_RATE,
  TP_TSFLAGS,
  TP_TSKEY,
  TP_ZCKEY,
  TP_RTO_MIN,
  TP_RTO_MAX,
  // as it was last, it is told (TCP_MAXSEG)
  TP_MSS_CACHE,
]

type TcpConnectDeps = {
  arena: Arena
  bank: number
  worker: number
  time: Time
  random: () => number
  hash: TcpHash
  ports: Ports
  secure: SecureSeq
  life: TcpLifecycle
  timers: TcpTimers
  mss: TcpMss
  window: TcpWindow
  transmit: TcpTransmit
  queue: TcpWriteQueue
  purgeRcv: TcpRcvQueue['purge']
  cong: TcpCong
  md5: Pick<TcpMd5, 'optionLen'>
  mem: TcpMem
  trim: TcpOom['trimSnd']
  steer: Steer['steerFlow']
  fastopenClient: Pick<FastopenClient, 'mayDefer' | 'sendSyn' | 'sendSynData'>
} & Pick<AddrType, 'addrType'>

export type TcpRouting = ReturnType<typeof createTcpRouting>

/** What the passive side needs of it too: routes and sequence numbers. */
export const createTcpRouting = (
  arena: Arena,
  time: Time,
  secure: SecureSeq,
  { skDstLookup, flow }: SkDst
) => {
  const { i32, layout } = arena
  /** Looks up the way to a socket's peer and keeps it, and our address on it, in the row; 0 or -errno. */
  const routeSocket = (sk: number): number => {
    const err = skDstLookup(sk)
    if (err < 0) return err
    if (flow[FL_TYPE] !== RTN_UNICAST && flow[FL_TYPE] !== RTN_LOCAL) return -Errno.ENETUNREACH
    copyAddr(i32, sk + SK_SADDR, flow, FL_SADDR)
    return 0
  }
  /** RFC 6528: a clock of 64 ns ticks (by microseconds here) behind a keyed hash of the connection. */
  const secureSeq = (sk: number): number =>
    (secure.flowHash(
      i32,
      sk + SK_SADDR,
      sk + SK_DADDR,
      i32[sk + SK_NUM],
      i32[sk + SK_DPORT],
      HASH_ISN
    ) +
      (time[TIME_US] << 4)) |
    0
  /** Timestamp offset of the connection (RFC 7323 section 5.4); none with tcp_timestamps = 2. */
  const secureTsOffset = (sk: number): void => {
    i32[sk + TP_TS_OFFSET] =
      i32[layout.sysctl + Sysctl.tcp_timestamps] === 1
        ? secure.flowHash(i32, sk + SK_SADDR, sk + SK_DADDR, 0, 0, HASH_TS)
        : 0
  }
  return { routeSocket, secureSeq, secureTsOffset }
}

export type TcpConnect = ReturnType<typeof createTcpConnect>

export const createTcpConnect = (deps: TcpConnectDeps, routing: TcpRouting) => {
  const {
    bank,
    worker,
    time,
    random,
    hash,
    ports,
    secure,
    life,
    timers,
    mss,
    window,
    transmit,
    queue,
  } = deps
  const { steer, addrType, purgeRcv, cong, md5, fastopenClient } = deps
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout
  const twReuse = createTcpTwReuse(deps)
  const back = createFlowi()

  const ephemeral = (sk: number, start: number, usable: (port: number) => boolean): number =>
    ports.pick(lowPort(deps.arena, sk), highPort(deps.arena, sk), start, usable)

  /** Gives a socket its local address and port (0: any); 0 or -errno. */
  const bind = (sk: number, words: Int32Array, at: number, port: number): number => {
    if (i32[sk + SK_STATE] !== TCP_CLOSE || i32[sk + SK_NUM] !== 0) return -Errno.EINVAL
    const err = bindAddr(deps.arena, addrType, sk, words, at)
    if (err !== 0) return err
    // the port is left to connect(), or listen()
    if (port === 0 && (i32[sk + SK_INET_FLAGS] & INET_NO_PORT) !== 0) {
      if (!isAnyAddr(words, at)) i32[sk + SK_FLAGS] |= SOCK_BINDADDR_LOCK
      return 0
    }
    const chosen =
      port !== 0
        ? port
        : ephemeral(sk, random(), (p) => ports.first(p) === 0 || !ports.conflicts(sk, p))
    if (chosen === 0 || ports.conflicts(sk, chosen)) {
      clearAddr(i32, sk + SK_SADDR)
      return -Errno.EADDRINUSE
    }
    ports.hold(sk, chosen)
    i32[sk + SK_FLAGS] |=
      (isAnyAddr(words, at) ? 0 : SOCK_BINDADDR_LOCK) | (port !== 0 ? SOCK_BINDPORT_LOCK : 0)
    return 0
  }

  /** Addresses of the packets that will answer. */
  const answersFlow = (sk: number): void => {
    back.fill(0)
    back[FL_FAMILY] = i32[sk + SK_FAMILY]
    back[FL_PROTO] = IPPROTO_TCP
    // they come in where ours go out
    back[FL_IIF] = i32[sk + SK_DST_DEV]
    back[FL_L3MDEV] = l3mdevOf(deps.arena, i32[sk + SK_DST_DEV])
    for (let w = 0; w < 4; w++) {
      back[FL_SADDR + w] = i32[sk + SK_DADDR + w]
      back[FL_DADDR + w] = i32[sk + SK_SADDR + w]
    }
    back[FL_SPORT] = i32[sk + SK_DPORT]
  }
  /** A port that is not bound by another's wish, whose connection is new, and whose answers come here. */
  const usable = (port: number): boolean => {
    back[FL_DPORT] = port
    for (let other = ports.first(port); other !== 0; other = i32[other + SK_BIND_NEXT])
      if (
        (i32[other + SK_FLAGS] & SOCK_BINDPORT_LOCK) !== 0 ||
        i32[other + SK_STATE] === TCP_LISTEN
      )
        return false
    return isFree(false) && steer(back) === worker
  }
  /** No connection has these addresses and ports, or one in TIME_WAIT that gives way. */
  const isFree = (isBound: boolean): boolean => {
    const other = hash.lookupEstablished(back)
    return other === 0 || twReuse.mayReplace(other, isBound)
  }
  /** Takes the place of the connection in TIME_WAIT that has the port chosen, if there is one. */
  const takePlace = (): void => {
    const other = hash.lookupEstablished(back)
    if (other !== 0) twReuse.replace(other)
  }
  const chooseLocalPort = (sk: number): number => {
    answersFlow(sk)
    if (i32[sk + SK_NUM] !== 0) {
      back[FL_DPORT] = i32[sk + SK_NUM]
      if (!isFree(true) || steer(back) !== worker) return -Errno.EADDRNOTAVAIL
      takePlace()
      return 0
    }
    const start = secure.flowHash(
      i32,
      sk + SK_SADDR,
      sk + SK_DADDR,
      0,
      i32[sk + SK_DPORT],
      HASH_PORT
    )
    const port = ephemeral(sk, start + portOffset, usable)
    if (port === 0) return -Errno.EADDRNOTAVAIL
    back[FL_DPORT] = port
    takePlace()
    portOffset += 2
    ports.hold(sk, port)
    return 0
  }
  // RFC 6056 algorithm 3: the count is common to all destinations
  let portOffset = 0

  /** What the next call says of a connection that was begun, as one that waited would have said. */
  const finishConnect = (sk: number): number => {
    const state = i32[sk + SK_STATE]
    if (state === TCP_SYN_SENT || state === TCP_SYN_RECV)
      return isDeferred(sk) ? -Errno.EISCONN : -Errno.EALREADY
    i32[sk + SK_FLAGS] &= ~SOCK_CONNECTING
    if (state !== TCP_CLOSE) {
      i32[sk + SK_FLAGS] |= SOCK_CONNECTED
      return 0
    }
    const err = i32[sk + SK_ERR] || Errno.ECONNABORTED
    startAfresh(sk)
    life.forgetUser(sk)
    undoConnect(sk)
    return -err
  }
  /** Takes a closed socket to SYN_SENT, with a route and a port; 0 or -errno. */
  const begin = (sk: number, words: Int32Array, at: number, port: number): number => {
    const refused = peerError(i32, sk, words, at)
    if (refused !== 0) return refused
    if (familyOf(words, at) !== i32[sk + SK_FAMILY]) {
      i32[sk + SK_FAMILY] = AF_INET
      i32[sk + SK_REUSE] |= MAPPED
    }
    // a stream does not come from a group that the socket was bound to (tcp_v4_connect)
    const bound = addrType(i32, sk + SK_SADDR, i32[sk + SK_BOUND_DEV])
    if (isGroupType(bound)) clearAddr(i32, sk + SK_SADDR)
    copyAddr(i32, sk + SK_DADDR, words, at)
    i32[sk + SK_DPORT] = port
    let err = routing.routeSocket(sk)
    if (err === 0) err = chooseLocalPort(sk)
    if (err < 0) {
      undoConnect(sk)
      return err
    }
    startAfresh(sk)
    i32[sk + SK_CREATED] = time[TIME_US]
    life.setState(sk, TCP_SYN_SENT)
    hash.hash(sk)
    i32[sk + SK_FLAGS] |= SOCK_CONNECTING
    initSyn(sk)
    return 0
  }
  /** -EINPROGRESS when the SYN is on its way, 0 when the first write will send it (TCP_FASTOPEN_CONNECT), else -errno. */
  const connect = (sk: number, words: Int32Array, at: number, port: number): number => {
    const how = i32[sk + SK_FLAGS] & SOCK_DISCONNECTING
    if (how === SOCK_DISCONNECTING) return -Errno.EINVAL
    if (how === SOCK_CONNECTING) return finishConnect(sk)
    if (how === SOCK_CONNECTED || i32[sk + SK_STATE] !== TCP_CLOSE) return -Errno.EISCONN
    const err = begin(sk, words, at, port)
    if (err !== 0) return err
    if (fastopenClient.mayDefer(sk)) {
      i32[sk + TP_FASTOPEN] |= FO_DEFER
      return 0
    }
    const syn = queueSyn(sk)
    if (syn !== 0) {
      if ((i32[sk + TP_FASTOPEN] & FO_CONNECT) !== 0) fastopenClient.sendSyn(sk, syn)
      else transmit.transmitClone(sk, syn)
    }
    return -Errno.EINPROGRESS
  }
  const isDeferred = (sk: number): boolean => (i32[sk + TP_FASTOPEN] & FO_DEFER) !== 0

  /**
   * What a write does that may have to connect first, by MSG_FASTOPEN or because connect() has left that to it: with the SYN
   * goes as much of `len` octets as it takes, which `copy` brings. How many those are, 0 when it is a write as any, -EINPROGRESS
   * when none could go, or -errno (tcp_sendmsg_fastopen). `words` null: an address of no family; port -1: none was given.
   */
  const sendFastopen = (
    sk: number,
    words: Int32Array | null,
    at: number,
    port: number,
    len: number,
    flags: number,
    copy: (to: number, n: number) => void
  ): number => {
    const isUnspec = words === null && port >= 0
    if ((i32[sysctl + Sysctl.tcp_fastopen] & TFO_CLIENT_ENABLE) === 0 || isUnspec)
      return -Errno.EOPNOTSUPP
    const state = i32[sk + SK_STATE]
    if (state === TCP_SYN_SENT && isDeferred(sk)) i32[sk + TP_FASTOPEN] &= ~FO_DEFER
    else if (state !== TCP_CLOSE) return underWay(sk, state, flags)
    else if (i32[sk + SK_ERR] !== 0) return 0
    else {
      const err = words === null ? -Errno.EINVAL : begin(sk, words, at, port)
      if (err !== 0) return err
    }
    const syn = queueSyn(sk)
    const sent = syn === 0 ? 0 : fastopenClient.sendSynData(sk, syn, len, copy)
    if (sent < len && (flags & MSG_DONTWAIT) === 0) i32[sk + SK_FLAGS] |= SOCK_WRITE_PENDING
    return sent === 0 ? -Errno.EINPROGRESS : sent
  }
  /** MSG_FASTOPEN on what is connected, or will be: once that says nothing. */
  const underWay = (sk: number, state: number, flags: number): number => {
    const how = i32[sk + SK_FLAGS] & SOCK_DISCONNECTING
    if (how !== SOCK_CONNECTING) return how === SOCK_DISCONNECTING ? -Errno.EINVAL : -Errno.EISCONN
    if (state === TCP_SYN_SENT || state === TCP_SYN_RECV)
      return (flags & MSG_DONTWAIT) !== 0 ? -Errno.EALREADY : 0
    i32[sk + SK_FLAGS] ^= SOCK_CONNECTING | SOCK_CONNECTED
    return 0
  }
  /** An attempt before this one has left its state in the row (tcp_disconnect): only what the user set stays. */
  const startAfresh = (sk: number): void => {
    purgeRcv(sk)
    queue.purge(sk)
    cong.release(sk)
    for (let k = 0; k < USER_WORDS.length; k++) kept[k] = i32[sk + USER_WORDS[k]]
    const fastopen = i32[sk + TP_FASTOPEN] & FO_USER
    i32.fill(0, sk + SK_PROTO, sk + SK_INET)
    for (let k = 0; k < USER_WORDS.length; k++) i32[sk + USER_WORDS[k]] = kept[k]
    i32[sk + TP_FASTOPEN] = fastopen
    i32[sk + SK_ERR] = 0
    i32[sk + SK_ERR_SOFT] = 0
    i32[sk + SK_FLAGS] &= ~(SOCK_DONE | SOCK_NOSPACE | SOCK_WRITE_PENDING | SOCK_UNPREDICTED)
    i32[sk + TP_REORDERING] = i32[sysctl + Sysctl.tcp_reordering]
  }
  const kept = new Int32Array(USER_WORDS.length)
  const undoConnect = (sk: number): void => {
    i32[sk + SK_FAMILY] = familyOfSock(i32, sk)
    i32[sk + SK_REUSE] &= ~MAPPED
    i32.fill(0, sk + SK_DADDR, sk + SK_DADDR + 4)
    i32[sk + SK_DPORT] = 0
    if ((i32[sk + SK_FLAGS] & SOCK_BINDADDR_LOCK) === 0)
      i32.fill(0, sk + SK_SADDR, sk + SK_SADDR + 4)
  }
  /** What a SYN says, and where its connection begins (tcp_connect_init). */
  const initSyn = (sk: number): void => {
    let opts = 0
    const signature = md5.optionLen(sk)
    // both, and SACK, have no room beside one another
    if (i32[sysctl + Sysctl.tcp_timestamps] !== 0 && signature === 0) opts |= OPT_TIMESTAMPS
    if (i32[sysctl + Sysctl.tcp_sack] !== 0) opts |= OPT_SACK
    if (i32[sysctl + Sysctl.tcp_window_scaling] !== 0) opts |= OPT_WSCALE
    i32[sk + TP_OPTS] = opts
    i32[sk + TP_HEADER_LEN] = MIN_HEADER + signature + ((opts & OPT_TIMESTAMPS) !== 0 ? 12 : 0)
    i32[sk + TP_ADVMSS] = mss.advertisedMss(sk)
    i32[sk + TP_MSS_CLAMP] = mss.defaultMss(sk)
    mss.syncMss(sk)
    window.selectInitialWindow(sk, i32[sk + TP_ADVMSS], (opts & OPT_WSCALE) !== 0)
    const isn = twReuse.inherit(sk) || routing.secureSeq(sk)
    routing.secureTsOffset(sk)
    i32[sk + TP_SND_ISN] = isn
    i32[sk + TP_SND_UNA] = isn
    i32[sk + TP_SND_SML] = isn
    i32[sk + TP_SND_NXT] = isn
    i32[sk + TP_WRITE_SEQ] = isn
    i32[sk + TP_SND_WND] = 0
    i32[sk + TP_SND_CWND] = initCwnd(i32, sk)
    i32[sk + TP_SND_SSTHRESH] = TCP_INFINITE_SSTHRESH
    i32[sk + TP_RTO] = TCP_TIMEOUT_INIT
  }
  /** The SYN in the queue, as if it had gone, and waited for; 0 when there is no memory, which ends the connection. */
  const queueSyn = (sk: number): number => {
    f64[bank + Mib.TcpActiveOpens]++
    const isn = i32[sk + TP_SND_ISN]
    const flags = accecnSendSyn(i32, sk, i32[sysctl + Sysctl.tcp_ecn], cong.needsEcn(sk))
    const mayQueue = deps.mem.mayQueueFlag() || deps.trim(sk)
    const syn = mayQueue ? transmit.emptySegment(isn, flags) : 0
    if (syn === 0) {
      life.fail(sk, Errno.ENOBUFS)
      return 0
    }
    i32[syn + CB_END_SEQ] = (isn + 1) | 0
    queue.setTsoSegs(syn, 1)
    queue.append(sk, syn)
    i32[sk + TP_SND_NXT] = (isn + 1) | 0
    i32[sk + TP_WRITE_SEQ] = (isn + 1) | 0
    i32[sk + TP_SEND_HEAD] = 0
    i32[sk + TP_PACKETS_OUT] = 1
    i32[sk + TP_RETRANS_STAMP] = time[TIME_MS] || -1
    timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, TCP_TIMEOUT_INIT)
    return syn
  }

  return { bind, connect, sendFastopen }
}
