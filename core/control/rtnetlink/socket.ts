/** Sockets and recent flows. */
import type { SockInfo } from '../../socket/sock-info.ts'
import type { Words } from '../../wire/text.ts'

export type SockEnd = { words: Words; port: number }
export type SockFilter = {
  kinds?: readonly number[]
  family?: number
  /** ss's names: a protocol says the state of its sockets itself. */
  state?: readonly string[]
  local?: Partial<SockEnd>
  peer?: Partial<SockEnd>
  cookie?: number
  worker?: number
}
export type Sock = {
  /** As inet_diag is asked for it: IPPROTO_TCP, IPPROTO_UDP, IPPROTO_RAW; IPPROTO_ICMP is a ping socket, 0 a packet socket. */
  kind: number
  /** SOCK_* */
  type: number
  family: number
  local: SockEnd
  peer: SockEnd
  /** 0: bound to none. */
  dev: number
  cookie: number
  worker: number
  hash: number
  v6only: boolean
  mark: number
  /** IP_TOS, IPV6_TCLASS and SO_PRIORITY, of a whole socket. */
  tos: number
  tclass: number
  priority: number
  /** RCV_SHUTDOWN, SEND_SHUTDOWN */
  shutdown: number
  rmem: number
  rcvbuf: number
  wmem: number
  sndbuf: number
  drops: number
  info: SockInfo
}
export type Flow = {
  worker: number
  hash: number
  protocol: number
  src: Words
  dst: Words
  sport: number
  dport: number
  dev: number
  packets: number
  /** Milliseconds since the last one. */
  last: number
}
