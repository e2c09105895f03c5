// What TCP's twin test needs of a host: the kernel's (kernel-end.ts) and softnet's (softnet-end.ts) are two of these.

/** A file of the host's own; calls answer what the system call does, or -errno. No call blocks. */
export type End = {
  name: 'kernel' | 'softnet'
  /** Lets what is due by now happen; before calls and frames of a case. */
  begin: () => void
  receive: (frame: Uint8Array) => void
  /** What was sent since the last time. */
  take: () => Uint8Array[]
  socket: (type: number) => number
  bind: (file: number, port: number) => number
  listen: (file: number, backlog: number) => number
  accept: (file: number) => number
  /** To a peer's PEER_PORT. */
  connect: (file: number, peer: number) => number
  send: (file: number, bytes: Uint8Array, flags: number) => number
  /** A datagram to a peer's PEER_PORT. */
  sendto: (file: number, bytes: Uint8Array, peer: number) => number
  recv: (file: number, into: Uint8Array, flags: number) => number
  shutdown: (file: number, how: number) => number
  set: (file: number, level: number, name: number, value: number) => number
  get: (file: number, level: number, name: number) => number
  closeFile: (file: number) => number
  /** revents for all of POLLIN, POLLPRI, POLLOUT, POLLRDHUP. */
  poll: (file: number) => number
  /** tcpi_state. */
  state: (file: number) => number
  /** TCP_INFO: what INFO names of it. */
  info: (file: number) => readonly number[]
  /** paceOf its TCP_INFO, after info was asked for. */
  pace: (file: number) => number
  /** tcpi_rto in milliseconds, after info was asked for. */
  rto: (file: number) => number
  close: () => void
}

export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const POLL_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [1, 'IN'],
  [2, 'PRI'],
  [4, 'OUT'],
  [8, 'ERR'],
  [0x10, 'HUP'],
  [0x2000, 'RDHUP'],
]

/** Of struct tcp_info (linux/tcp.h), where each is: what does not depend on time, or on how much memory things take. */
export const INFO: readonly (readonly [name: string, at: number, octets: 1 | 4 | 8])[] = [
  ['ca_state', 1, 1],
  ['retransmits', 2, 1],
  ['probes', 3, 1],
  ['backoff', 4, 1],
  ['snd_mss', 16, 4],
  ['rcv_mss', 20, 4],
  ['unacked', 24, 4],
  ['sacked', 28, 4],
  ['lost', 32, 4],
  ['retrans', 36, 4],
  ['pmtu', 60, 4],
  ['snd_ssthresh', 76, 4],
  ['snd_cwnd', 80, 4],
  ['advmss', 84, 4],
  ['reordering', 88, 4],
  ['total_retrans', 100, 4],
  ['bytes_acked', 120, 8],
  ['bytes_received', 128, 8],
  ['notsent_bytes', 144, 4],
  ['delivered', 192, 4],
]

/** Octets that go at once, as tcp_tso_autosize has it; tcpi_pacing_rate and tcpi_min_rtt are times that were measured. */
export const paceOf = (rate: number, minRttUs: number): number =>
  Math.min(65536, Math.floor(rate / 1024) + (65536 >>> Math.min(31, minRttUs >>> 9)))
