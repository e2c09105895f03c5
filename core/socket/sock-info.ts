/**
 * What is told of a socket, as types: the one shape from the row (tcp-info.ts, control/sockets.ts) to every printer
 * (ss, /proc/net, the API). A word that does not apply is absent, never null. Times in ms, rates in bit/s.
 * iproute2: misc/ss.c; Linux: struct tcp_info.
 */

export type SockTimer = {
  type: 'on' | 'keepalive' | 'timewait' | 'persist'
  expires_ms: number
  retrans: number
}

/** The words of `ss -i`, flat, in ss's order. */
export type TcpInfo = {
  ts: boolean
  sack: boolean
  ecn: boolean
  cong: string
  /** "snd,rcv" */
  wscale?: string
  rto: number
  backoff: number
  rtt: number
  rttvar: number
  ato: number
  mss: number
  pmtu: number
  rcvmss: number
  advmss: number
  cwnd: number
  /** Absent until there was a loss. */
  ssthresh?: number
  bytes_sent: number
  bytes_retrans: number
  bytes_acked: number
  bytes_received: number
  segs_out: number
  segs_in: number
  data_segs_out: number
  data_segs_in: number
  lastsnd: number
  lastrcv: number
  lastack: number
  pacing_rate: number
  delivery_rate: number
  delivered: number
  busy: number
  rwnd_limited: number
  sndbuf_limited: number
  unacked: number
  /** "now/total" */
  retrans: string
  lost: number
  sacked: number
  dsack_dups: number
  reordering: number
  rcv_rtt: number
  rcv_space: number
  rcv_ssthresh: number
  notsent: number
  minrtt: number
  snd_wnd: number
  rcv_wnd: number
}

/** What a protocol knows better of its sockets than their common words say. */
export type SockInfo = {
  state: string
  recv_q: number
  send_q: number
  timer?: SockTimer
} & Partial<TcpInfo>
