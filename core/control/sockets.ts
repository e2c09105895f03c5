/**
 * SOCK_DIAG: reads the socket rows of all workers without asking them, as ss shows them, and asks the owner to
 * destroy one (ss -K). What only a protocol knows (ss -i) it says itself. Control thread.
 * Linux: net/core/sock_diag.c, net/ipv4/inet_diag.c.
 */
import { AF_INET } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import { Ipi } from '../shm/ipi.ts'
import {
  SK_ACK_BACKLOG,
  SK_BOUND_DEV,
  SK_COOKIE,
  SK_DADDR,
  SK_DPORT,
  SK_DROPS,
  SK_FAMILY,
  SK_GENERATION,
  SK_MARK,
  SK_MAX_ACK_BACKLOG,
  SK_NUM,
  SK_PROTOCOL,
  SK_RCVBUF,
  SK_REUSE,
  SK_RMEM,
  SK_RXHASH,
  SK_SADDR,
  SK_SNDBUF,
  SK_STATE,
  SK_STATE_NAMES,
  SK_TYPE,
  SK_WMEM,
  SOCK_DGRAM,
  SOCK_STREAM,
  sockSlab,
  TCP_LISTEN,
} from '../socket/sock.ts'
import type { SockInfo } from '../socket/sock-info.ts'
import type { Words } from '../wire/text.ts'
import { formatIpv4, formatIpv6, parseAddr } from '../wire/text.ts'
import type { Outcome } from './answers.ts'
import { changed, chunks, told } from './answers.ts'
import type { Calls } from './calls.ts'
import type { Links } from './links.ts'
import type { MessageOf, SockEnd, SockFilter, SockItem, SockProtocol } from './messages.ts'
import { familyName } from './route-text.ts'
import { refuse } from './names.ts'

const IPV6_V6ONLY = 4

export type SocketsDeps = {
  arena: Arena
  calls: Calls
  links: Links
  /** By IPPROTO_*. */
  sockInfo: Record<number, (sk: number) => SockInfo>
}

const protocolOf = (type: number): SockProtocol =>
  type === SOCK_STREAM ? 'tcp' : type === SOCK_DGRAM ? 'udp' : 'raw'

export const createSocketDump = ({ arena, calls, links, sockInfo }: SocketsDeps) => {
  const { i32, layout } = arena
  const slabs = Array.from({ length: layout.config.workers }, (_, worker) =>
    sockSlab(arena, worker, false)
  )

  const cookieOf = (sk: number): string => ((i32[sk + SK_COOKIE] || sk) >>> 0).toString(16)
  const wordsAt = (at: number): Words => [i32[at], i32[at + 1], i32[at + 2], i32[at + 3]]
  const endOf = (sk: number, at: number, port: number): SockEnd => {
    const words = wordsAt(sk + at)
    return {
      addr: i32[sk + SK_FAMILY] === AF_INET ? formatIpv4(words[3]) : formatIpv6(...words),
      port: i32[sk + port],
    }
  }
  /** What all sockets have; a protocol may know some of it better. */
  const infoOf = (sk: number): SockInfo => {
    const told = sockInfo[i32[sk + SK_PROTOCOL]]?.(sk)
    if (told !== undefined) return told
    const state = i32[sk + SK_STATE]
    const isListener = state === TCP_LISTEN
    return {
      state: SK_STATE_NAMES[state],
      recv_q: i32[sk + (isListener ? SK_ACK_BACKLOG : SK_RMEM)],
      send_q: i32[sk + (isListener ? SK_MAX_ACK_BACKLOG : SK_WMEM)],
    }
  }
  const format = (sk: number, worker: number): SockItem => {
    const dev = i32[sk + SK_BOUND_DEV]
    const mark = i32[sk + SK_MARK]
    return {
      netid: protocolOf(i32[sk + SK_TYPE]),
      family: familyName(i32[sk + SK_FAMILY]),
      local: endOf(sk, SK_SADDR, SK_NUM),
      peer: endOf(sk, SK_DADDR, SK_DPORT),
      ...(dev !== 0 && { dev: links.nameOf(dev) }),
      sk: cookieOf(sk),
      worker,
      hash: (i32[sk + SK_RXHASH] >>> 0).toString(16).padStart(8, '0'),
      ...((i32[sk + SK_REUSE] & IPV6_V6ONLY) !== 0 && { v6only: true }),
      ...(mark !== 0 && { mark }),
      skmem: {
        rmem_alloc: i32[sk + SK_RMEM],
        rcv_buf: i32[sk + SK_RCVBUF],
        wmem_alloc: i32[sk + SK_WMEM],
        snd_buf: i32[sk + SK_SNDBUF],
        sock_drop: i32[sk + SK_DROPS],
      },
      ...infoOf(sk),
    }
  }

  /** Live rows, worker by worker; a slab without sockets costs nothing. */
  function* rows(worker?: number): Generator<[sk: number, worker: number]> {
    for (const [w, slab] of slabs.entries()) {
      if (worker !== undefined && worker !== w) continue
      let left = slab.live()
      for (let k = 0; k < slab.rows && left > 0; k++) {
        if (!slab.isLive(slab.at(k))) continue
        left--
        yield [slab.at(k), w]
      }
    }
  }
  const isEnd = (end: SockEnd, wanted: Partial<SockEnd> | undefined): boolean =>
    (wanted?.port === undefined || wanted.port === end.port) &&
    (wanted?.addr === undefined || wanted.addr === end.addr || sameAddr(wanted.addr, end.addr))
  const sameAddr = (a: string, b: string): boolean =>
    parseAddr(a)?.words.join() === parseAddr(b)?.words.join()

  function* items(filter: SockFilter): Generator<SockItem> {
    for (const [sk, worker] of rows(filter.worker)) {
      if (filter.cookie !== undefined && cookieOf(sk) !== filter.cookie) continue
      if (filter.protocol && !filter.protocol.includes(protocolOf(i32[sk + SK_TYPE]))) continue
      if (filter.family && familyName(i32[sk + SK_FAMILY]) !== filter.family) continue
      const item = format(sk, worker)
      if (filter.state && !filter.state.includes(item.state)) continue
      if (isEnd(item.local, filter.local) && isEnd(item.peer, filter.peer)) yield item
    }
  }
  const dump = (filter: SockFilter = {}): Iterable<SockItem[]> => chunks(items(filter))

  const find = (cookie: string): [sk: number, worker: number] | undefined => {
    for (const found of rows()) if (cookieOf(found[0]) === cookie.toLowerCase()) return found
    return undefined
  }
  const get = ({ cookie }: MessageOf<'SOCK_GET'>): Outcome<SockItem> => {
    const found = find(cookie)
    return found === undefined ? refuse(Errno.ENOENT, undefined, 'cookie') : told(format(...found))
  }
  const destroy = async ({ cookie }: MessageOf<'SOCK_DESTROY'>): Promise<Outcome<null>> => {
    const found = find(cookie)
    if (found === undefined) return refuse(Errno.ENOENT, undefined, 'cookie')
    const [sk, worker] = found
    const result = await calls.call(worker, Ipi.SOCK_DESTROY, [sk, i32[sk + SK_GENERATION]])
    return result < 0 ? refuse(-result) : changed(null)
  }
  /** Sockets that a worker has. */
  const count = (worker: number): number => slabs[worker].live()

  return { dump, get, destroy, count }
}
