/**
 * TCP of one worker: makes the parts of this folder and joins them. The stack gives it what lies below (IP output,
 * routes) and puts tcpRcv into inet_protos; the socket layer uses the operations. Everything runs on the worker.
 * Linux: net/ipv4/tcp.c, tcp_prot.
 */
import { Errno } from '../../base/errno.ts'
import { TIME_US, type Time } from '../../base/time.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import { log2, roundUpPowerOfTwo } from '../../base/u32.ts'
import type { Arena } from '../../shm/arena.ts'
import { COUNTERS } from '../../shm/layout.ts'
import type { Slab } from '../../shm/slab.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import type { ConsumeFn, DropFn } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import type { AfOpsOf } from '../../inet/af-ops.ts'
import type { Pmtu } from '../../inet/dst/pmtu.ts'
import type { SkDst } from '../../inet/dst/sk-dst.ts'
import type { PacketAddrs } from '../../inet/packet-addrs.ts'
import type { IpLocalOut } from '../../ipv4/ip-local-out.ts'
import { l3mdevOf } from '../../netdev/netdev.ts'
import type { Events } from '../../socket/events.ts'
import { initInet } from '../../socket/inet-sock.ts'
import type { Cmsg } from '../../socket/msg/cmsg.ts'
import type { ErrQueue } from '../../socket/msg/errqueue.ts'
import type { Timestamp } from '../../socket/msg/timestamp.ts'
import {
  SK_BOUND_DEV,
  SK_CREATED,
  SK_FAMILY,
  SK_FLAGS,
  SK_NUM,
  SK_PROTOCOL,
  SK_RCVBUF,
  SK_SNDBUF,
  SK_STATE,
  SK_TYPE,
  SOCK_STREAM,
  TCP_CLOSE,
  TCP_NEW_SYN_RECV,
} from '../../socket/sock.ts'
import type { Steer } from '../../steering/steer.ts'
import type { KeepError } from '../keep-error.ts'
import type { OwnedFlows } from '../owned-flows.ts'
import { createPorts } from '../ports.ts'
import { createSecureSeq } from '../secure-seq.ts'
import { createTcpAckRtt } from './ack/tcp-ack-rtt.ts'
import { createTcpAckWindow } from './ack/tcp-ack-window.ts'
import { createTcpAck } from './ack/tcp-ack.ts'
import { createTcpCleanRtxQueue } from './ack/tcp-clean-rtx-queue.ts'
import { createTcpCongControl } from './cong/tcp-cong-control.ts'
import { createTcpBind } from './connect/tcp-bind.ts'
import { createTcpConnect } from './connect/tcp-connect.ts'
import { createTcpDisconnect } from './connect/tcp-disconnect.ts'
import { createTcpLocalPort } from './connect/tcp-local-port.ts'
import { type TcpRouting, createTcpRouting } from './connect/tcp-routing.ts'
import { createTcpSendSyn } from './connect/tcp-send-syn.ts'
import { createTcpSendmsgFastopen } from './fastopen/tcp-sendmsg-fastopen.ts'
import { createTcpTwReuse } from './connect/tcp-tw-reuse.ts'
import { createTcpAckEcn } from './ecn/tcp-ack-ecn.ts'
import { createTcpCoalesce } from './rcv/tcp-coalesce.ts'
import { createTcpDataEcn } from './ecn/tcp-data-ecn.ts'
import { createTcpDataQueue } from './rcv/tcp-data-queue.ts'
import { createTcpEventData } from './rcv/tcp-event-data.ts'
import { createTcpInput } from './rcv/tcp-input.ts'
import { createTcpIpv } from './rcv/tcp-ipv.ts'
import { createTcpOfoQueue } from './rcv/tcp-ofo-queue.ts'
import { type TcpPaws, createTcpPaws } from './rcv/tcp-paws.ts'
import { createTcpPrune } from './rcv/tcp-prune.ts'
import { type TcpRcvQueue, createTcpRcvQueue } from './rcv/tcp-rcv-queue.ts'
import { createTcpRecvmsg } from './rcv/tcp-recvmsg.ts'
import { createTcpUrg } from './rcv/tcp-urg.ts'
import { createTcpValidate } from './rcv/tcp-validate.ts'
import { createTcpWindow } from './rcv/tcp-window.ts'
import { createTcpAccecnAce } from './ecn/tcp-accecn-ace.ts'
import { createTcpCaState } from './rec/tcp-ca-state.ts'
import { type CongestionControl, createTcpCong } from './cong/tcp-cong.ts'
import { createTcpCwndValidate } from './cong/tcp-cwnd-validate.ts'
import { createTcpEnterLoss } from './rec/tcp-enter-loss.ts'
import { createTcpFrto } from './rec/tcp-frto.ts'
import { createTcpPrr } from './rec/tcp-prr.ts'
import { createTcpRack } from './rec/tcp-rack.ts'
import { createTcpRate } from './ack/tcp-rate.ts'
import { createTcpRecovery } from './rec/tcp-recovery.ts'
import { createTcpRenoSack } from './rec/tcp-reno-sack.ts'
import { createTcpSacktag } from './ack/tcp-sacktag.ts'
import { createTcpSimpleRetransmit } from './rec/tcp-simple-retransmit.ts'
import { createTcpTlpAck } from './rec/tcp-tlp-ack.ts'
import { createTcpUndo } from './rec/tcp-undo.ts'
import { createTcpAccecnOption } from './ecn/tcp-accecn-option.ts'
import { createTcpChallenge } from './snd/tcp-challenge.ts'
import { createTcpChrono } from './snd/tcp-chrono.ts'
import { createTcpLossProbe } from './timer/tcp-loss-probe.ts'
import { type TcpMssDeps, createTcpMss } from './snd/tcp-mss.ts'
import { createTcpMtuProbe } from './snd/tcp-mtu-probe.ts'
import { createTcpNagle } from './snd/tcp-nagle.ts'
import { createTcpOutput } from './snd/tcp-output.ts'
import { createTcpPacing } from './snd/tcp-pacing.ts'
import { createTcpProbe0 } from './timer/tcp-probe0.ts'
import { createTcpReply } from './snd/tcp-reply.ts'
import { createTcpRetransmit } from './snd/tcp-retransmit.ts'
import { createTcpSendmsg } from './snd/tcp-sendmsg.ts'
import { createTcpSndCheck } from './snd/tcp-snd-check.ts'
import { createTcpTransmit } from './snd/tcp-transmit.ts'
import { createTcpTsq } from './snd/tcp-tsq.ts'
import { createTcpTstamp } from './snd/tcp-tstamp.ts'
import { createTcpWriteQueue } from './snd/tcp-write-queue.ts'
import { createTcpXmitTimer } from './timer/tcp-xmit-timer.ts'
import { SOCK_CONNECTED, SOCK_CONNECTING } from './sock/sock-flags.ts'
import { TCP_TIMEOUT_INIT } from './sock/tcp-constants.ts'
import { createFastopenActive } from './fastopen/tcp-fastopen-active.ts'
import { createFastopenKeys } from './fastopen/tcp-fastopen-keys.ts'
import { createFastopenQueue } from './fastopen/tcp-fastopen-queue.ts'
import { createTcpHash } from './sock/tcp-hash.ts'
import { createTcpLifecycle } from './sock/tcp-lifecycle.ts'
import { createTcpMd5 } from './sock/tcp-md5.ts'
import { createTcpMem } from './sock/tcp-mem.ts'
import { createTcpMetricsCache } from './fastopen/tcp-metrics-cache.ts'
import { createTcpOom } from './sock/tcp-oom.ts'
import { createTcpPktoptions } from './sock/tcp-pktoptions.ts'
import { createTcpPoll } from './sock/tcp-poll.ts'
import { initRtoBounds } from './timer/tcp-sock-times.ts'
import { TP_REORDERING, TP_RTO, TP_SCALING_RATIO } from './sock/tcp-sock.ts'
import { createTcpTimer } from './timer/tcp-timer.ts'
import { createTcpTimers } from './timer/tcp-timers.ts'
import { createTcpSockopt } from './sockopt/tcp-sockopt.ts'
import { createTcpCheckReq } from './listen/tcp-check-req.ts'
import { createTcpClose } from './states/tcp-close.ts'
import { createFastopenClient } from './fastopen/tcp-fastopen-client.ts'
import { createTcpFastopen } from './fastopen/tcp-fastopen.ts'
import { createTcpHandshake } from './states/tcp-handshake.ts'
import { createTcpListenQueues } from './listen/tcp-listen-queues.ts'
import { createTcpListen } from './listen/tcp-listen.ts'
import { createTcpRequest } from './listen/tcp-request.ts'
import { createTcpStates } from './states/tcp-states.ts'
import { createTcpSynack } from './listen/tcp-synack.ts'
import { createTcpSyncookies } from './listen/tcp-syncookies.ts'
import { createTcpTimewait } from './states/tcp-timewait.ts'

const IPPROTO_TCP = 6

export type TcpDeps = {
  arena: Arena
  worker: number
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  wheel: TimerWheel
  time: Time
  /** Uniform int32. */
  random: () => number
  /** The worker's rows of sockets, shared with the other protocols. */
  slab: Slab
  /** Two random words of the boot: the key of sequence numbers. */
  secret: Int32Array
  afOps: AfOpsOf
  skDst: SkDst
  steer: Steer['steerFlow']
  gsoMax: TcpMssDeps['gsoMax']
  /** The algorithms to choose from (cong/tcp-cong.ts). */
  congestion: readonly CongestionControl[]
  owned: OwnedFlows
  errqueue: ErrQueue
  cmsg: Cmsg
  timestamp: Timestamp
} & Pick<Pmtu, 'routeOutput' | 'updatePmtu'> &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<IpLocalOut, 'sockConfirm'> &
  Pick<AddrType, 'addrType'> &
  KeepError &
  Pick<Events, 'sockEvents'>

export type Tcp = ReturnType<typeof createTcp>

/** What every part works on. */
const createBase = ({
  arena,
  worker,
  skbs,
  drop,
  consume,
  time,
  random,
  congestion,
  errqueue,
  timestamp,
  sockEvents,
  afOps,
  cmsg,
}: TcpDeps) => ({
  arena,
  i32: arena.i32,
  u8: arena.u8,
  f64: arena.f64,
  sysctl: arena.layout.sysctl,
  bank: arena.layout.countersF64 + worker * COUNTERS,
  skbs,
  drop,
  consume,
  time,
  errqueue,
  timestamp,
  sockEvents,
  pktoptions: createTcpPktoptions({ arena, afOps, cmsg }),
  tstamp: createTcpTstamp({ i32: arena.i32, errqueue, sockEvents }),
  cong: createTcpCong({
    i32: arena.i32,
    time,
    random,
    sysctl: arena.layout.sysctl,
    controls: congestion,
  }),
})
type Base = ReturnType<typeof createBase>

/** Where the sockets of the worker are, and what tells them apart. */
const createTables = ({ arena, i32, sysctl }: Base, { slab, random, owned, secret }: TcpDeps) => {
  /** Where unbound listeners hear VRFs, all domains are one (inet_sk_bound_l3mdev). */
  const domainOf = (sk: number): number =>
    i32[sysctl + Sysctl.tcp_l3mdev_accept] !== 0 ? 0 : l3mdevOf(arena, i32[sk + SK_BOUND_DEV])
  return {
    slab,
    hash: createTcpHash(arena, log2(roundUpPowerOfTwo(slab.rows)), random(), owned),
    ports: createPorts(arena, domainOf),
    secure: createSecureSeq(secret),
  }
}
type Tables = ReturnType<typeof createTables>

/** Out: the write queue, what may go and when, segments. */
const createSending = (base: Base, deps: TcpDeps) => {
  const { i32, skbs, time, consume } = base
  const { wheel, slab, afOps, skDst, gsoMax, loadAddrs } = deps
  const mem = createTcpMem(base.arena, skbs)
  const timers = createTcpTimers(i32, time, wheel)
  const window = createTcpWindow({ ...base, mem })
  const pacing = createTcpPacing({ ...base, timers })
  const md5 = createTcpMd5({ ...base, afOps })
  const accecn = createTcpAccecnOption(base.i32, base.u8, base.sysctl, time)
  const transmit = createTcpTransmit({ ...base, timers, pacing, window, afOps, md5, accecn })
  const queue = createTcpWriteQueue(i32, base.u8, skbs, mem, consume)
  const mss = createTcpMss({ ...base, gsoMax, afOps, skDst }, transmit)
  const mtup = createTcpMtuProbe({ ...base, mss, queue })
  const tsq = createTcpTsq({ ...base, slab, mem })
  const rate = createTcpRate(i32, time)
  const chrono = createTcpChrono(i32, time)
  const xmitTimer = createTcpXmitTimer({ ...base, queue, timers })
  const sending = { mem, tsq, queue, mss, timers, transmit, rate, xmitTimer, chrono, pacing, mtup }
  const nagle = createTcpNagle({ ...base, queue })
  const cwndValidate = createTcpCwndValidate({ ...base, chrono })
  const retransmission = createTcpRetransmit({ ...base, ...sending })
  const output = createTcpOutput({ ...base, ...sending, nagle, cwndValidate, retransmission })
  const lossProbe = createTcpLossProbe({ ...base, ...sending, output, retransmission })
  const probe0 = createTcpProbe0({ ...base, ...sending, output })
  const synack = createTcpSynack({ ...base, transmit })
  const { sendChallengeAck } = createTcpChallenge({ ...base, transmit })
  const { sendReset } = createTcpReply({ ...base, afOps, loadAddrs, md5 })
  const writing = { cwndValidate, retransmission, output, lossProbe, probe0 }
  return { ...sending, ...writing, md5, window, synack, sendChallengeAck, sendReset }
}
type Sending = ReturnType<typeof createSending>

/** Both queues of received text. */
const createRcvQueues = (lower: Base & Sending) => {
  const coalesce = createTcpCoalesce(lower)
  const ofoQueue = createTcpOfoQueue(lower)
  const rcvQueue = createTcpRcvQueue({ ...lower, coalesce, ofoQueue })
  return { coalesce, ofoQueue, rcvQueue }
}

/** What is lost, what that means for the window, and whether it was a mistake. */
const createRecovering = (lower: Base & Sending) => {
  const { i32, queue, cong } = lower
  const { rtxHead } = queue
  const sacktag = createTcpSacktag(lower)
  const { markLost, noteReordering } = sacktag
  const rack = createTcpRack({ ...lower, markLost })
  const prr = createTcpPrr(i32, cong)
  const caState = createTcpCaState({ ...lower, ...prr, rtxHead })
  const undo = createTcpUndo({ ...lower, ...caState, noteReordering })
  const renoSack = createTcpRenoSack(lower)
  const frto = createTcpFrto({ i32, ...undo, ...renoSack })
  const simple = createTcpSimpleRetransmit({ ...lower, markLost })
  const { enterLoss } = createTcpEnterLoss({ ...lower, ...rack, ...caState, markLost, rtxHead })
  const tlpAck = createTcpTlpAck({ ...lower, ...prr, ...caState })
  const parts = { sacktag, rack, prr, caState, undo, renoSack, frto, simple }
  const recovery = createTcpRecovery({ ...lower, ...parts })
  const { tryUndoRecovery } = undo
  const { cleanRetransStamp } = caState
  return { ...parts, recovery, enterLoss, tlpAck, tryUndoRecovery, cleanRetransStamp }
}

type Recovering = ReturnType<typeof createRecovering>

/** What an acknowledgement says, and what is done for it. */
const createAcking = (
  lower: Base & Sending & Recovering & Pick<TcpPaws, 'replaceTsRecent'>,
  { afOps, sockConfirm }: TcpDeps
) => {
  const rtxQueue = createTcpCleanRtxQueue(lower)
  const { acked } = rtxQueue
  const accecn = createTcpAccecnAce(lower.i32, lower.u8, afOps)
  const ackEcn = createTcpAckEcn({ ...lower, accecn, acked })
  const window = createTcpAckWindow(lower)
  const rtt = createTcpAckRtt({ ...lower, acked })
  const congControl = createTcpCongControl({ ...lower, acked })
  return createTcpAck({
    ...lower,
    ...window,
    ...rtt,
    ...congControl,
    rtxQueue,
    ackEcn,
    sockConfirm,
  })
}

/** In: acknowledgements, the receive queue, the life of a socket and the states that segments lead it through. */
const createReceiving = (
  base: Base,
  tables: Tables,
  sending: Sending,
  deps: TcpDeps,
  endSending: (sk: number) => void
) => {
  const { afOps } = deps
  const lower = { ...base, ...tables, ...sending }
  const purgeWrite = sending.queue.purge
  const recovering = createRecovering(lower)
  const paws = createTcpPaws(base)
  const ack = createAcking({ ...lower, ...recovering, ...paws }, deps)
  const queues = createRcvQueues(lower)
  const { rcvQueue } = queues
  const purge = (sk: number): void => {
    rcvQueue.purge(sk)
    purgeWrite(sk)
  }
  const fastopenQueue = createFastopenQueue(base.i32, base.time)
  const fastopenActive = createFastopenActive(base)
  const holders = { fastopenQueue, fastopenActive }
  const life = createTcpLifecycle({ ...lower, ...holders, purge, purgeWrite })
  // text ends with a FIN, by which the states go on that take text: called only after both are made
  const fin = (sk: number): void => states.fin(sk)
  const { trimRcv, trimSnd } = createTcpOom({ ...lower, life, purge })
  const prune = createTcpPrune({ ...lower, ...queues, trim: trimRcv })
  const dataEcn = createTcpDataEcn({ ...lower, afOps })
  const eventData = createTcpEventData({ ...lower, dataEcn })
  const arriving = { ...queues, prune, dataEcn, eventData }
  const dataQueue = createTcpDataQueue({ ...lower, ...arriving, raise: life.raise, fin })
  const urg = createTcpUrg({ ...lower, rcvQueue, life })
  const text = { ...arriving, dataQueue, urg }
  const parts = { ...lower, ...text, ack, life, paws, ...recovering, afOps, fastopenActive }
  const sndCheck = createTcpSndCheck(parts)
  const validate = createTcpValidate(parts)
  const fastopenKeys = createFastopenKeys({ ...base, ...tables, afOps })
  const fastopen = createTcpFastopen({ ...parts, fastopenKeys, fastopenQueue })
  const metrics = createTcpMetricsCache(base.i32, base.time, deps.random())
  const fastopenClient = createFastopenClient({ ...parts, fastopen, metrics })
  const handshake = createTcpHandshake({ ...parts, sndCheck, fastopen, fastopenClient, endSending })
  const input = createTcpInput({ ...parts, validate, sndCheck })
  const states = createTcpStates({
    ...parts,
    validate,
    handshake,
    input,
    sndCheck,
    fastopen,
  })
  return {
    ...recovering,
    life,
    rcvQueue,
    urg,
    trim: trimSnd,
    paws,
    sndCheck,
    input,
    states,
    handshake,
    fastopen,
    fastopenActive,
    fastopenClient,
    metrics,
  }
}

type Receiving = ReturnType<typeof createReceiving>
type ConnectingDeps = Base &
  Tables &
  Sending &
  Receiving & { routing: TcpRouting; purgeRcv: TcpRcvQueue['purge'] }

/** Active open. */
const createConnecting = (lower: ConnectingDeps, { worker, steer, addrType }: TcpDeps) => {
  const twReuse = createTcpTwReuse(lower)
  const port = createTcpLocalPort({ ...lower, worker, steer, twReuse })
  const disconnect = createTcpDisconnect(lower)
  const syn = createTcpSendSyn({ ...lower, twReuse })
  const { connect, beginConnect } = createTcpConnect({
    ...lower,
    ...port,
    ...disconnect,
    ...syn,
    addrType,
  })
  const { sendFastopen } = createTcpSendmsgFastopen({ ...lower, ...syn, beginConnect })
  return { connect, sendFastopen }
}

export const createTcp = (deps: TcpDeps) => {
  const { arena, worker, time, slab, random, addrType, loadAddrs } = deps
  const base = createBase(deps)
  const tables = createTables(base, deps)
  const sending = createSending(base, deps)
  // what closes makes use of the handshake's parts
  const endSending = (sk: number): void => closing.endSending(sk)
  const receiving = createReceiving(base, tables, sending, deps, endSending)
  const parts = { ...base, ...tables, ...sending, ...receiving }
  const { i32, sysctl, ports, mem, timers, queue, life, rcvQueue } = parts
  const purgeWrite = queue.purge
  const purgeRcv = rcvQueue.purge

  const routing = createTcpRouting(arena, time, tables.secure, deps.skDst)
  const syncookies = createTcpSyncookies({ ...parts, worker, afOps: deps.afOps })
  const listenQueues = createTcpListenQueues(parts)
  const request = createTcpRequest({ ...parts, ...routing, listenQueues, afOps: deps.afOps })
  const { inheritNow, isMixed, synAgain } = request
  const checkReq = createTcpCheckReq({ ...parts, listenQueues, inheritNow, isMixed, synAgain })
  const requests = { listenQueues, request, checkReq }
  const listening = createTcpListen({ ...parts, ...routing, ...requests, syncookies })
  const { timewaitRcv } = createTcpTimewait(parts)
  const { passOn } = deps.owned
  const { afOps, skDst, updatePmtu, isRecvErr, keepError, sockEvents } = deps
  const { tcpRcv, tcpResume, tcpError } = createTcpIpv({
    ...parts,
    ...requests,
    listen: listening,
    timewaitRcv,
    loadAddrs,
    passOn,
    afOps,
    skDst,
    updatePmtu,
    isRecvErr,
    keepError,
    sockEvents,
  })
  timers.bind(createTcpTimer({ ...parts, checkReq }))
  const { bind } = createTcpBind({ ...parts, random, addrType })
  const connecting = createConnecting({ ...parts, routing, purgeRcv }, deps)
  const closing = createTcpClose({ ...parts, listen: listening, listenQueues, purgeWrite })
  const { sendFastopen } = connecting
  const { sendmsg, sendBytes, sendto, sendtoBytes, writable } = createTcpSendmsg({
    ...parts,
    sendFastopen,
  })
  const { recvmsg, readSkb, recvBytes, cleanupRbuf } = createTcpRecvmsg({
    ...parts,
    ...deps,
  })
  const { poll, ioctl } = createTcpPoll(parts)
  const { setOption, getOption, setNameOption, getNameOption } = createTcpSockopt({
    ...parts,
    maxBuffer: mem.sockLimit,
    cleanupRbuf,
    getPktoptions: base.pktoptions.getPktoptions,
  })

  /** A closed socket of a family, or 0 when the worker has no row left. */
  const open = (family: number): number => {
    const sk = life.allocSock()
    if (sk === 0) return 0
    i32[sk + SK_FAMILY] = family
    i32[sk + SK_TYPE] = SOCK_STREAM
    i32[sk + SK_PROTOCOL] = IPPROTO_TCP
    i32[sk + SK_STATE] = TCP_CLOSE
    initInet(arena, sk)
    i32[sk + SK_CREATED] = time[TIME_US]
    i32[sk + SK_RCVBUF] = i32[sysctl + Sysctl.tcp_rmem_default]
    i32[sk + SK_SNDBUF] = i32[sysctl + Sysctl.tcp_wmem_default]
    i32[sk + TP_RTO] = TCP_TIMEOUT_INIT
    initRtoBounds(i32, sysctl, sk)
    i32[sk + TP_REORDERING] = i32[sysctl + Sysctl.tcp_reordering]
    i32[sk + TP_SCALING_RATIO] = 128
    base.cong.assign(sk)
    return sk
  }
  const listen = (sk: number, backlog: number): number => {
    if ((i32[sk + SK_FLAGS] & (SOCK_CONNECTING | SOCK_CONNECTED)) !== 0) return -Errno.EINVAL
    if (i32[sk + SK_NUM] === 0) {
      const err = bind(sk, ANY, 0, 0)
      if (err < 0) return err
    }
    return listening.listen(sk, backlog)
  }
  /** 0 is never returned while the handshake is under way: -EINPROGRESS is, unless the first write is to begin it. */
  const connect = (sk: number, words: Int32Array, at: number, port: number): number => {
    const err = connecting.connect(sk, words, at, port)
    life.flush()
    return err
  }

  /** Ends everything at once, without a word to anyone (the worker stops, a test ends). */
  const destroyAll = (): void => {
    for (let k = 0; k < slab.rows; k++) {
      const sk = slab.at(k)
      if (!slab.isLive(sk) || i32[sk + SK_TYPE] !== SOCK_STREAM) continue
      if (i32[sk + SK_STATE] === TCP_NEW_SYN_RECV) listenQueues.dropRequest(sk)
      else life.destroyNow(sk)
    }
  }

  return {
    tcpRcv,
    tcpResume,
    tcpError,
    ownerHashFlow: tables.hash.ownerHashFlow,
    open,
    bind,
    listen,
    accept: listening.accept,
    connect,
    sendmsg,
    sendBytes,
    sendto,
    sendtoBytes,
    recvmsg,
    readSkb,
    recvBytes,
    poll,
    ioctl,
    shutdown: closing.shutdown,
    close: closing.close,
    linger: closing.linger,
    abort: closing.abort,
    setOption,
    getOption,
    setNameOption,
    getNameOption,
    writable,
    readable: rcvQueue.readable,
    isAtMark: parts.urg.isAtMark,
    destroyAll,
    releaseHeldUp: parts.output.releaseHeldUp,
    ports,
    orphans: life.orphanCount,
    md5Keys: parts.md5.keyCount,
    timeWaits: life.timeWaitCount,
    flushMetrics: parts.metrics.flush,
    recvErr: deps.errqueue.take,
    tstampSent: parts.tstamp.sent,
  }
}

const ANY = new Int32Array(4)
