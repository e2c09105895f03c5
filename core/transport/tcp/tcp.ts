/**
 * TCP of one worker: makes the parts (parts/) and joins them. The stack gives it what lies below (IP output,
 * routes) and puts tcpRcv into inet_protos; the socket layer uses the operations. Everything runs on the worker.
 * Linux: net/ipv4/tcp.c, tcp_prot.
 */
import { type TcpDeps, createBase, createTables } from './parts/tcp-base.ts'
import { type Lower, createOpening } from './parts/tcp-opening.ts'
import { createReceiving } from './parts/tcp-receiving.ts'
import { createSending } from './parts/tcp-sending.ts'
import { createTcpIpv } from './rcv/tcp-ipv.ts'
import { createTcpRecvmsg } from './rcv/tcp-recvmsg.ts'
import { createTcpSendmsg } from './snd/tcp-sendmsg.ts'
import { createTcpInitSock } from './sock/tcp-init-sock.ts'
import { createTcpPoll } from './sock/tcp-poll.ts'
import { createTcpSockopt } from './sockopt/tcp-sockopt.ts'
import { createTcpClose } from './states/tcp-close.ts'
import { createTcpTimewait } from './states/tcp-timewait.ts'
import { createTcpKeepaliveTimer } from './timer/tcp-keepalive-timer.ts'
import { createTcpProbeTimer } from './timer/tcp-probe-timer.ts'
import { createTcpRetransmitTimer } from './timer/tcp-retransmit-timer.ts'
import { createTcpTimer } from './timer/tcp-timer.ts'
import { createTcpWriteTimeout } from './timer/tcp-write-timeout.ts'

export type Tcp = ReturnType<typeof createTcp>

type Parts = Lower & ReturnType<typeof createOpening>

/** What happens when nothing does. */
const createTiming = (parts: Parts) => {
  const timeout = createTcpWriteTimeout(parts)
  const lower = { ...parts, ...timeout }
  return createTcpTimer({
    ...parts,
    ...createTcpRetransmitTimer(lower),
    ...createTcpProbeTimer(lower),
    ...createTcpKeepaliveTimer(lower),
  })
}

/** What packets, timers and closing do, over all that is made. */
const createEntries = (parts: Parts, deps: TcpDeps) => {
  const { passOn } = deps.owned
  const { timewaitRcv } = createTcpTimewait({ ...deps, ...parts })
  const ipv = createTcpIpv({ ...deps, ...parts, timewaitRcv, passOn })
  parts.timers.bind(createTiming(parts))
  const closing = createTcpClose({ ...parts, purgeWrite: parts.queue.purge })
  return { ...ipv, closing }
}

/** What the socket layer calls. */
const createOperations = (parts: Parts, deps: TcpDeps) => {
  const { cleanupRbuf, ...reading } = createTcpRecvmsg({ ...deps, ...parts })
  const options = createTcpSockopt({
    ...parts,
    maxBuffer: parts.mem.sockLimit,
    cleanupRbuf,
    getPktoptions: parts.pktoptions.getPktoptions,
  })
  return {
    ...createTcpInitSock(parts),
    ...createTcpSendmsg(parts),
    ...reading,
    ...createTcpPoll(parts),
    ...options,
  }
}

export const createTcp = (deps: TcpDeps) => {
  const base = createBase(deps)
  const tables = createTables(base, deps)
  const sending = createSending(base, deps)
  // what closes makes use of the handshake's parts
  const endSending = (sk: number): void => closing.endSending(sk)
  const receiving = createReceiving(base, tables, sending, deps, endSending)
  const lower = { ...base, ...tables, ...sending, ...receiving }
  const opening = createOpening(lower, deps)
  const parts = { ...lower, ...opening }
  const { closing, tcpRcv, tcpResume, tcpError } = createEntries(parts, deps)
  const { life } = parts

  return {
    tcpRcv,
    tcpResume,
    tcpError,
    ...createOperations(parts, deps),
    bind: parts.bind,
    listen: parts.listen.listen,
    accept: parts.listen.accept,
    connect: parts.connect,
    shutdown: closing.shutdown,
    close: closing.close,
    linger: closing.linger,
    abort: closing.abort,
    readable: parts.rcvQueue.readable,
    isAtMark: parts.urg.isAtMark,
    releaseHeldUp: parts.output.releaseHeldUp,
    sendCompressed: parts.compressedAck.sendCompressed,
    ownerHashFlow: parts.hash.ownerHashFlow,
    syncMss: (sk: number): void => void parts.mss.syncMss(sk),
    ports: parts.ports,
    orphans: life.orphanCount,
    md5Keys: parts.md5.keyCount,
    timeWaits: life.timeWaitCount,
    flushMetrics: parts.metrics.flush,
    recvErr: deps.errqueue.take,
    tstampSent: parts.tstamp.sent,
  }
}
