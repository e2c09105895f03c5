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
  recv: (file: number, into: Uint8Array, flags: number) => number
  shutdown: (file: number, how: number) => number
  set: (file: number, level: number, name: number, value: number) => number
  get: (file: number, level: number, name: number) => number
  closeFile: (file: number) => number
  /** revents for all of POLLIN, POLLPRI, POLLOUT, POLLRDHUP. */
  poll: (file: number) => number
  /** tcpi_state. */
  state: (file: number) => number
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
