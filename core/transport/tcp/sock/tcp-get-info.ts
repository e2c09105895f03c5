/**
 * TCP_INFO as a program of Linux knows it: struct tcp_info of linux/tcp.h, as far as tcpi_rcv_wnd, its fields in its units. Cold; any
 * thread, since rows lie in shared memory. What `ss` shows of the same row is tcp-info.ts. Linux: tcp_get_info().
 */
import { type Time, TIME_MS, TIME_US } from '../../../base/time.ts'
import { read64 } from '../../../base/u64.ts'
import {
  TCP_TIME_WAIT,
  TCP_CLOSE,
  SK_ACK_BACKLOG,
  SK_MAX_ACK_BACKLOG,
  SK_STATE,
  TCP_LISTEN,
} from '../../../socket/sock.ts'
import { maxPacingRate, pacingRate } from '../snd/tcp-pacing-rate.ts'
import * as tp from './tcp-sock.ts'
import { TCP_MSS_DEFAULT, TCP_INIT_CWND, TCP_INFINITE_SSTHRESH } from './tcp-constants.ts'

export const TCPI_OPT_ECN = 8
export const TCPI_OPT_ECN_SEEN = 16
export const TCPI_OPT_SYN_DATA = 32

type TcpInfoFields = Readonly<Record<string, number>>

/** By their names in struct tcp_info, without tcpi_. */
export const tcpInfoFields = (i32: Int32Array, sk: number, time: Time): TcpInfoFields => {
  const word = (at: number): number => i32[sk + at]
  const age = (at: number): number => (time[TIME_MS] - word(at)) | 0
  const [busy, rwnd, sndbuf] = chronos(i32, sk, time[TIME_US])
  return {
    state: word(SK_STATE),
    ca_state: word(tp.TP_CA_STATE),
    retransmits: word(tp.TP_RETRANSMITS),
    probes: word(tp.TP_PROBES_OUT),
    backoff: word(tp.TP_BACKOFF),
    options: options(word(tp.TP_OPTS), word(tp.TP_ECN), word(tp.TP_FASTOPEN)),
    snd_wscale: word(tp.TP_SND_WSCALE),
    rcv_wscale: word(tp.TP_RCV_WSCALE),
    delivery_rate_app_limited: word(tp.TP_RATE_OF_PATH) === 0 ? 1 : 0,
    rto: word(tp.TP_RTO) * 1000,
    ato: word(tp.TP_ATO) * 1000,
    snd_mss: word(tp.TP_MSS_CACHE),
    rcv_mss: word(tp.TP_RCV_MSS),
    unacked: word(tp.TP_PACKETS_OUT),
    sacked: word(tp.TP_SACKED_OUT),
    lost: word(tp.TP_LOST_OUT),
    retrans: word(tp.TP_RETRANS_OUT),
    last_data_sent: age(tp.TP_LSNDTIME),
    last_data_recv: age(tp.TP_LRCVTIME),
    last_ack_recv: age(tp.TP_RCV_TSTAMP),
    pmtu: word(tp.TP_PMTU),
    rcv_ssthresh: word(tp.TP_RCV_SSTHRESH),
    rtt: word(tp.TP_SRTT_US) >> 3,
    rttvar: word(tp.TP_MDEV_US) >> 2,
    snd_ssthresh: word(tp.TP_SND_SSTHRESH),
    snd_cwnd: word(tp.TP_SND_CWND),
    advmss: word(tp.TP_ADVMSS),
    reordering: word(tp.TP_REORDERING),
    rcv_rtt: word(tp.TP_RCV_RTT_US) >> 3,
    rcv_space: word(tp.TP_RCVQ_SPACE),
    total_retrans: word(tp.TP_TOTAL_RETRANS),
    pacing_rate: Math.floor(pacingRate(i32, sk)),
    max_pacing_rate: maxPacingRate(i32, sk),
    bytes_acked: read64(i32, sk + tp.TP_BYTES_ACKED),
    bytes_received: read64(i32, sk + tp.TP_BYTES_RECEIVED),
    segs_out: word(tp.TP_SEGS_OUT),
    segs_in: word(tp.TP_SEGS_IN),
    notsent_bytes: (word(tp.TP_WRITE_SEQ) - word(tp.TP_SND_NXT)) | 0,
    // none yet is all bits (tcp_min_rtt)
    min_rtt: word(tp.TP_MIN_RTT_US) || 0xffff_ffff,
    data_segs_in: word(tp.TP_DATA_SEGS_IN),
    data_segs_out: word(tp.TP_DATA_SEGS_OUT),
    delivery_rate: deliveryRate(i32, sk),
    busy_time: busy,
    rwnd_limited: rwnd,
    sndbuf_limited: sndbuf,
    delivered: word(tp.TP_DELIVERED),
    delivered_ce: word(tp.TP_DELIVERED_CE),
    bytes_sent: read64(i32, sk + tp.TP_BYTES_SENT),
    bytes_retrans: read64(i32, sk + tp.TP_BYTES_RETRANS),
    dsack_dups: word(tp.TP_DSACK_DUPS),
    reord_seen: word(tp.TP_REORD_SEEN),
    rcv_ooopack: word(tp.TP_RCV_OOOPACK),
    snd_wnd: word(tp.TP_SND_WND),
    rcv_wnd: word(tp.TP_RCV_WND),
    // behind the struct's end here: scripts ask for them
    received_ce: word(tp.TP_RECEIVED_CE),
    accecn_fail_mode: word(tp.TP_ACCECN_FAIL),
    accecn_opt_seen: word(tp.TP_SAW_ACCECN_OPT),
    delivered_e1_bytes: word(tp.TP_DELIVERED_ECN_BYTES),
    delivered_e0_bytes: word(tp.TP_DELIVERED_ECN_BYTES + 1),
    delivered_ce_bytes: word(tp.TP_DELIVERED_ECN_BYTES + 2),
    received_e1_bytes: word(tp.TP_RECEIVED_ECN_BYTES),
    received_e0_bytes: word(tp.TP_RECEIVED_ECN_BYTES + 1),
    received_ce_bytes: word(tp.TP_RECEIVED_ECN_BYTES + 2),
  }
}

/** Octets a second. */
const deliveryRate = (i32: Int32Array, sk: number): number => {
  const octets = i32[sk + tp.TP_RATE_DELIVERED] * i32[sk + tp.TP_MSS_CACHE]
  const interval = i32[sk + tp.TP_RATE_INTERVAL_US]
  return interval === 0 ? 0 : Math.floor((octets * 1e6) / interval)
}

/** TCPI_OPT_*; those of ECN and Fast Open lie apart. */
const options = (opts: number, ecn: number, fastopen: number): number =>
  opts |
  ((fastopen & tp.FO_SYN_DATA_ACKED) !== 0 ? TCPI_OPT_SYN_DATA : 0) |
  ((ecn & tp.ECN_MODE_ANY) !== 0 ? TCPI_OPT_ECN : 0) |
  ((ecn & tp.ECN_SEEN) !== 0 ? TCPI_OPT_ECN_SEEN : 0)

/** Busy, limited by the peer's window, by the send buffer: us, with what runs now. */
const chronos = (i32: Int32Array, sk: number, nowUs: number): [number, number, number] => {
  const total = (kind: number, at: number): number =>
    i32[sk + at] +
    (i32[sk + tp.TP_CHRONO] === kind ? (nowUs - i32[sk + tp.TP_CHRONO_START]) | 0 : 0)
  const rwnd = total(tp.CHRONO_RWND, tp.TP_CHRONO_RWND)
  const sndbuf = total(tp.CHRONO_SNDBUF, tp.TP_CHRONO_SNDBUF)
  return [total(tp.CHRONO_BUSY, tp.TP_CHRONO_BUSY) + rwnd + sndbuf, rwnd, sndbuf]
}

/** Octets of the struct. */
const TCP_INFO_BYTES = 236
// Its fields in their order; '' is one that Linux has not filled for long.
const OCTETS = ['state', 'ca_state', 'retransmits', 'probes', 'backoff', 'options'] as const
const WORDS_AT = 8
const WORDS =
  `rto ato snd_mss rcv_mss unacked sacked lost retrans - last_data_sent - last_data_recv last_ack_recv
  pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans
  pacing_rate:64 max_pacing_rate:64 bytes_acked:64 bytes_received:64 segs_out segs_in notsent_bytes min_rtt
  data_segs_in data_segs_out delivery_rate:64 busy_time:64 rwnd_limited:64 sndbuf_limited:64 delivered
  delivered_ce bytes_sent:64 bytes_retrans:64 dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd`.split(
    /\s+/
  )

/** What it begins with, where it has not (tcp_init_sock); a socket whose connection is in TIME_WAIT is closed (tcp_time_wait). */
const ofProgram = (fields: TcpInfoFields): TcpInfoFields => ({
  ...fields,
  state: fields.state === TCP_TIME_WAIT ? TCP_CLOSE : fields.state,
  snd_mss: fields.snd_mss || TCP_MSS_DEFAULT,
  snd_ssthresh: fields.snd_ssthresh || TCP_INFINITE_SSTHRESH,
  snd_cwnd: fields.snd_cwnd || TCP_INIT_CWND,
})
/** Of a listener these alone, and its queue (tcp_get_info). */
const LISTENERS = ['state', 'pacing_rate', 'max_pacing_rate', 'reordering', 'snd_cwnd']
const ofListener = (i32: Int32Array, sk: number, fields: TcpInfoFields): TcpInfoFields => ({
  ...Object.fromEntries(LISTENERS.map((name) => [name, fields[name]])),
  unacked: i32[sk + SK_ACK_BACKLOG],
  sacked: i32[sk + SK_MAX_ACK_BACKLOG],
})

/** Writes the struct into the words at (words, at), numbers as the machine has them: how many octets. */
export const getTcpInfo = (
  i32: Int32Array,
  sk: number,
  time: Time,
  words: Int32Array,
  at: number
): number => {
  const all = ofProgram(tcpInfoFields(i32, sk, time))
  const fields = i32[sk + SK_STATE] === TCP_LISTEN ? ofListener(i32, sk, all) : all
  const field = (name: string): number => fields[name] ?? 0
  const octets = new Uint8Array(words.buffer, words.byteOffset + 4 * at, TCP_INFO_BYTES)
  for (const [k, name] of OCTETS.entries()) octets[k] = field(name)
  octets[6] = field('snd_wscale') | (field('rcv_wscale') << 4)
  octets[7] = field('delivery_rate_app_limited')
  let to = at + WORDS_AT / 4
  for (const entry of WORDS) {
    const [name, size] = entry.split(':')
    const value = field(name)
    words[to++] = value
    // no limit is all bits
    if (size !== undefined) words[to++] = Number.isFinite(value) ? value / 2 ** 32 : -1
    if (value === Number.POSITIVE_INFINITY) words[to - 2] = -1
  }
  return TCP_INFO_BYTES
}
