/**
 * A socket's row as `ss -tinmoe` shows it: a plain object with ss's words. Cold; any thread, since rows lie in
 * shared memory. Times in ms, rates in bit/s. Linux: tcp_get_info, inet_diag.
 */
import type { Arena } from '../../../shm/arena.ts'
import {
  SK_ACK_BACKLOG,
  SK_MAX_ACK_BACKLOG,
  SK_STATE,
  SK_STATE_NAMES,
  SK_TIMER_KEEPALIVE,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_TIME_WAIT,
} from '../../../socket/sock.ts'
import type { SockInfo, SockTimer, TcpInfo } from '../../../socket/sock-info.ts'
import type { CongestionControl } from '../cong/tcp-cong.ts'
import { CONGESTION_CONTROLS } from '../cong/tcp-cong-controls.ts'
import {
  TP_REORD_SEEN,
  TP_RCV_OOOPACK,
  ECN_MODE_ANY,
  ECN_SEEN,
  FO_SYN_DATA_ACKED,
  ICSK_TIME_PROBE0,
  OPT_SACK,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  TP_ADVMSS,
  TP_ATO,
  TP_BACKOFF,
  TP_BYTES_ACKED,
  TP_BYTES_RECEIVED,
  TP_BYTES_RETRANS,
  TP_BYTES_SENT,
  TP_CA_OPS,
  TP_CHRONO_BUSY,
  TP_CHRONO_RWND,
  TP_CHRONO_SNDBUF,
  TP_COPIED_SEQ,
  TP_DATA_SEGS_IN,
  TP_DATA_SEGS_OUT,
  TP_DELIVERED,
  TP_DELIVERED_CE,
  TP_ECN,
  TP_DSACK_DUPS,
  TP_FASTOPEN,
  TP_LOST_OUT,
  TP_LRCVTIME,
  TP_LSNDTIME,
  TP_MIN_RTT_US,
  TP_MSS_CACHE,
  TP_OPTS,
  TP_PACKETS_OUT,
  TP_PENDING,
  TP_PMTU,
  TP_PROBES_OUT,
  TP_RCV_MSS,
  TP_RCV_NXT,
  TP_RCV_RTT_US,
  TP_RCV_SSTHRESH,
  TP_RCV_TSTAMP,
  TP_RCV_WND,
  TP_RCV_WSCALE,
  TP_RATE_DELIVERED,
  TP_RATE_INTERVAL_US,
  TP_RATE_OF_PATH,
  TP_RCVQ_SPACE,
  TP_REORDERING,
  TP_RETRANS_OUT,
  TP_RETRANSMITS,
  TP_RTO,
  TP_MDEV_US,
  TP_SACKED_OUT,
  TP_SEGS_IN,
  TP_SEGS_OUT,
  TP_SND_CWND,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
  TP_SND_WND,
  TP_SND_WSCALE,
  TP_SRTT_US,
  TP_TIMEOUT,
  TP_TOTAL_RETRANS,
  TP_TW_SUBSTATE,
  TP_WRITE_SEQ,
} from './tcp-sock.ts'
import { read64 } from '../../../base/u64.ts'
import { maxPacingRate, pacingRate } from '../snd/tcp-pacing-rate.ts'
import { TCP_INFINITE_SSTHRESH, TCP_INIT_CWND } from './tcp-constants.ts'

/** Word of a timer that says when it fires (base/timer-wheel.ts). */
const EXPIRES = 2
const ms = (us: number): number => us / 1000

const timerOf = (i32: Int32Array, sk: number, now: number): SockTimer | undefined => {
  const pending = i32[sk + TP_PENDING]
  if (pending !== 0) {
    const isPersist = pending === ICSK_TIME_PROBE0
    const type = isPersist ? 'persist' : 'on'
    const retries = i32[sk + (isPersist ? TP_PROBES_OUT : TP_RETRANSMITS)]
    return { type, expires_ms: Math.max(0, (i32[sk + TP_TIMEOUT] - now) | 0), retrans: retries }
  }
  const keepalive = sk + SK_TIMER_KEEPALIVE
  if (i32[keepalive] === 0) return undefined
  const type = i32[sk + SK_STATE] === TCP_TIME_WAIT ? 'timewait' : 'keepalive'
  return {
    type,
    expires_ms: Math.max(0, (i32[keepalive + EXPIRES] - now) | 0),
    retrans: i32[sk + TP_PROBES_OUT],
  }
}

const queues = (i32: Int32Array, sk: number) => {
  if (i32[sk + SK_STATE] === TCP_LISTEN)
    return { recv_q: i32[sk + SK_ACK_BACKLOG], send_q: i32[sk + SK_MAX_ACK_BACKLOG] }
  if (i32[sk + SK_STATE] === TCP_TIME_WAIT) return { recv_q: 0, send_q: 0 }
  return {
    recv_q: Math.max(0, (i32[sk + TP_RCV_NXT] - i32[sk + TP_COPIED_SEQ]) | 0),
    send_q: (i32[sk + TP_WRITE_SEQ] - i32[sk + TP_SND_UNA]) | 0,
  }
}

type Controls = readonly CongestionControl[]
const congestion = (i32: Int32Array, sk: number, controls: Controls) => {
  const { name, info } = controls[i32[sk + TP_CA_OPS]]
  return { cong: name, ...(info && { cong_info: info(i32, sk) }) }
}

/** What children will begin with. */
const listening = (i32: Int32Array, sk: number, controls: Controls) => ({
  cong: controls[i32[sk + TP_CA_OPS]].name,
  cwnd: TCP_INIT_CWND,
})

const options = (i32: Int32Array, sk: number) => {
  const opts = i32[sk + TP_OPTS]
  return {
    ts: (opts & OPT_TIMESTAMPS) !== 0,
    sack: (opts & OPT_SACK) !== 0,
    ecn: (i32[sk + TP_ECN] & ECN_MODE_ANY) !== 0,
    ecnseen: (i32[sk + TP_ECN] & ECN_SEEN) !== 0,
    fastopen: (i32[sk + TP_FASTOPEN] & FO_SYN_DATA_ACKED) !== 0,
    ...((opts & OPT_WSCALE) !== 0 && {
      wscale: `${i32[sk + TP_SND_WSCALE]},${i32[sk + TP_RCV_WSCALE]}`,
    }),
  }
}

const times = (i32: Int32Array, sk: number, now: number) => ({
  rto: i32[sk + TP_RTO],
  backoff: i32[sk + TP_BACKOFF],
  rtt: ms(i32[sk + TP_SRTT_US] / 8),
  rttvar: ms(i32[sk + TP_MDEV_US] / 4),
  minrtt: ms(i32[sk + TP_MIN_RTT_US]),
  rcv_rtt: ms(i32[sk + TP_RCV_RTT_US] / 8),
  ato: i32[sk + TP_ATO],
  lastsnd: (now - i32[sk + TP_LSNDTIME]) | 0,
  lastrcv: (now - i32[sk + TP_LRCVTIME]) | 0,
  lastack: (now - i32[sk + TP_RCV_TSTAMP]) | 0,
  busy: ms(i32[sk + TP_CHRONO_BUSY] + i32[sk + TP_CHRONO_RWND] + i32[sk + TP_CHRONO_SNDBUF]),
  rwnd_limited: ms(i32[sk + TP_CHRONO_RWND]),
  sndbuf_limited: ms(i32[sk + TP_CHRONO_SNDBUF]),
})

const sizes = (i32: Int32Array, sk: number) => ({
  mss: i32[sk + TP_MSS_CACHE],
  pmtu: i32[sk + TP_PMTU],
  rcvmss: i32[sk + TP_RCV_MSS],
  advmss: i32[sk + TP_ADVMSS],
  cwnd: i32[sk + TP_SND_CWND],
  ...(i32[sk + TP_SND_SSTHRESH] !== TCP_INFINITE_SSTHRESH && {
    ssthresh: i32[sk + TP_SND_SSTHRESH],
  }),
  rcv_space: i32[sk + TP_RCVQ_SPACE],
  rcv_ssthresh: i32[sk + TP_RCV_SSTHRESH],
  notsent: (i32[sk + TP_WRITE_SEQ] - i32[sk + TP_SND_NXT]) | 0,
  snd_wnd: i32[sk + TP_SND_WND],
  rcv_wnd: i32[sk + TP_RCV_WND],
})

const totals = (i32: Int32Array, sk: number) => ({
  bytes_sent: read64(i32, sk + TP_BYTES_SENT),
  bytes_retrans: read64(i32, sk + TP_BYTES_RETRANS),
  bytes_acked: read64(i32, sk + TP_BYTES_ACKED),
  bytes_received: read64(i32, sk + TP_BYTES_RECEIVED),
  segs_out: i32[sk + TP_SEGS_OUT],
  segs_in: i32[sk + TP_SEGS_IN],
  data_segs_out: i32[sk + TP_DATA_SEGS_OUT],
  data_segs_in: i32[sk + TP_DATA_SEGS_IN],
  delivered: i32[sk + TP_DELIVERED],
  delivered_ce: i32[sk + TP_DELIVERED_CE],
  app_limited: i32[sk + TP_RATE_OF_PATH] === 0,
  unacked: i32[sk + TP_PACKETS_OUT],
  retrans: `${i32[sk + TP_RETRANS_OUT]}/${i32[sk + TP_TOTAL_RETRANS]}`,
  lost: i32[sk + TP_LOST_OUT],
  sacked: i32[sk + TP_SACKED_OUT],
  dsack_dups: i32[sk + TP_DSACK_DUPS],
  reordering: i32[sk + TP_REORDERING],
  reord_seen: i32[sk + TP_REORD_SEEN],
  rcv_ooopack: i32[sk + TP_RCV_OOOPACK],
})

/** What the sender could reach, a window each round trip and somewhat more (Linux's pacing); and what it last reached. */
const rates = (i32: Int32Array, sk: number) => {
  const pace = pacingRate(i32, sk)
  const most = maxPacingRate(i32, sk)
  const interval = i32[sk + TP_RATE_INTERVAL_US]
  const delivered = i32[sk + TP_RATE_DELIVERED] * i32[sk + TP_MSS_CACHE] * 8
  return {
    pacing_rate: Number.isFinite(pace) ? Math.round(pace * 8) : 0,
    ...(Number.isFinite(most) && { max_pacing_rate: most * 8 }),
    delivery_rate: interval === 0 ? 0 : Math.round((delivered * 1e6) / interval),
  }
}

/** `now` is the jiffy (TIME_MS) to reckon from. A request and TIME_WAIT have no more than their queues and timer. */
export const tcpInfo = (
  { i32 }: Arena,
  sk: number,
  now: number,
  controls: Controls = CONGESTION_CONTROLS
): SockInfo => {
  const state = i32[sk + SK_STATE]
  const timer = timerOf(i32, sk, now)
  // FIN_WAIT2 without its application is a TIME_WAIT row too
  const shown = state === TCP_TIME_WAIT ? i32[sk + TP_TW_SUBSTATE] : state
  const common = {
    state: SK_STATE_NAMES[shown],
    ...queues(i32, sk),
    ...(timer && { timer }),
  }
  if (state === TCP_LISTEN) return { ...common, ...listening(i32, sk, controls) }
  if (state === TCP_TIME_WAIT || state === TCP_NEW_SYN_RECV) return common
  const info: TcpInfo = {
    ...options(i32, sk),
    ...congestion(i32, sk, controls),
    ...times(i32, sk, now),
    ...sizes(i32, sk),
    ...totals(i32, sk),
    ...rates(i32, sk),
  }
  return { ...common, ...info }
}
