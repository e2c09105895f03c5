/**
 * TCP of one worker: makes the parts of this folder and joins them. The stack gives it what lies below (IP output,
 * routes) and puts tcpRcv into inet_protos; the socket layer uses the operations. Everything runs on the worker.
 * Linux: net/ipv4/tcp.c, tcp_prot.
 */
import { Errno } from '../../base/errno.ts'
import type { Flowi } from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS, TIME_US } from '../../base/time.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import { log2, roundUpPowerOfTwo } from '../../base/u32.ts'
import type { Arena } from '../../shm/arena.ts'
import { Mib } from '../../shm/counters.ts'
import { COUNTERS } from '../../shm/layout.ts'
import type { Slab } from '../../shm/slab.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import type { DropFn } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skb.ts'
import {
  SK_COOKIE,
  SK_CREATED,
  SK_FAMILY,
  SK_NUM,
  SK_PROTOCOL,
  SK_RCVBUF,
  SK_SNDBUF,
  SK_STATE,
  SK_TYPE,
  SOCK_STREAM,
  type SockEvents,
  TCP_CLOSE,
  TCP_NEW_SYN_RECV,
} from '../../socket/sock.ts'
import type { OwnedFlows } from '../owned-flows.ts'
import { createPorts } from '../ports.ts'
import { createSecureSeq } from '../secure-seq.ts'
import { createTcpAck } from './tcp-ack.ts'
import { createTcpClose } from './tcp-close.ts'
import { createTcpConnect, createTcpRouting } from './tcp-connect.ts'
import { createTcpHash } from './tcp-hash.ts'
import { createTcpInput } from './tcp-input.ts'
import { createTcpIpv } from './tcp-ipv.ts'
import { createTcpLifecycle } from './tcp-lifecycle.ts'
import { createTcpListen } from './tcp-listen.ts'
import { createTcpMem } from './tcp-mem.ts'
import { createTcpMss } from './tcp-mss.ts'
import { createTcpOutput } from './tcp-output.ts'
import { createTcpRcvQueue } from './tcp-rcv-queue.ts'
import { createTcpRecovery } from './tcp-recovery.ts'
import { createTcpRecvmsg } from './tcp-recvmsg.ts'
import { createTcpReply, type IpSend, type RouteOutput } from './tcp-reply.ts'
import { createTcpSacktag } from './tcp-sacktag.ts'
import { createTcpSendmsg } from './tcp-sendmsg.ts'
import { createTcpSockopt } from './tcp-sockopt.ts'
import {
  TCP_FASTRETRANS_THRESH,
  TCP_TIMEOUT_INIT,
  TP_LAST_OOW_ACK,
  TP_OOW_ACKED,
  TP_REORDERING,
  TP_RTO,
  TP_SCALING_RATIO,
} from './tcp-sock.ts'
import { createTcpTimer } from './tcp-timer.ts'
import { createTcpTimers } from './tcp-timers.ts'
import { createTcpTimewait } from './tcp-timewait.ts'
import { createTcpTransmit, type IpQueueXmit } from './tcp-transmit.ts'
import { createTcpWindow } from './tcp-window.ts'
import { createTcpWriteQueue } from './tcp-write-queue.ts'

const IPPROTO_TCP = 6

export type TcpDeps = {
  arena: Arena
  worker: number
  skbs: Skbs
  drop: DropFn
  consume: (skb: number) => void
  wheel: TimerWheel
  time: Time
  /** Uniform int32. */
  random: () => number
  /** The worker's rows of sockets, shared with the other protocols. */
  slab: Slab
  /** Two random words of the boot: the key of sequence numbers. */
  secret: Int32Array
  routeOutput: RouteOutput
  ipQueueXmit: IpQueueXmit
  ipSend: IpSend
  loadAddrs: (skb: number, fl: Flowi) => void
  /** Worker on which packets of the flow arrive (source is the peer). */
  steer: (fl: Flowi) => number
  isLocal: (family: number, words: Int32Array, at: number) => boolean
  /** Largest super-frame that the device takes, 0 when it takes none itself. */
  gsoMax: (ifindex: number) => number
  sockEvents: SockEvents
  owned: OwnedFlows
  /** The next hop of a connection answers (ip/ip-output.ts). */
  sockConfirm: (sk: number) => void
}

export type Tcp = ReturnType<typeof createTcp>

export const createTcp = (deps: TcpDeps) => {
  const { arena, worker, skbs, drop, consume, time, slab, random } = deps
  const { i32, u8, f64, layout } = arena
  const { sysctl } = layout
  const bank = layout.countersF64 + worker * COUNTERS

  const mem = createTcpMem(arena, skbs)
  const hash = createTcpHash(i32, log2(roundUpPowerOfTwo(slab.rows)) + 1, random(), deps.owned)
  const ports = createPorts(i32)
  const secure = createSecureSeq(deps.secret)
  const timers = createTcpTimers(i32, time, deps.wheel)
  const window = createTcpWindow({ i32, f64, bank, sysctl, time, mem })
  const transmit = createTcpTransmit({
    arena,
    bank,
    time,
    skbs,
    timers,
    window,
    ipQueueXmit: deps.ipQueueXmit,
  })
  const queue = createTcpWriteQueue(i32, skbs, mem, consume)
  const mss = createTcpMss({ i32, gsoMax: deps.gsoMax }, transmit)
  const output = createTcpOutput({ arena, bank, time, queue, mss, timers, transmit })
  const sacktag = createTcpSacktag({ i32, u8, f64, bank, time, queue, mss })
  const recovery = createTcpRecovery({ i32, f64, bank, queue, sacktag })

  // RFC 5961 section 7: challenges are limited per connection and, if asked for, per second.
  let challengeSecond = 0
  let challenges = 0
  const sendChallengeAck = (sk: number): void => {
    if (
      transmit.oowRateLimited(sk, TP_LAST_OOW_ACK, TP_OOW_ACKED, Mib.TcpExtTCPACKSkippedChallenge)
    )
      return
    const second = (time[TIME_MS]! / 1000) | 0
    if (second !== challengeSecond) {
      challengeSecond = second
      challenges = 0
    }
    if (challenges++ >= i32[sysctl + Sysctl.tcp_challenge_ack_limit]!) return
    f64[bank + Mib.TcpExtTCPChallengeACK]!++
    transmit.sendAck(sk)
  }
  const ack = createTcpAck({
    arena,
    bank,
    time,
    queue,
    mss,
    timers,
    output,
    sacktag,
    recovery,
    sendChallengeAck,
    sockConfirm: deps.sockConfirm,
  })

  const life = createTcpLifecycle({
    arena,
    bank,
    slab,
    hash,
    ports,
    timers,
    sockEvents: deps.sockEvents,
    purge: (sk) => {
      rcvQueue.purge(sk)
      queue.purge(sk)
    },
    purgeWrite: queue.purge,
  })
  const rcvQueue = createTcpRcvQueue({
    arena,
    bank,
    time,
    skbs,
    drop,
    consume,
    mem,
    window,
    raise: life.raise,
    fin: (sk) => input.fin(sk),
  })
  const { sendReset } = createTcpReply({
    arena,
    bank,
    skbs,
    routeOutput: deps.routeOutput,
    ipSend: deps.ipSend,
    loadAddrs: deps.loadAddrs,
  })
  const input = createTcpInput({
    arena,
    bank,
    time,
    skbs,
    drop,
    consume,
    mem,
    mss,
    window,
    timers,
    transmit,
    output,
    ack,
    queue: rcvQueue,
    life,
    sendReset,
    sendChallengeAck,
  })
  const routing = createTcpRouting(arena, time, secure, deps.routeOutput)
  const listening = createTcpListen({
    arena,
    bank,
    time,
    slab,
    drop,
    consume,
    hash,
    ports,
    timers,
    mss,
    window,
    transmit,
    input,
    life,
    ...routing,
    sendReset,
  })
  const { timewaitRcv } = createTcpTimewait({
    i32,
    f64,
    bank,
    drop,
    consume,
    input,
    life,
    timers,
    transmit,
    sendReset,
  })
  const { tcpRcv, tcpError } = createTcpIpv({
    arena,
    bank,
    drop,
    hash,
    input,
    listen: listening,
    life,
    mss,
    output,
    recovery,
    timewaitRcv,
    sendReset,
    loadAddrs: deps.loadAddrs,
    passOn: deps.owned.passOn,
  })
  timers.bind(
    createTcpTimer({
      arena,
      bank,
      time,
      timers,
      transmit,
      output,
      queue,
      recovery,
      input,
      listen: listening,
      life,
    })
  )
  const connecting = createTcpConnect(
    {
      arena,
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
      purgeRcv: rcvQueue.purge,
      steer: deps.steer,
      isLocal: deps.isLocal,
    },
    routing
  )
  const closing = createTcpClose({
    arena,
    bank,
    life,
    listen: listening,
    input,
    output,
    transmit,
    timers,
    rcvQueue,
    purgeWrite: queue.purge,
  })
  const { sendmsg, sendBytes, writable } = createTcpSendmsg({
    arena,
    skbs,
    mem,
    mss,
    output,
    queue,
    timers,
  })
  const { recvmsg, recvBytes } = createTcpRecvmsg({
    arena,
    skbs,
    queue: rcvQueue,
    transmit,
    window,
  })
  const { setOption, getOption } = createTcpSockopt({
    arena,
    output,
    input,
    timers,
    maxBuffer: mem.sockLimit,
  })

  /** A closed socket of a family, or 0 when the worker has no row left. */
  const open = (family: number): number => {
    const sk = life.allocSock()
    if (sk === 0) return 0
    i32[sk + SK_FAMILY] = family
    i32[sk + SK_TYPE] = SOCK_STREAM
    i32[sk + SK_PROTOCOL] = IPPROTO_TCP
    i32[sk + SK_STATE] = TCP_CLOSE
    i32[sk + SK_CREATED] = time[TIME_US]!
    i32[sk + SK_COOKIE] = random()
    i32[sk + SK_RCVBUF] = i32[sysctl + Sysctl.tcp_rmem_default]!
    i32[sk + SK_SNDBUF] = i32[sysctl + Sysctl.tcp_wmem_default]!
    i32[sk + TP_RTO] = TCP_TIMEOUT_INIT
    i32[sk + TP_REORDERING] = TCP_FASTRETRANS_THRESH
    i32[sk + TP_SCALING_RATIO] = 128
    return sk
  }
  const listen = (sk: number, backlog: number): number => {
    if (i32[sk + SK_NUM] === 0) {
      const err = connecting.bind(sk, ANY, 0, 0)
      if (err < 0) return err
    }
    return listening.listen(sk, backlog)
  }
  const accept = (sk: number): number => {
    const child = listening.accept(sk)
    if (child !== 0) i32[child + SK_COOKIE] = random()
    return child
  }
  /** 0 is never returned while the handshake is under way: -EINPROGRESS is. */
  const connect = (sk: number, words: Int32Array, at: number, port: number): number => {
    const err = connecting.connect(sk, words, at, port)
    life.flush()
    return err === 0 ? -Errno.EINPROGRESS : err
  }

  /** Ends everything at once, without a word to anyone (the worker stops, a test ends). */
  const destroyAll = (): void => {
    for (let k = 0; k < slab.rows; k++) {
      const sk = slab.at(k)
      if (!slab.isLive(sk) || i32[sk + SK_PROTOCOL] !== IPPROTO_TCP) continue
      if (i32[sk + SK_STATE] === TCP_NEW_SYN_RECV) listening.dropRequest(sk)
      else life.destroyNow(sk)
    }
  }

  return {
    tcpRcv,
    tcpError,
    open,
    bind: connecting.bind,
    listen,
    accept,
    connect,
    sendmsg,
    sendBytes,
    recvmsg,
    recvBytes,
    shutdown: closing.shutdown,
    close: closing.close,
    abort: closing.abort,
    setOption,
    getOption,
    writable,
    readable: rcvQueue.readable,
    destroyAll,
    ports,
    memory: mem.rcvCharged,
    orphans: life.orphanCount,
    timeWaits: life.timeWaitCount,
  }
}

const ANY = new Int32Array(4)
