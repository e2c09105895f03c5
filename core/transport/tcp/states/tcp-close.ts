/**
 * The ends of a connection as the application asks for them: shutdown, close, abort. Called by the socket layer on
 * the worker. Linux: tcp_shutdown, __tcp_close, tcp_disconnect in net/ipv4/tcp.c; RFC 9293 3.6, 3.10.4, 3.10.5.
 */
import { Errno } from '../../../base/errno.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import {
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SK_ERR,
  SK_FLAGS,
  SK_SHUTDOWN,
  SK_STATE,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../../../socket/sock.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpOom } from '../sock/tcp-oom.ts'
import type { TcpListen } from '../listen/tcp-listen.ts'
import type { TcpListenQueues } from '../listen/tcp-listen-queues.ts'
import type { TcpOutput } from '../snd/tcp-output.ts'
import type { TcpRcvQueue } from '../rcv/tcp-rcv-queue.ts'
import { TP_LINGER, TP_LINGER2, TP_SND_NXT, TP_WRITE_SEQ } from '../sock/tcp-sock.ts'
import {
  SOCK_LINGER,
  SOCK_LINGERING,
  SOCK_CONNECTING,
  SOCK_CONNECTED,
  SOCK_DISCONNECTING,
} from '../sock/sock-flags.ts'
import { TCP_TIMEWAIT_LEN } from '../sock/tcp-constants.ts'
import { finTime } from '../timer/tcp-sock-times.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'

/** Seconds: more than any timer is set to. */
const MAX_LINGER = 1_000_000

type TcpCloseDeps = {
  arena: Arena
  bank: number
  life: TcpLifecycle
  listen: TcpListen
  listenQueues: Pick<TcpListenQueues, 'dropRequest'>
  output: TcpOutput
  transmit: TcpTransmit
  timers: TcpTimers
  rcvQueue: Pick<TcpRcvQueue, 'readable' | 'purgeRead'>
  trim: TcpOom['trimSnd']
  purgeWrite: TcpWriteQueue['purge']
}

export const createTcpClose = (deps: TcpCloseDeps) => {
  const { bank, life, listen, output, transmit, timers, rcvQueue, purgeWrite } = deps
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout

  /** Where closing our side leads; true when a FIN is to be sent (tcp_close_state). */
  const closeState = (sk: number): boolean => {
    switch (i32[sk + SK_STATE]) {
      case TCP_SYN_RECV:
      case TCP_ESTABLISHED:
        life.setState(sk, TCP_FIN_WAIT1)
        return true
      case TCP_CLOSE_WAIT:
        life.setState(sk, TCP_LAST_ACK)
        return true
      case TCP_SYN_SENT:
        life.setState(sk, TCP_CLOSE)
        return false
      default:
        return false
    }
  }
  const sendFin = (sk: number): void => {
    if (output.sendFin(sk) || (deps.trim(sk) && output.sendFin(sk))) return
    // no memory even for a FIN: the peer must learn of the end some other way
    f64[bank + Mib.TcpExtTCPAbortOnMemory]++
    transmit.sendActiveReset(sk)
    life.fail(sk, Errno.ENOBUFS)
  }

  const endSending = (sk: number): void => {
    if (closeState(sk)) sendFin(sk)
  }
  /** shutdown(2): `how` is RCV_SHUTDOWN and SEND_SHUTDOWN bits; 0 or -errno. */
  const shutdown = (sk: number, how: number): number => {
    const state = i32[sk + SK_STATE]
    const isSending = state === TCP_ESTABLISHED || state === TCP_CLOSE_WAIT
    const isGone = state === TCP_CLOSE || state === TCP_TIME_WAIT
    if ((i32[sk + SK_FLAGS] & SOCK_DISCONNECTING) === SOCK_CONNECTING && state !== TCP_SYN_SENT) {
      const isOver = state === TCP_SYN_RECV || isGone
      i32[sk + SK_FLAGS] ^= isOver ? SOCK_CONNECTED : SOCK_DISCONNECTING
    }
    if (state === TCP_LISTEN) {
      if ((how & RCV_SHUTDOWN) !== 0) {
        stopListener(sk)
        life.forgetUser(sk)
      }
    } else if (state === TCP_SYN_SENT) {
      disconnect(sk)
      i32[sk + SK_FLAGS] &= ~SOCK_CONNECTING
      life.forgetUser(sk)
      i32[sk + SK_ERR] = Errno.ECONNRESET
    } else {
      i32[sk + SK_SHUTDOWN] |= how
      // in SYN-RECEIVED the FIN goes when the handshake is done
      if ((how & SEND_SHUTDOWN) !== 0 && isSending) endSending(sk)
    }
    life.flush()
    return isGone ? -Errno.ENOTCONN : 0
  }
  const stopListener = (sk: number): void => {
    listen.stopListening(sk, (child) => {
      life.orphan(child)
      disconnect(child)
    })
    life.setState(sk, TCP_CLOSE)
  }

  /** The peer would wait: of a connection that both ends have closed it knows (tcp_need_reset). */
  const needsReset = (state: number): boolean =>
    state === TCP_ESTABLISHED ||
    state === TCP_CLOSE_WAIT ||
    state === TCP_FIN_WAIT1 ||
    state === TCP_FIN_WAIT2 ||
    state === TCP_SYN_RECV
  /** Our FIN has not gone yet, though the state has it. */
  const holdsFin = (sk: number, state: number): boolean =>
    (state === TCP_CLOSING || state === TCP_LAST_ACK) &&
    i32[sk + TP_SND_NXT] !== i32[sk + TP_WRITE_SEQ]
  /** Ends it at once; the peer gets a RST where it would otherwise wait (tcp_disconnect). */
  const disconnect = (sk: number): void => {
    const state = i32[sk + SK_STATE]
    if (needsReset(state) || holdsFin(sk, state)) transmit.sendActiveReset(sk)
    end(sk)
  }
  const end = (sk: number): void => {
    purgeWrite(sk)
    life.done(sk)
  }
  /** As disconnect, and the peer gets a RST in any case: what it has sent or is sent is lost. */
  const zap = (sk: number): void => {
    transmit.sendActiveReset(sk)
    end(sk)
  }

  const closeFinWait2 = (sk: number): void => {
    if (i32[sk + TP_LINGER2] < 0) {
      f64[bank + Mib.TcpExtTCPAbortOnLinger]++
      disconnect(sk)
      return
    }
    const wait = finTime(i32, sysctl, sk)
    if (wait > TCP_TIMEWAIT_LEN) timers.resetKeepaliveTimer(sk, wait - TCP_TIMEWAIT_LEN)
    else life.timeWait(sk, TCP_FIN_WAIT2, wait)
  }
  /** The application lets go: what is queued is still sent, and the row frees itself in the end. */
  const close = (sk: number): void => {
    release(sk)
    life.flush()
  }
  const release = (sk: number): void => {
    const state = i32[sk + SK_STATE]
    const unread = rcvQueue.readable(sk) > 0 && state !== TCP_LISTEN && state !== TCP_CLOSE
    i32[sk + SK_SHUTDOWN] = RCV_SHUTDOWN | SEND_SHUTDOWN
    if (state === TCP_LISTEN) stopListener(sk)
    life.orphan(sk)
    // what is out of order was acknowledged, and is still reported
    rcvQueue.purgeRead(sk)
    if (i32[sk + SK_STATE] === TCP_CLOSE) {
      life.destroy(sk)
      return
    }
    // TIME_WAIT goes on by itself, and does not count as an orphan
    if (state === TCP_TIME_WAIT) {
      life.adopt(sk)
      return
    }
    if (unread) {
      // RFC 2525 section 2.17: text that was never read is lost, and the peer must know
      f64[bank + Mib.TcpExtTCPAbortOnClose]++
      zap(sk)
      return
    }
    if ((i32[sk + SK_FLAGS] & SOCK_LINGER) !== 0 && i32[sk + TP_LINGER] === 0) {
      f64[bank + Mib.TcpExtTCPAbortOnData]++
      disconnect(sk)
      return
    }
    endSending(sk)
    const now = i32[sk + SK_STATE]
    if (now === TCP_FIN_WAIT2) closeFinWait2(sk)
    else if (now === TCP_CLOSE) life.destroy(sk)
    else if (life.tooManyOrphans()) {
      f64[bank + Mib.TcpExtTCPAbortOnMemory]++
      zap(sk)
    }
  }

  /** Is our FIN on its way (sk_stream_closing)? */
  const isClosing = (sk: number): boolean => {
    const state = i32[sk + SK_STATE]
    return state === TCP_FIN_WAIT1 || state === TCP_CLOSING || state === TCP_LAST_ACK
  }
  /**
   * Is a close to wait (SO_LINGER): until what was written, and the FIN behind it, is acknowledged, or the time is over? The
   * first time that it is asked the FIN goes; an event tells when to ask again. Who is told false closes.
   */
  const linger = (sk: number): boolean => {
    const flags = i32[sk + SK_FLAGS]
    if ((flags & SOCK_LINGER) === 0 || i32[sk + TP_LINGER] === 0) return false
    if ((flags & SOCK_LINGERING) !== 0) return isClosing(sk)
    // what was never read is answered with a reset
    if (rcvQueue.readable(sk) > 0) return false
    endSending(sk)
    i32[sk + SK_SHUTDOWN] = RCV_SHUTDOWN | SEND_SHUTDOWN
    if (isClosing(sk)) {
      i32[sk + SK_FLAGS] |= SOCK_LINGERING
      timers.resetExtraTimer(sk, Math.min(i32[sk + TP_LINGER], MAX_LINGER) * 1000)
    }
    life.flush()
    return isClosing(sk)
  }

  /** Kills a socket from outside (ss -K, the API): its holder learns ECONNABORTED, the peer a RST. */
  const abort = (sk: number): void => {
    const state = i32[sk + SK_STATE]
    if (state === TCP_LISTEN) stopListener(sk)
    if (state === TCP_NEW_SYN_RECV) {
      deps.listenQueues.dropRequest(sk)
      return
    }
    if (state === TCP_TIME_WAIT) life.twEnd(sk, Mib.TcpExtTWKilled)
    else if (state !== TCP_CLOSE) {
      if (needsReset(state!)) transmit.sendActiveReset(sk)
      life.fail(sk, Errno.ECONNABORTED)
    } else if (!life.isDead(sk)) i32[sk + SK_ERR] = Errno.ECONNABORTED
    life.flush()
  }

  return { shutdown, close, linger, abort, disconnect, endSending }
}
