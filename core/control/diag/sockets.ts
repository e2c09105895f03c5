/**
 * SOCK_DIAG: reads the socket rows of all workers without asking them, as ss shows them, and asks the owner to
 * destroy one (ss -K). What only a protocol knows (ss -i) it says itself. Control thread.
 * Linux: net/core/sock_diag.c, net/ipv4/inet_diag.c.
 */
import { Errno } from '../../base/errno.ts'
import { AF_INET, AF_PACKET, V4_MAPPED } from '../../base/family.ts'
import type { Arena } from '../../shm/arena.ts'
import { Ipi } from '../../shm/ipi.ts'
import {
  SK_TOS,
  SK_PRIORITY,
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
  SK_SHUTDOWN,
  SK_SNDBUF,
  SK_STATE,
  SK_STATE_NAMES,
  SK_TYPE,
  SK_WMEM,
  SOCK_RAW,
  sockSlab,
  TCP_LISTEN,
} from '../../socket/sock.ts'
import { SK_TCLASS, familyOfSock } from '../../socket/inet-sock.ts'
import { V6ONLY } from '../../socket/socket-constants.ts'
import type { SockInfo } from '../../socket/sock-info.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_RAW, IPPROTO_TCP } from '../../wire/ipproto.ts'
import type { Words } from '../../wire/text.ts'
import type { Outcome } from '../rtnl/answers.ts'
import { changed, chunks, refuse, told } from '../rtnl/answers.ts'
import type { Calls } from '../rtnl/calls.ts'
import type { PacketEnds } from './packet-ends.ts'
import type { MessageOf, Sock, SockEnd, SockFilter } from '../rtnetlink.ts'

export type SocketsDeps = {
  arena: Arena
  calls: Calls
  /** By IPPROTO_*: tcpInfo (transport/tcp/sock/tcp-info.ts), filled by workers/daemon.ts. */
  sockInfo: Record<number, (sk: number) => SockInfo>
}

export type SocketDump = ReturnType<typeof createSocketDump>

export const createSocketDump = ({ arena, calls, sockInfo }: SocketsDeps) => {
  const { i32, layout } = arena
  const slabs = Array.from({ length: layout.config.workers }, (_, worker) =>
    sockSlab(arena, worker, false)
  )

  const cookieOf = (sk: number): number => i32[sk + SK_COOKIE] >>> 0
  const wordsAt = (at: number): Words => [i32[at], i32[at + 1], i32[at + 2], i32[at + 3]]
  const endOf = (sk: number, at: number, port: number): SockEnd => ({
    words: wordsAt(sk + at),
    port: i32[sk + port],
  })
  const kindOf = (sk: number): number => {
    if (i32[sk + SK_FAMILY] === AF_PACKET) return 0
    if (i32[sk + SK_TYPE] === SOCK_RAW) return IPPROTO_RAW
    const protocol = i32[sk + SK_PROTOCOL]
    return protocol === IPPROTO_ICMPV6 ? IPPROTO_ICMP : protocol
  }
  /** What all sockets have; a protocol may know some of it better. */
  const infoOf = (sk: number): SockInfo => {
    const told = sockInfo[kindOf(sk)]?.(sk)
    if (told !== undefined) return told
    const state = i32[sk + SK_STATE]
    const isListener = state === TCP_LISTEN
    return {
      state: SK_STATE_NAMES[state],
      recv_q: i32[sk + (isListener ? SK_ACK_BACKLOG : SK_RMEM)],
      send_q: i32[sk + (isListener ? SK_MAX_ACK_BACKLOG : SK_WMEM)],
    }
  }
  const sock = (sk: number, worker: number): Sock => ({
    kind: kindOf(sk),
    type: i32[sk + SK_TYPE],
    family: familyOfSock(i32, sk),
    local: endOf(sk, SK_SADDR, SK_NUM),
    // a raw socket keeps the port that it was connected with to itself
    peer: { ...endOf(sk, SK_DADDR, SK_DPORT), ...(kindOf(sk) === IPPROTO_RAW && { port: 0 }) },
    dev: i32[sk + SK_BOUND_DEV],
    cookie: cookieOf(sk),
    worker,
    hash: i32[sk + SK_RXHASH] >>> 0,
    v6only: (i32[sk + SK_REUSE] & V6ONLY) !== 0,
    mark: i32[sk + SK_MARK],
    tos: i32[sk + SK_TOS],
    tclass: i32[sk + SK_TCLASS],
    priority: i32[sk + SK_PRIORITY],
    shutdown: i32[sk + SK_SHUTDOWN],
    rmem: i32[sk + SK_RMEM],
    rcvbuf: i32[sk + SK_RCVBUF],
    wmem: i32[sk + SK_WMEM],
    sndbuf: i32[sk + SK_SNDBUF],
    drops: i32[sk + SK_DROPS],
    info: infoOf(sk),
  })

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
  const isEnd = ({ words, port }: SockEnd, wanted: Partial<SockEnd> = {}): boolean =>
    (wanted.port === undefined || wanted.port === port) &&
    (wanted.words === undefined || wanted.words.every((word, k) => word === words[k]))

  function* items(filter: SockFilter): Generator<Sock> {
    const { kinds, family, state, local, peer, cookie, worker } = filter
    for (const [sk, owner] of rows(worker)) {
      if (cookie !== undefined && cookieOf(sk) !== cookie) continue
      if (kinds !== undefined && !kinds.includes(kindOf(sk))) continue
      if (family !== undefined && familyOfSock(i32, sk) !== family) continue
      const item = sock(sk, owner)
      if (state !== undefined && !state.includes(item.info.state)) continue
      if (isEnd(item.local, local) && isEnd(item.peer, peer)) yield item
    }
  }
  const dump = (filter: SockFilter = {}): Iterable<Sock[]> => chunks(items(filter))

  const find = (cookie: number): [sk: number, worker: number] | undefined => {
    for (const found of rows()) if (cookieOf(found[0]) === cookie) return found
    return undefined
  }
  const isWildcard = (sk: number): boolean =>
    (i32[sk + SK_SADDR] | i32[sk + SK_SADDR + 1] | i32[sk + SK_SADDR + 3]) === 0
  const isFamily = (sk: number, { daddr }: PacketEnds): boolean => {
    const isV4 = daddr[0] === 0 && daddr[1] === 0 && daddr[2] === V4_MAPPED
    if (i32[sk + SK_FAMILY] === AF_INET) return isV4
    return !isV4 || (i32[sk + SK_REUSE] & V6ONLY) === 0
  }
  /** How well a socket fits the packet, -1: not at all (compute_score, inet_lookup_established). */
  const scoreOf = (sk: number, ends: PacketEnds): number => {
    const { protocol, saddr, daddr, sport, dport, dev } = ends
    if (kindOf(sk) !== protocol || i32[sk + SK_NUM] !== dport) return -1
    if (!isFamily(sk, ends)) return -1
    const bound = i32[sk + SK_BOUND_DEV]
    if (bound !== 0 && bound !== dev) return -1
    const isConnected = i32[sk + SK_DPORT] !== 0
    if (protocol === IPPROTO_TCP && !isConnected && i32[sk + SK_STATE] !== TCP_LISTEN) return -1
    if (isConnected) {
      const isPeer = saddr.every((word, k) => word === i32[sk + SK_DADDR + k])
      if (i32[sk + SK_DPORT] !== sport || !isPeer) return -1
    }
    const isAny = isWildcard(sk)
    if (!isAny && !daddr.every((word, k) => word === i32[sk + SK_SADDR + k])) return -1
    return (isConnected ? 8 : 0) + (isAny ? 0 : 4) + (bound === 0 ? 0 : 2)
  }
  /** The socket that takes a packet to this host, as its row says. */
  const takerOf = (ends: PacketEnds): Sock | undefined => {
    let best = -1
    let taker: [sk: number, worker: number] | undefined
    for (const row of rows()) {
      const score = scoreOf(row[0], ends)
      if (score <= best) continue
      best = score
      taker = row
    }
    return taker === undefined ? undefined : sock(...taker)
  }
  const get = ({ cookie }: MessageOf<'SOCK_GET'>): Outcome<Sock> => {
    const found = find(cookie)
    return found === undefined ? refuse(Errno.ENOENT, null, 'cookie') : told(sock(...found))
  }
  const destroy = async ({ cookie }: MessageOf<'SOCK_DESTROY'>): Promise<Outcome<null>> => {
    const found = find(cookie)
    if (found === undefined) return refuse(Errno.ENOENT, null, 'cookie')
    const [sk, worker] = found
    const result = await calls.call(worker, Ipi.SOCK_DESTROY, [sk, i32[sk + SK_GENERATION]])
    return result < 0 ? refuse(-result) : changed(null)
  }
  /** Sockets that a worker has. */
  const count = (worker: number): number => slabs[worker].live()

  return { dump, get, takerOf, destroy, count, rows, cookieOf, at: sock }
}
