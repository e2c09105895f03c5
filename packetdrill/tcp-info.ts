/** TCP_INFO of a socket with the field names of linux/tcp.h and its units, for the code blocks of scripts. */
import { type Time, TIME_MS, TIME_US } from '../core/base/time.ts'
import { SK_STATE } from '../core/socket/sock.ts'
import { read64 } from '../core/base/u64.ts'
import { maxPacingRate, pacingRate } from '../core/transport/tcp/snd/tcp-pacing-rate.ts'
import * as tp from '../core/transport/tcp/sock/tcp-sock.ts'

/** Names that code blocks know: states, options, and so on (linux/tcp.h, net/tcp_states.h). */
const CONSTANTS: Record<string, number> = {
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_CLOSING: 11,
  TCP_CA_Open: 0,
  TCP_CA_Disorder: 1,
  TCP_CA_CWR: 2,
  TCP_CA_Recovery: 3,
  TCP_CA_Loss: 4,
  TCPI_OPT_TIMESTAMPS: 1,
  TCPI_OPT_SACK: 2,
  TCPI_OPT_WSCALE: 4,
  TCPI_OPT_ECN: 8,
  TCPI_OPT_ECN_SEEN: 16,
  TCPI_OPT_SYN_DATA: 32,
}

/** `time` is the stack's. */
export const tcpInfo = (i32: Int32Array, sk: number, time: Time): Map<string, number> => {
  const word = (at: number): number => i32[sk + at]!
  const age = (at: number): number => (time[TIME_MS]! - word(at)) | 0
  const [busy, rwnd, sndbuf] = chronos(i32, sk, time[TIME_US]!)
  const fields: Record<string, number> = {
    state: word(SK_STATE),
    ca_state: word(tp.TP_CA_STATE),
    retransmits: word(tp.TP_RETRANSMITS),
    probes: word(tp.TP_PROBES_OUT),
    backoff: word(tp.TP_BACKOFF),
    options: options(word(tp.TP_OPTS), word(tp.TP_ECN), word(tp.TP_FASTOPEN)),
    snd_wscale: word(tp.TP_SND_WSCALE),
    rcv_wscale: word(tp.TP_RCV_WSCALE),
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
    bytes_acked: read64(i32, sk + tp.TP_BYTES_ACKED),
    bytes_received: read64(i32, sk + tp.TP_BYTES_RECEIVED),
    segs_out: word(tp.TP_SEGS_OUT),
    segs_in: word(tp.TP_SEGS_IN),
    reord_seen: word(tp.TP_REORD_SEEN),
    pacing_rate: Math.floor(pacingRate(i32, sk)),
    max_pacing_rate: maxPacingRate(i32, sk),
    delivery_rate: deliveryRate(i32, sk),
    notsent_bytes: (word(tp.TP_WRITE_SEQ) - word(tp.TP_SND_NXT)) | 0,
    min_rtt: word(tp.TP_MIN_RTT_US),
    data_segs_in: word(tp.TP_DATA_SEGS_IN),
    data_segs_out: word(tp.TP_DATA_SEGS_OUT),
    busy_time: busy,
    rwnd_limited: rwnd,
    sndbuf_limited: sndbuf,
    delivered: word(tp.TP_DELIVERED),
    delivered_ce: word(tp.TP_DELIVERED_CE),
    received_ce: word(tp.TP_RECEIVED_CE),
    accecn_fail_mode: word(tp.TP_ACCECN_FAIL),
    accecn_opt_seen: word(tp.TP_SAW_ACCECN_OPT),
    delivered_e1_bytes: word(tp.TP_DELIVERED_ECN_BYTES),
    delivered_e0_bytes: word(tp.TP_DELIVERED_ECN_BYTES + 1),
    delivered_ce_bytes: word(tp.TP_DELIVERED_ECN_BYTES + 2),
    received_e1_bytes: word(tp.TP_RECEIVED_ECN_BYTES),
    received_e0_bytes: word(tp.TP_RECEIVED_ECN_BYTES + 1),
    received_ce_bytes: word(tp.TP_RECEIVED_ECN_BYTES + 2),
    bytes_sent: read64(i32, sk + tp.TP_BYTES_SENT),
    bytes_retrans: read64(i32, sk + tp.TP_BYTES_RETRANS),
    dsack_dups: word(tp.TP_DSACK_DUPS),
    snd_wnd: word(tp.TP_SND_WND),
    rcv_wnd: word(tp.TP_RCV_WND),
  }
  const named = Object.entries(fields).map(([name, value]): [string, number] => [
    `tcpi_${name}`,
    value,
  ])
  return new Map([...Object.entries(CONSTANTS), ...named])
}

/** Octets a second. */
const deliveryRate = (i32: Int32Array, sk: number): number => {
  const octets = i32[sk + tp.TP_RATE_DELIVERED]! * i32[sk + tp.TP_MSS_CACHE]!
  const interval = i32[sk + tp.TP_RATE_INTERVAL_US]!
  return interval === 0 ? 0 : Math.floor((octets * 1e6) / interval)
}

/** TCPI_OPT_*; those of ECN and Fast Open lie apart. */
const options = (opts: number, ecn: number, fastopen: number): number =>
  opts |
  ((fastopen & tp.FO_SYN_DATA_ACKED) !== 0 ? CONSTANTS.TCPI_OPT_SYN_DATA! : 0) |
  ((ecn & tp.ECN_MODE_ANY) !== 0 ? CONSTANTS.TCPI_OPT_ECN! : 0) |
  ((ecn & tp.ECN_SEEN) !== 0 ? CONSTANTS.TCPI_OPT_ECN_SEEN! : 0)

/** Busy, limited by the peer's window, by the send buffer: us, with what runs now. */
const chronos = (i32: Int32Array, sk: number, nowUs: number): [number, number, number] => {
  const total = (kind: number, at: number): number =>
    i32[sk + at]! +
    (i32[sk + tp.TP_CHRONO] === kind ? (nowUs - i32[sk + tp.TP_CHRONO_START]!) | 0 : 0)
  const rwnd = total(tp.CHRONO_RWND, tp.TP_CHRONO_RWND)
  const sndbuf = total(tp.CHRONO_SNDBUF, tp.TP_CHRONO_SNDBUF)
  return [total(tp.CHRONO_BUSY, tp.TP_CHRONO_BUSY) + rwnd + sndbuf, rwnd, sndbuf]
}
