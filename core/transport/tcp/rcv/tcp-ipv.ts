/**
 * Where segments come in from IP and ICMP errors from ICMP: checks, finds the socket, and sends each to what its
 * state asks for. tcpRcv goes into inet_protos[6] of both families; it owns the skb. Runs on the worker.
 * Linux: tcp_v4_rcv, tcp_v6_rcv, tcp_v4_err; RFC 9293 3.10.7, RFC 5927 (errors are believed only in sequence).
 */
import { pseudoSumWords } from '../../../base/checksum.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_SADDR,
  FL_SPORT,
  type Flowi,
} from '../../../base/flowi.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import {
  CHECKSUM_NONE,
  PACKET_HOST,
  SKB_DATA,
  SKB_FRAGS,
  SKB_GSO_SEGS,
  SKB_HASH,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_PKT_TYPE,
  SKB_TAIL,
  SKB_TRANSPORT,
} from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import {
  SK_DROPS,
  SK_FAMILY,
  SK_FILTER,
  SK_DADDR,
  SK_ERR,
  SK_ERR_SOFT,
  SK_EVENT_ERROR,
  SK_MTU,
  SK_PARENT,
  SK_RXHASH,
  SK_STATE,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
  SK_BOUND_DEV,
} from '../../../socket/sock.ts'
import { SK_MIN_TTL, SK_CMSG, acceptsPmtu, pmtudiscOf } from '../../../socket/inet-sock.ts'
import { IP_PMTUDISC_DONT } from '../../../socket/socket-constants.ts'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../../wire/tcp.ts'
import { AF_INET, AF_INET6 } from '../../../base/family.ts'
import * as tcp from '../../../wire/tcp.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import { NO_MTU } from '../../../inet/inet-constants.ts'
import type { SkDst } from '../../../inet/dst/sk-dst.ts'
import type { TcpHash } from '../sock/tcp-hash.ts'
import type { TcpInput } from './tcp-input.ts'
import type { TcpStates } from '../states/tcp-states.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpListen } from '../listen/tcp-listen.ts'
import type { TcpListenQueues } from '../listen/tcp-listen-queues.ts'
import type { SkFilter } from '../../../socket/sk-filter.ts'
import type { Events } from '../../../socket/events.ts'
import type { KeepError } from '../../keep-error.ts'
import type { TcpCheckReq } from '../listen/tcp-check-req.ts'
import type { TcpMd5 } from '../sock/tcp-md5.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpRetransmit } from '../snd/tcp-retransmit.ts'
import type { TcpSimpleRetransmit } from '../rec/tcp-simple-retransmit.ts'
import type { TcpXmitTimer } from '../timer/tcp-xmit-timer.ts'
import {
  FO_PASSIVE,
  FO_SYN_DATA,
  TP_FASTOPEN,
  TP_MSS_CACHE,
  TP_PMTU,
  TP_RCV_NXT,
  TP_SEGS_IN,
  TP_SND_ISN,
  TP_SND_NXT,
  TP_SND_UNA,
} from '../sock/tcp-sock.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import type { TcpTimewait } from '../states/tcp-timewait.ts'
import type { TcpReply } from '../snd/tcp-reply.ts'
import type { PacketAddrs } from '../../../inet/packet-addrs.ts'
import type { OwnedFlows } from '../../owned-flows.ts'
import type { Pmtu } from '../../../inet/dst/pmtu.ts'
import { l3mdevOf } from '../../../netdev/netdev.ts'
import { CMSG_SEGMENT } from '../sock/tcp-pktoptions.ts'
import type { TcpPktoptions } from '../sock/tcp-pktoptions.ts'

const IPPROTO_TCP = 6

type TcpIpvDeps = {
  arena: Arena
  bank: number
  skbs: Skbs
  drop: DropFn
  hash: TcpHash
  tcpInput: TcpInput
  states: TcpStates
  listen: TcpListen
  listenQueues: Pick<TcpListenQueues, 'dropRequest'>
  checkReq: Pick<TcpCheckReq, 'checkRequest'>
  life: TcpLifecycle
  mss: TcpMss
  retransmission: TcpRetransmit
  simple: Pick<TcpSimpleRetransmit, 'simpleRetransmit'>
  xmitTimer: Pick<TcpXmitTimer, 'revertRto'>
  afOps: AfOpsOf
  skDst: SkDst
  md5: TcpMd5
  pktoptions: Pick<TcpPktoptions, 'noteSegment'>
  filter: Pick<SkFilter, 'skFilter' | 'skTrim'>
} & Pick<TcpTimewait, 'timewaitRcv'> &
  Pick<TcpReply, 'sendReset'> &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<OwnedFlows, 'passOn'> &
  Pick<Pmtu, 'updatePmtu'> &
  KeepError &
  Pick<Events, 'sockEvents'>

export const createTcpIpv = (deps: TcpIpvDeps) => {
  const { bank, skbs, drop, hash, listen, life, mss, retransmission, simple, timewaitRcv } = deps
  const { sendReset, md5, loadAddrs, passOn, afOps, skDst, updatePmtu } = deps
  const { isRecvErr, keepError, sockEvents, pktoptions, filter } = deps
  const { tcpRcvEstablished } = deps.tcpInput
  const { rcvStateProcess } = deps.states
  const { revertRto } = deps.xmitTimer
  const { i32, u8, f64 } = deps.arena
  const fl = createFlowi()

  /** The header, and all that is to be summed, where it can be read; the buffer may change. */
  const pullHeader = (skb: number): boolean => {
    if (i32[skb + SKB_FRAGS] === 0) return true
    if (i32[skb + SKB_IP_SUMMED] === CHECKSUM_NONE) return skbs.expandHead(skb, 0)
    return (
      skbs.mayPull(skb, tcp.MIN_HEADER) && skbs.mayPull(skb, tcp.headerLen(u8, i32[skb + SKB_DATA]))
    )
  }
  /** Software verification, when the device has not done it. */
  const checksumOk = (skb: number): boolean => {
    if (i32[skb + SKB_IP_SUMMED] !== CHECKSUM_NONE) return true
    const pseudo = pseudoSumWords(fl, FL_SADDR, FL_DADDR, IPPROTO_TCP, i32[skb + SKB_LEN])
    return tcp.isChecksumOk(u8, i32[skb + SKB_DATA], i32[skb + SKB_LEN], pseudo)
  }
  /** Sequence numbers and flags into the control block (tcp_v4_fill_cb). */
  const fillCb = (skb: number, th: number): void => {
    const flags = tcp.flags(u8, th)
    const seq = tcp.seq(u8, th)
    let len = i32[skb + SKB_LEN] - tcp.headerLen(u8, th)
    if ((flags & (TCP_SYN | TCP_FIN)) !== 0)
      len += ((flags & TCP_SYN) !== 0 ? 1 : 0) + ((flags & TCP_FIN) !== 0 ? 1 : 0)
    i32[skb + CB_SEQ] = seq
    i32[skb + CB_END_SEQ] = (seq + len) | 0
    i32[skb + CB_FLAGS] = flags
    i32[skb + SKB_NEXT] = 0
  }
  /** RFC 5082: it has come from further away than the socket allows; counted and dropped. */
  const isTooFar = (sk: number, skb: number): boolean => {
    const family = fl[FL_FAMILY]
    const least = i32[sk + SK_MIN_TTL + afOps(family).index]
    if (least === 0 || u8[i32[skb + SKB_NETWORK] + afOps(family).hopLimitAt] >= least) return false
    f64[bank + Mib.TcpExtTCPMinTTLDrop]++
    drop(skb, Drop.TCP_MINTTL)
    return true
  }

  /**
   * The socket's filter leaves nothing of it; what it cuts off comes again, but for the header (tcp_filter). A request has that
   * of its listener, a TIME_WAIT none.
   */
  const isFiltered = (sk: number, skb: number): boolean => {
    if (i32[sk + SK_FILTER] === 0) return false
    const len = filter.skFilter(sk, skb)
    const least = tcp.headerLen(u8, i32[skb + SKB_DATA])
    if (len !== 0 && filter.skTrim(skb, Math.max(len, least))) {
      fillCb(skb, i32[skb + SKB_TRANSPORT])
      return false
    }
    i32[sk + SK_DROPS]++
    drop(skb, len === 0 ? Drop.SOCKET_FILTER : Drop.NOMEM)
    return true
  }

  const bad = (skb: number, mib: number, reason: Drop): void => {
    f64[bank + mib]++
    if (mib !== Mib.TcpInErrs) f64[bank + Mib.TcpInErrs]++
    drop(skb, reason)
  }
  const noSocket = (skb: number): void => {
    if ((i32[skb + CB_FLAGS] & TCP_RST) !== 0) {
      drop(skb, Drop.NO_SOCKET)
      return
    }
    // nobody has a key for what is signed (tcp_v4_send_reset)
    if (md5.signatureAt(i32[skb + SKB_TRANSPORT]) === 0) sendReset(skb)
    drop(skb, Drop.NO_SOCKET)
  }

  const receive = (skb: number): void => {
    f64[bank + Mib.TcpInSegs]++
    if (i32[skb + SKB_PKT_TYPE] !== PACKET_HOST) {
      drop(skb, Drop.NOT_SPECIFIED)
      return
    }
    const isPulled = pullHeader(skb)
    const at = i32[skb + SKB_DATA]
    if (!isPulled || !tcp.check(u8, at, i32[skb + SKB_TAIL] - at)) {
      bad(skb, Mib.TcpInErrs, Drop.PKT_TOO_SMALL)
      return
    }
    i32[skb + SKB_TRANSPORT] = at
    loadAddrs(skb, fl)
    if (!checksumOk(skb)) {
      bad(skb, Mib.TcpInCsumErrors, Drop.TCP_CSUM)
      return
    }
    fillCb(skb, at)
    demux(skb, at)
  }
  /** A checked segment, its addresses in `fl`, to the connection it belongs to. */
  const demux = (skb: number, at: number): void => {
    fl[FL_SPORT] = tcp.srcPort(u8, at)
    fl[FL_DPORT] = tcp.dstPort(u8, at)
    const sk = hash.lookupEstablished(fl)
    if (sk !== 0) toSocket(sk, skb)
    else if (!passOn(skb, hash.ownerHashFlow(fl), opensFlow(skb))) toListener(skb)
  }
  const opensFlow = (skb: number): boolean =>
    (i32[skb + CB_FLAGS] & (TCP_SYN | TCP_ACK)) === TCP_SYN
  const toSocket = (sk: number, skb: number): void => {
    const state = i32[sk + SK_STATE]
    // of a request and a TIME_WAIT that is not asked (tcp_v4_rcv)
    const isFull = state !== TCP_NEW_SYN_RECV && state !== TCP_TIME_WAIT
    if (isFull && isTooFar(sk, skb)) return
    if (state === TCP_TIME_WAIT) md5.answerAs(sk)
    else if (!md5.check(sk, skb, fl) || isFiltered(isFull ? sk : i32[sk + SK_PARENT], skb)) return
    const segs = i32[skb + SKB_GSO_SEGS]
    i32[sk + TP_SEGS_IN] += segs > 1 ? segs : 1
    i32[sk + SK_RXHASH] = i32[skb + SKB_HASH]
    if ((i32[sk + SK_CMSG] & CMSG_SEGMENT) !== 0 && i32[skb + CB_SEQ] === i32[sk + TP_RCV_NXT])
      pktoptions.noteSegment(sk, skb)
    switch (state) {
      case TCP_ESTABLISHED:
        tcpRcvEstablished(sk, skb)
        return
      case TCP_TIME_WAIT:
        if (!timewaitRcv(sk, skb, opensFlow(skb) && hash.lookupListener(fl) !== 0)) toListener(skb)
        return
      case TCP_NEW_SYN_RECV:
        if (!deps.checkReq.checkRequest(sk, skb)) listenerRcv(i32[sk + SK_PARENT], skb)
        return
      default:
        rcvStateProcess(sk, skb)
    }
  }
  /** LISTEN (3.10.7.2), or no socket at all (3.10.7.1). */
  const toListener = (skb: number): void => {
    const sk = hash.lookupListener(fl)
    if (sk === 0) noSocket(skb)
    else listenerRcv(sk, skb)
  }
  const listenerRcv = (sk: number, skb: number): void => {
    if (isTooFar(sk, skb) || !md5.check(sk, skb, fl) || isFiltered(sk, skb)) return
    const flags = i32[skb + CB_FLAGS]
    if ((flags & TCP_RST) !== 0) drop(skb, Drop.TCP_RESET)
    else if ((flags & TCP_ACK) !== 0) {
      if ((flags & TCP_SYN) === 0 && listen.cookieAck(sk, skb, fl)) return
      sendReset(skb)
      drop(skb, Drop.TCP_FLAGS)
    } else if ((flags & TCP_SYN) === 0 || (flags & TCP_FIN) !== 0) drop(skb, Drop.TCP_FLAGS)
    else listen.connRequest(sk, skb, fl)
  }
  /** inet_protos[IPPROTO_TCP]. */
  const tcpRcv = (skb: number): void => {
    receive(skb)
    life.flush()
  }
  /** A checked segment, its control block filled, that another worker sent here: that one had no connection for it. */
  const tcpResume = (skb: number): void => {
    loadAddrs(skb, fl)
    demux(skb, i32[skb + SKB_TRANSPORT])
    life.flush()
  }

  /** The path takes less than was thought (RFC 1191, RFC 8201): smaller segments, and what was too big again. */
  const mtuReduced = (sk: number, mtu: number): void => {
    // segments are smaller already (tcp_v6_mtu_reduced)
    if (i32[sk + SK_FAMILY] === AF_INET6 && mss.mtuToMss(sk, mtu) >= i32[sk + TP_MSS_CACHE]) return
    const { index } = afOps(i32[sk + SK_FAMILY])
    // one that does not look for it believes nobody who speaks of it; over IPv4 it is learned all the same (tcp_v4_mtu_reduced)
    const isAccepted = acceptsPmtu(i32, sk, index)
    if (index === 1 && !isAccepted) return
    updatePmtu(l3mdevOf(deps.arena, i32[sk + SK_BOUND_DEV]), i32, sk + SK_DADDR, mtu)
    if (skDst.skDstCheck(sk) !== 0) return
    if (i32[sk + SK_MTU] >= i32[sk + TP_PMTU]) return
    if (!isAccepted || (index === 0 && pmtudiscOf(i32, sk, 0) === IP_PMTUDISC_DONT)) return
    mss.syncMss(sk)
    // a SYN with text lies in the queue without it
    const isSynData =
      i32[sk + SK_STATE] === TCP_SYN_SENT && (i32[sk + TP_FASTOPEN] & FO_SYN_DATA) !== 0
    simple.simpleRetransmit(sk, isSynData ? -1 : mss.currentMss(sk))
    retransmission.xmitRetransmitQueue(sk)
  }
  /**
   * Who connects is refused, and finds the message in its error queue, over IPv6 where it wants to; who is connected is told now
   * where it wants to, else when it has given up (tcp_v4_err, tcp_v6_err).
   */
  const unreachable = (sk: number, quoted: Flowi, errno: number, skb: number): void => {
    const state = i32[sk + SK_STATE]
    // one that was opened fast and accepted is a connection as any
    const isUsed = (i32[sk + TP_FASTOPEN] & FO_PASSIVE) !== 0 && i32[sk + SK_PARENT] === 0
    const family = quoted[FL_FAMILY]
    if ((state === TCP_SYN_SENT || state === TCP_SYN_RECV) && !isUsed) {
      if (family === AF_INET || isRecvErr(sk, family))
        keepError(sk, skb, errno, quoted[FL_SPORT], i32[skb + SKB_TRANSPORT])
      life.fail(sk, errno)
    } else if (isRecvErr(sk, family)) {
      i32[sk + SK_ERR] = errno
      sockEvents(sk, SK_EVENT_ERROR)
    } else i32[sk + SK_ERR_SOFT] = errno
  }

  /**
   * An ICMP error about a segment of ours. `quoted` names the connection as packets from the peer do (FL_SADDR,
   * FL_SPORT the peer; FL_DADDR, FL_DPORT us); `seq` is the quoted segment's. `mtu` is what the path takes, or NO_MTU:
   * then `errno` is reported at once while connecting, and remembered otherwise. `endsRequest`: a half-open connection
   * is given up for it (tcp_req_err); `isNoRoute`: a router says that it has no way to the peer. `skb` is the message,
   * which is lent.
   */
  const tcpError = (
    quoted: Flowi,
    errno: number,
    mtu: number,
    seq: number,
    endsRequest: boolean,
    isNoRoute: boolean,
    skb: number
  ): boolean => {
    const sk = hash.lookupEstablished(quoted)
    if (sk === 0) {
      f64[bank + afOps(quoted[FL_FAMILY]).icmpInErrors]++
      return false
    }
    const state = i32[sk + SK_STATE]
    if (state === TCP_TIME_WAIT || state === TCP_CLOSE) return false
    if (state === TCP_NEW_SYN_RECV) {
      if (seq !== i32[sk + TP_SND_ISN]) f64[bank + Mib.TcpExtOutOfWindowIcmps]++
      else if (endsRequest) deps.listenQueues.dropRequest(sk)
      return true
    }
    const isFastOpened = (i32[sk + TP_FASTOPEN] & FO_PASSIVE) !== 0
    const una = i32[sk + (isFastOpened ? TP_SND_ISN : TP_SND_UNA)]
    if (((seq - una) | 0) < 0 || ((seq - i32[sk + TP_SND_NXT]) | 0) > 0) {
      f64[bank + Mib.TcpExtOutOfWindowIcmps]++
      return false
    }
    if (errno === 0) return true
    if (isNoRoute && !isFastOpened) revertRto(sk, seq)
    if (mtu !== NO_MTU) mtuReduced(sk, mtu)
    else unreachable(sk, quoted, errno, skb)
    life.flush()
    return true
  }

  return { tcpRcv, tcpResume, tcpError }
}
