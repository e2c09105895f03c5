/**
 * What is told of a socket, as types: the one shape from the row (tcp-info.ts, control/diag/sockets.ts) to every printer
 * (ss, /proc/net, the API). A word that does not apply is absent, never null. Times in ms, rates in bit/s.
 * iproute2: misc/ss.c; Linux: struct tcp_info.
 */

export type SockTimer = {
  type: 'on' | 'keepalive' | 'timewait' | 'persist'
  expires_ms: number
  retrans: number
}

/**
 * How ss prints a word: a flag by itself, a name by its value, text and numbers as word:value, a rate as `word valuebps`.
 * A limit stands behind the rate before it. A number that is 0 says nothing and is left out, unless it is `always` there.
 */
type Shown =
  | 'flag'
  | 'name'
  | 'text'
  | 'number'
  | 'always'
  | 'ms'
  | 'rate'
  | 'limit'
  | 'rtt'
  | 'info'
  | 'send'

/**
 * The words of `ss -i` in the order in which ss prints them. A new one is a row here, and its value in
 * transport/tcp/sock/tcp-info.ts.
 */
export const TCP_INFO = {
  ts: 'flag',
  sack: 'flag',
  ecn: 'flag',
  ecnseen: 'flag',
  /** Text that went with its SYN was taken. */
  fastopen: 'flag',
  cong: 'name',
  /** "snd,rcv"; absent without the option. */
  wscale: 'text',
  rto: 'number',
  backoff: 'number',
  /** rtt/rttvar */
  rtt: 'rtt',
  ato: 'number',
  mss: 'number',
  pmtu: 'number',
  rcvmss: 'number',
  advmss: 'number',
  cwnd: 'number',
  /** Absent until there was a loss. */
  ssthresh: 'number',
  bytes_sent: 'number',
  bytes_retrans: 'number',
  bytes_acked: 'number',
  bytes_received: 'number',
  segs_out: 'number',
  segs_in: 'number',
  data_segs_out: 'number',
  data_segs_in: 'number',
  /** What the congestion control tells of itself, as cong:(word:value,...); absent when it has nothing to tell. */
  cong_info: 'info',
  /** A window each round trip: ss works it out itself. */
  send: 'send',
  lastsnd: 'always',
  lastrcv: 'always',
  lastack: 'always',
  pacing_rate: 'rate',
  /** SO_MAX_PACING_RATE, behind pacing_rate; absent when there is none. */
  max_pacing_rate: 'limit',
  delivery_rate: 'rate',
  delivered: 'number',
  delivered_ce: 'number',
  /** The rate is what the application had to send, not what the path takes. */
  app_limited: 'flag',
  busy: 'ms',
  rwnd_limited: 'ms',
  sndbuf_limited: 'ms',
  unacked: 'number',
  /** "now/total" */
  retrans: 'text',
  lost: 'number',
  sacked: 'number',
  dsack_dups: 'number',
  reordering: 'number',
  reord_seen: 'number',
  rcv_rtt: 'number',
  rcv_space: 'number',
  rcv_ssthresh: 'number',
  notsent: 'number',
  minrtt: 'number',
  rcv_ooopack: 'number',
  snd_wnd: 'number',
  rcv_wnd: 'number',
} as const satisfies Record<string, Shown>

type Words = typeof TCP_INFO
type ValueOf<How> = How extends 'flag'
  ? boolean
  : How extends 'name' | 'text'
    ? string
    : How extends 'info'
      ? Readonly<Record<string, number>>
      : number
type Absent = 'wscale' | 'ssthresh' | 'cong_info' | 'max_pacing_rate'
type Known = {
  [Word in Exclude<keyof Words, 'send'>]: ValueOf<Words[Word]>
}
/** Flat. */
export type TcpInfo = Omit<Known, Absent> & Partial<Pick<Known, Absent>> & { rttvar: number }

/** What a protocol knows better of its sockets than their common words say. */
export type SockInfo = {
  state: string
  recv_q: number
  send_q: number
  timer?: SockTimer
} & Partial<TcpInfo>
