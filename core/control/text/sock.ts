/**
 * Sockets and flows between words and numbers, as ss prints them (misc/ss.c).
 */
import { AF_INET6, AF_PACKET } from '../../base/family.ts'
import { SOCK_DGRAM } from '../../socket/sock.ts'
import { IPPROTO_ICMP, IPPROTO_RAW, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.ts'
import { formatAddr, formatWords, parseAddr } from '../../wire/text.ts'
import type * as numbers from '../rtnetlink.ts'
import type { FlowItem, Refused, SockEnd, SockFilter, SockItem, SockProtocol } from './messages.ts'
import { addrOf, badAddress, familyName, familyNumber, isRefused } from './names.ts'

const KINDS: Record<SockProtocol, number> = {
  tcp: IPPROTO_TCP,
  udp: IPPROTO_UDP,
  raw: IPPROTO_RAW,
  icmp: IPPROTO_ICMP,
  packet: 0,
}
const NETIDS: ReadonlyMap<number, SockItem['netid']> = new Map(
  (['tcp', 'udp', 'raw', 'icmp'] as const).map((netid) => [KINDS[netid], netid])
)
const netidOf = ({ kind, type }: numbers.Sock): SockItem['netid'] =>
  NETIDS.get(kind) ?? (type === SOCK_DGRAM ? 'p_dgr' : 'p_raw')
const PROTOCOLS: Record<number, string> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6' }

const hexOf = (hash: number): string => hash.toString(16).padStart(8, '0')

/** A cookie that is none is nobody's. */
export const readCookie = (cookie: string): number =>
  /^[0-9a-fA-F]{1,8}$/.test(cookie) ? Number.parseInt(cookie, 16) : -1

const readEnd = (end: Partial<SockEnd>, field: string): Partial<numbers.SockEnd> | Refused => {
  const addr = end.addr === undefined ? undefined : parseAddr(end.addr)
  if (addr === null) return badAddress(end.addr ?? '', `${field}.addr`)
  return {
    ...(addr !== undefined && { words: addr.words }),
    ...(end.port !== undefined && { port: end.port }),
  }
}
export const readSockFilter = (filter: SockFilter): numbers.SockFilter | Refused => {
  const { protocol, family, state, cookie, worker } = filter
  const local = readEnd(filter.local ?? {}, 'local')
  if (isRefused(local)) return local
  const peer = readEnd(filter.peer ?? {}, 'peer')
  if (isRefused(peer)) return peer
  return {
    local,
    peer,
    ...(protocol !== undefined && { kinds: protocol.map((name) => KINDS[name]) }),
    ...(family !== undefined && { family: familyNumber(family) }),
    ...(state !== undefined && { state }),
    ...(cookie !== undefined && { cookie: readCookie(cookie) }),
    ...(worker !== undefined && { worker }),
  }
}

const writeEnd = ({ words, port }: numbers.SockEnd, family: number): SockEnd => ({
  addr: formatAddr(addrOf(family, words)),
  port,
})
/** What is left of a connection, or will be one, has none of its own (inet_diag_msg_attrs_fill). */
const hasTos = ({ family, info }: numbers.Sock): boolean =>
  family !== AF_PACKET && info.state !== 'TIME-WAIT' && info.state !== 'SYN-RECV'
export const writeSock = (sock: numbers.Sock, nameOf: (ifindex: number) => string): SockItem => {
  const { family, local, peer, dev, cookie, worker, hash, v6only, mark, shutdown, info } = sock
  return {
    netid: netidOf(sock),
    family: family === AF_PACKET ? 'packet' : familyName(family),
    ...(family === AF_PACKET
      ? { local: { addr: '*', port: local.port }, peer: { addr: '*', port: 0 } }
      : { local: writeEnd(local, family), peer: writeEnd(peer, family) }),
    ...(dev !== 0 && { dev: nameOf(dev) }),
    sk: cookie.toString(16),
    worker,
    hash: hexOf(hash),
    ...(v6only && { v6only }),
    ...(mark !== 0 && { mark }),
    ...(hasTos(sock) && {
      tos: sock.tos,
      ...(family === AF_INET6 && { tclass: sock.tclass }),
      priority: sock.priority,
    }),
    shutdown,
    skmem: {
      rmem_alloc: sock.rmem,
      rcv_buf: sock.rcvbuf,
      wmem_alloc: sock.wmem,
      snd_buf: sock.sndbuf,
      sock_drop: sock.drops,
    },
    ...info,
  }
}

export const writeFlow = (flow: numbers.Flow, nameOf: (ifindex: number) => string): FlowItem => ({
  worker: flow.worker,
  hash: hexOf(flow.hash),
  protocol: PROTOCOLS[flow.protocol] ?? String(flow.protocol),
  src: formatWords(...flow.src),
  dst: formatWords(...flow.dst),
  sport: flow.sport,
  dport: flow.dport,
  dev: nameOf(flow.dev),
  packets: flow.packets,
  last: flow.last,
})
