/**
 * What comes for a sid, handed to its application. Nothing is taken out of a socket without credit, room in the completion
 * ring and an skb to carry it, so an application that does not read closes its peers' windows. Called by app-channel.ts and
 * app-accepting.ts. Worker only.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import { LARGE_ROOM, RX_HEADROOM, SKB_DATA, SKB_LEN, SMALL_ROOM } from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import { controlBytes, putControl } from './app-control.ts'
import type { AppCompletions } from './app-completions.ts'
import {
  AppOp,
  DATAGRAM_CREDIT,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_CONTROL,
  E_PORT,
} from './app-constants.ts'
import {
  type AppSids,
  appOf,
  creditOf,
  SID_CLOSE_PENDING,
  SID_CONNECTING,
  SID_CREDIT,
  SID_ENDED,
  SID_FLAGS,
  SID_LISTENER,
  SID_STALLED,
  SID_STREAM,
} from './app-sids.ts'
import { PEER_ADDR, PEER_AUX, PEER_PORT, PEER_WORDS, PEER_ZONE } from './socket-constants.ts'
import type { Sockets } from './sockets.ts'

type AppReceivingDeps = {
  arena: Arena
  skbs: Pick<Skbs, 'alloc' | 'put'>
  sockets: Pick<Sockets, 'readSkb' | 'recvmsg' | 'recvfrom' | 'peerOf' | 'control'>
  consume: ConsumeFn
  completions: AppCompletions
  sids: AppSids
}
export type AppReceiving = ReturnType<typeof createAppReceiving>

const { EAGAIN, ENOBUFS } = Errno
const CHUNK = 65536
/** Of these nothing is read. */
const UNREAD = SID_ENDED | SID_CLOSE_PENDING | SID_CONNECTING | SID_LISTENER

export const createAppReceiving = (deps: AppReceivingDeps) => {
  const { arena, skbs, sockets, consume, completions } = deps
  const { i32, u8, layout } = arena
  const { rows, sockOf, isTaken } = deps.sids
  const { post, begin, handOver } = completions
  /** Rows of each application that wait for memory or room. */
  const stalled: number[][] = Array.from({ length: layout.config.apps }, () => [])
  /** A large skb to read into, kept until the batch is over; small reads are copied out of it. */
  let spare = 0

  const stall = (row: number): void => {
    completions.stall(appOf(row))
    if ((rows[row + SID_FLAGS] & SID_STALLED) !== 0) return
    rows[row + SID_FLAGS] |= SID_STALLED
    stalled[appOf(row)].push(row)
  }
  /** Tries again what waited for memory or for room in the ring. */
  const retry = (app: number): void => {
    const again = stalled[app]
    stalled[app] = []
    for (const row of again) {
      rows[row + SID_FLAGS] &= ~SID_STALLED
      pumpRecv(row)
    }
  }
  const canRetry = (app: number): boolean => stalled[app].length > 0 && canTake(app)
  const clear = (app: number): void => {
    stalled[app] = []
  }

  /** There is an skb to read into. */
  const hasSpare = (): boolean => {
    if (spare === 0) spare = skbs.alloc(LARGE_ROOM, RX_HEADROOM)
    return spare !== 0
  }
  /** True when one more can be received: room in the ring, and memory. */
  const canTake = (app: number): boolean => completions.hasRoom(app) && hasSpare()
  /** The batch is over: at rest nothing is held. */
  const putBack = (): void => {
    if (spare !== 0) consume(spare)
    spare = 0
  }
  /** Puts what comes beside the data of the record at `at` behind the spare's first `n` bytes; how many there are then. */
  const withControl = (at: number, n: number): number => {
    const bytes = controlBytes(sockets.control)
    if (bytes === 0) return n
    putControl(u8, i32[spare + SKB_DATA] + n, sockets.control)
    i32[at + E_CONTROL] = bytes
    return n + bytes
  }
  /** An skb of the spare's first `n` bytes: a small copy of it, or itself. */
  const take = (n: number): number => {
    if (n <= SMALL_ROOM) {
      const small = skbs.alloc(n, RX_HEADROOM)
      if (small !== 0) {
        const from = i32[spare + SKB_DATA]
        u8.copyWithin(skbs.put(small, n), from, from + n)
        return small
      }
    }
    const skb = spare
    spare = 0
    skbs.put(skb, n)
    return skb
  }

  const grant = (row: number, granted: number): void => {
    if (!isTaken(row)) return
    rows[row + SID_CREDIT] = creditOf(rows[row + SID_CREDIT] + creditOf(granted))
    pumpRecv(row)
  }
  const pumpRecv = (row: number): void => {
    const sk = sockOf(row)
    const flags = rows[row + SID_FLAGS]
    if (sk === 0 || (flags & UNREAD) !== 0) return
    if ((flags & SID_STREAM) === 0) pumpDatagrams(row, sk)
    else pumpStream(row, sk)
  }
  const pumpStream = (row: number, sk: number): void => {
    const app = appOf(row)
    while (rows[row + SID_CREDIT] > 0) {
      if (!completions.hasRoom(app)) return stall(row)
      const most = Math.min(rows[row + SID_CREDIT], CHUNK)
      const skb = sockets.readSkb(sk, most)
      if (skb === -EAGAIN) return
      if (skb !== 0) {
        rows[row + SID_CREDIT] -= i32[skb + SKB_LEN]
        begin(AppOp.RECV, row, 0, i32[skb + SKB_LEN])
        handOver(skb)
        continue
      }
      if (!hasSpare()) return stall(row)
      const n = sockets.recvmsg(sk, i32[spare + SKB_DATA], most)
      if (n === -EAGAIN) return
      if (n <= 0) return end(row, n)
      rows[row + SID_CREDIT] -= n
      handOver(take(withControl(begin(AppOp.RECV, row, 0, n), n)))
    }
  }
  const end = (row: number, result: number): void => {
    rows[row + SID_FLAGS] |= SID_ENDED
    post(AppOp.RECV, row, 0, result)
  }
  const pumpDatagrams = (row: number, sk: number): void => {
    while (rows[row + SID_CREDIT] > 0) {
      if (!canTake(appOf(row))) return stall(row)
      const n = sockets.recvfrom(sk, i32[spare + SKB_DATA], CHUNK)
      if (n === -EAGAIN) return
      if (n < 0) {
        // an ICMP error that came back: told, and the socket lives on
        rows[row + SID_CREDIT] -= DATAGRAM_CREDIT
        post(AppOp.RECVFROM, row, 0, n)
        continue
      }
      rows[row + SID_CREDIT] -= Math.max(n, DATAGRAM_CREDIT)
      const at = begin(AppOp.RECVFROM, row, 0, n)
      putPeer(at, sk)
      handOver(take(withControl(at, n)))
    }
  }
  const putPeer = (at: number, sk: number): void => {
    const peer = sockets.peerOf(sk)
    for (let w = 0; w < 4; w++) i32[at + E_ADDR + w] = peer[PEER_ADDR + w]
    i32[at + E_PORT] = peer[PEER_PORT]
    i32[at + E_ARG0] = peer[PEER_ZONE]
    for (let w = 0; w < PEER_WORDS - PEER_AUX; w++) i32[at + E_ARG1 + w] = peer[PEER_AUX + w]
  }
  /** One message of at most `len` octets, asked for, whatever credit there is. */
  const recvmsg = (row: number, user: number, len: number, how: number, sk: number): void => {
    if (!canTake(appOf(row))) return post(AppOp.RECVMSG, row, user, -ENOBUFS)
    const room = Math.max(0, Math.min(len, CHUNK))
    const receive = (rows[row + SID_FLAGS] & SID_STREAM) === 0 ? sockets.recvfrom : sockets.recvmsg
    const n = receive(sk, i32[spare + SKB_DATA], room, how)
    if (n < 0) post(AppOp.RECVMSG, row, user, n)
    else {
      const at = begin(AppOp.RECVMSG, row, user, n)
      putPeer(at, sk)
      // with MSG_TRUNC more is answered than there is; a stream's bytes are thrown away
      handOver(take(withControl(at, Math.min(n, room))))
    }
    putBack()
  }
  return { grant, pumpRecv, recvmsg, retry, canRetry, clear, putBack }
}
