/** Sockets in the words of `ss`. */
import type { SockTimer, TcpInfo } from '../../../socket/sock-info.ts'
import type { FamilyName } from './family.ts'

/** Whose port says their protocol, an ethertype, and whose device their link: packet sockets' netid, by their type. */
type PacketNetid = 'p_raw' | 'p_dgr'
/** icmp are ping sockets. */
export type SockProtocol = 'tcp' | 'udp' | 'raw' | 'icmp' | 'packet'
export type SockEnd = { addr: string; port: number }
export type SockFilter = {
  protocol?: SockProtocol[]
  family?: FamilyName
  /** ss's names: ESTAB, SYN-SENT, ..., LISTEN, UNCONN. */
  state?: string[]
  local?: Partial<SockEnd>
  peer?: Partial<SockEnd>
  cookie?: string
  worker?: number
}
/** Words every socket has; a tcp socket adds ss -i's, flat. */
export type SockItem = {
  netid: Exclude<SockProtocol, 'packet'> | PacketNetid
  family: FamilyName | 'packet'
  state: string
  recv_q: number
  send_q: number
  local: SockEnd
  peer: SockEnd
  dev?: string
  /** Cookie as ss -e prints it. */
  sk: string
  worker: number
  /** RSS hash, hexadecimal. */
  hash: string
  v6only?: boolean
  mark?: number
  /** Of sockets of IP but what a connection has left: of its packets, and SO_PRIORITY (ss: class_id). */
  tos?: number
  tclass?: number
  priority?: number
  /** 1: it reads no more; 2: it sends no more. */
  shutdown: number
  skmem: {
    rmem_alloc: number
    rcv_buf: number
    wmem_alloc: number
    snd_buf: number
    sock_drop: number
  }
  timer?: SockTimer
} & Partial<TcpInfo>
