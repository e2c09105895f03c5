/**
 * Congestion control: what an algorithm is, and which a connection has. An algorithm is one file and its name in
 * tcp-cong-controls.ts; it keeps its state in the TP_CA_PRIV words of the row. The sysctl
 * net.ipv4.tcp_congestion_control chooses it for new sockets, TCP_CONGESTION for one. Called by tcp-ack.ts,
 * tcp-recovery.ts and tcp-output.ts, on the worker. Linux: net/ipv4/tcp_cong.c, struct tcp_congestion_ops.
 */
import { initCwnd, initSsthresh } from '../sock/tcp-metrics.ts'
import { Errno } from '../../../base/errno.ts'
import type { Time } from '../../../base/time.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_FLAGS, SK_STATE, TCP_CLOSE, TCP_LISTEN } from '../../../socket/sock.ts'
import {
  TP_TOTAL_RETRANS,
  TP_UNDO_MARKER,
  TP_CA_INITIALIZED,
  TP_CA_OPS,
  TP_CA_PRIV,
  TP_CA_PRIV_WORDS,
  TP_CA_STATE,
  TP_PRIOR_SSTHRESH,
  TP_SND_CWND,
  TP_SND_SSTHRESH,
} from '../sock/tcp-sock.ts'
import { SOCK_CA_SETSOCKOPT } from '../sock/sock-flags.ts'

/** What happens to a connection, for cwndEvent (enum tcp_ca_event). */
export const CA_EVENT_TX_START = 0
export const CA_EVENT_CWND_RESTART = 1
export const CA_EVENT_COMPLETE_CWR = 2
export const CA_EVENT_LOSS = 3

export type CongestionDeps = {
  i32: Int32Array
  sysctl: number
  time: Time
  /** Uniform int32. */
  random: () => number
}
type CongestionOps = {
  /** A connection begins with it; its private words are zero. It ends, or takes another. */
  readonly init?: (sk: number) => void
  readonly release?: (sk: number) => void
  /** Slow start threshold after a loss. */
  readonly ssthresh: (sk: number) => number
  /** New window after `acked` segments were acknowledged up to `ack`, outside of recovery. */
  readonly congAvoid: (sk: number, ack: number, acked: number) => void
  /** In place of congAvoid: called for each acknowledgement in every state, sets window and pace. `sample`: RS_* of tcp-rate.ts. */
  readonly congControl?: (sk: number, ack: number, sample: Int32Array) => void
  /** Told of each acknowledgement before it changes state or window, what it delivered being counted (in_ack_event). */
  readonly ackEvent?: (sk: number) => void
  /** Told of each change of TCP_CA_*, before it. */
  readonly setState?: (sk: number, state: number) => void
  readonly cwndEvent?: (sk: number, event: number) => void
  /** `acked` segments left the queue; `rttUs` -1 when none was measured, `inFlight` segments before it. */
  readonly pktsAcked?: (sk: number, acked: number, rttUs: number, inFlight: number) => void
  /** Window to return to when the loss was none. */
  readonly undoCwnd: (sk: number) => number
  /** Segments of a super-frame at least, in place of the sysctl's (min_tso_segs). */
  readonly minTsoSegs?: (sk: number) => number
  /** Windows that the send buffer holds; two where nothing is said (sndbuf_expand). */
  readonly sndbufExpand?: number
}
export type CongestionControl = {
  readonly name: string
  /** It lives on marks: ECN is asked for, every segment is capable, each mark is echoed (TCP_CONG_NEEDS_ECN). */
  readonly needsEcn?: boolean
  /** What `ss -i` tells of a connection, read from its row on any thread (get_info). */
  readonly info?: (i32: Int32Array, sk: number) => Readonly<Record<string, number>>
  readonly create: (deps: CongestionDeps) => CongestionOps
}

/** TCP_CA_NAME_MAX: a name with its zero, in four words. */
const CA_NAME_MAX = 16

export type TcpCong = ReturnType<typeof createTcpCong>
type TcpCongDeps = CongestionDeps & {
  controls: readonly CongestionControl[]
}

export const createTcpCong = (deps: TcpCongDeps) => {
  const { i32, sysctl, controls } = deps
  const table = controls.map(({ create }) => create(deps))
  // filled by tcp-cong-controls.ts: tcp-reno.ts
  const ops = (sk: number): CongestionOps => table[i32[sk + TP_CA_OPS]]
  const needsEcn = (sk: number): boolean => controls[i32[sk + TP_CA_OPS]].needsEcn === true
  const cwndEvent = (sk: number, event: number): void => ops(sk).cwndEvent?.(sk, event)

  /** A new socket gets what the sysctl says. */
  const assign = (sk: number): void => {
    const chosen = i32[sysctl + Sysctl.tcp_congestion_control]
    i32[sk + TP_CA_OPS] = chosen < table.length ? chosen : 0
  }
  /** A child gets what its listener was told to use, else what a new socket gets. */
  const inherit = (listener: number, child: number): void => {
    if ((i32[listener + SK_FLAGS] & SOCK_CA_SETSOCKOPT) === 0) assign(child)
    else i32[child + TP_CA_OPS] = i32[listener + TP_CA_OPS]
  }
  const start = (sk: number): void => {
    i32.fill(0, sk + TP_CA_PRIV, sk + TP_CA_PRIV + TP_CA_PRIV_WORDS)
    i32[sk + TP_CA_INITIALIZED] = 1
    // what another did, or the handshake, is not taken back (tcp_init_congestion_control)
    i32[sk + TP_PRIOR_SSTHRESH] = 0
    ops(sk).init?.(sk)
  }
  /** A fresh connection's window: one segment when its SYN went more than twice, and in earnest (RFC 5681 section 3.1). */
  const init = (sk: number): void => {
    const isLossy = i32[sk + TP_TOTAL_RETRANS] > 1 && i32[sk + TP_UNDO_MARKER] !== 0
    i32[sk + TP_SND_CWND] = isLossy ? 1 : initCwnd(i32, sk)
    i32[sk + TP_SND_SSTHRESH] = initSsthresh(i32, sk)
    start(sk)
  }
  /** The connection is over: what the algorithm holds for it is given back. */
  const release = (sk: number): void => {
    if (i32[sk + TP_CA_INITIALIZED] === 0) return
    i32[sk + TP_CA_INITIALIZED] = 0
    ops(sk).release?.(sk)
  }

  const setCaState = (sk: number, state: number): void => {
    ops(sk).setState?.(sk, state)
    i32[sk + TP_CA_STATE] = state
  }

  const charAt = (words: Int32Array, at: number, k: number): number =>
    (words[at + (k >> 2)] >> ((k & 3) << 3)) & 255
  const isName = (name: string, words: Int32Array, at: number): boolean => {
    for (let k = 0; k < name.length; k++)
      if (charAt(words, at, k) !== name.charCodeAt(k)) return false
    return charAt(words, at, name.length) === 0
  }
  /** TCP_CONGESTION: the algorithm of the name at (words, at), also while the connection lasts. 0, or -errno. */
  const setByName = (sk: number, words: Int32Array, at: number): number => {
    const chosen = controls.findIndex(({ name }) => isName(name, words, at))
    if (chosen < 0) return -Errno.ENOENT
    if (((i32[sysctl + Sysctl.tcp_allowed_congestion_control] >> chosen) & 1) === 0)
      return -Errno.EPERM
    i32[sk + SK_FLAGS] |= SOCK_CA_SETSOCKOPT
    if (chosen === i32[sk + TP_CA_OPS]) return 0
    const isIdle = i32[sk + SK_STATE] === TCP_CLOSE || i32[sk + SK_STATE] === TCP_LISTEN
    release(sk)
    i32[sk + TP_CA_OPS] = chosen
    if (!isIdle) start(sk)
    return 0
  }
  const getName = (sk: number, words: Int32Array, at: number): number => {
    const { name } = controls[i32[sk + TP_CA_OPS]]
    for (let w = 0; w < CA_NAME_MAX >> 2; w++) words[at + w] = 0
    for (let k = 0; k < name.length; k++)
      words[at + (k >> 2)] |= name.charCodeAt(k) << ((k & 3) << 3)
    return CA_NAME_MAX
  }

  return {
    ops,
    needsEcn,
    cwndEvent,
    assign,
    inherit,
    init,
    release,
    setCaState,
    setByName,
    getName,
  }
}
