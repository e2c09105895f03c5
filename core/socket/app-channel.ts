/**
 * One application as a worker sees it: its sockets by sid, what they still have to send, the credit they have to
 * receive. Made by app-port.ts, which drains the submission ring into `submit`; the socket layer's events come
 * to `event`. Nothing is taken out of TCP without credit, room in the completion ring and an skb to carry it,
 * so an application that does not read closes its peers' windows. Worker only.
 */
import { Errno } from '../base/errno.ts'
import { appRing } from '../shm/arena.ts'
import type { Arena } from '../shm/arena.ts'
import { APP_BLOCK_WORDS, APP_PAIR_WORDS, APP_RECORD_WORDS, APP_RING_WORDS } from '../shm/layout.ts'
import { ringPublish, ringReserve, ringUnpublished, ringWritable } from '../shm/ring.ts'
import {
  LARGE_ROOM,
  RX_HEADROOM,
  SKB_CB,
  SKB_DATA,
  SKB_LEN,
  SKB_NEXT,
  SKB_OWNER,
  SMALL_ROOM,
  type Skbs,
} from '../skb/skb.ts'
import {
  APP_SIDS,
  APP_SLEEPING,
  AppOp,
  CLOSE_ABORT,
  CLOSE_DRAIN,
  DATAGRAM_CREDIT,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_ARG2,
  E_LEN,
  E_LPORT,
  E_OP,
  E_PORT,
  E_SID,
  E_SKB,
  E_TAG,
  E_USER,
  IN_RING,
  PAIR_STAGE,
  PAIR_STALLED,
} from './app-constants.ts'
import { PEER_ADDR, PEER_PORT, SHUT_RDWR, SHUT_WR } from './proto.ts'
import {
  SK_DADDR,
  SK_DPORT,
  SK_EVENT_ACCEPT,
  SK_EVENT_CONNECT,
  SK_EVENT_ERROR,
  SK_EVENT_HUP,
  SK_EVENT_READ,
  SK_EVENT_WRITE,
  SK_GENERATION,
  SK_NUM,
  SK_SADDR,
  SOCK_STREAM,
} from './sock.ts'
import type { Sockets } from './sockets.ts'

export type AppChannelDeps = {
  arena: Arena
  worker: number
  app: number
  skbs: Skbs
  sockets: Sockets
  consume: (skb: number) => void
  /** Index of app-port's handler, and the word that leads from a socket to this channel's sid. */
  handler: number
  userBase: number
  wakeApp: (app: number) => void
}

const { EAGAIN, EBADF, ECONNRESET, EINPROGRESS, EINVAL } = Errno
const CHUNK = 65536

// Bits of flags[sid].
const STREAM = 1
const LISTENER = 2
const CONNECTING = 4
/** The application has been told of the end, or of the error: nothing more is read. */
const ENDED = 8
const SHUT_PENDING = 16
const CLOSE_PENDING = 32
/** On the list of those that wait for memory or for room in the ring. */
const STALLED = 64

export type AppChannel = ReturnType<typeof createAppChannel>

export const createAppChannel = (deps: AppChannelDeps) => {
  const { arena, worker, app, skbs, sockets, consume, handler, userBase, wakeApp } = deps
  const { i32, u8, layout } = arena
  const block = layout.appBlocks + app * APP_BLOCK_WORDS
  const pair = layout.appPairs + (app * layout.config.workers + worker) * APP_PAIR_WORDS
  const stage = pair + PAIR_STAGE
  const completions = appRing(layout, app, worker) + APP_RING_WORDS
  const socks = new Int32Array(APP_SIDS)
  const generations = new Int32Array(APP_SIDS)
  const flags = new Int32Array(APP_SIDS)
  const credits = new Int32Array(APP_SIDS)
  const closeUser = new Int32Array(APP_SIDS)
  const shutUser = new Int32Array(APP_SIDS)
  const connectUser = new Int32Array(APP_SIDS)
  const pollMask = new Int32Array(APP_SIDS)
  const pollUser = new Int32Array(APP_SIDS)
  // what waits to be sent: skbs chained by SKB_NEXT
  const sendHead = new Int32Array(APP_SIDS)
  const sendTail = new Int32Array(APP_SIDS)
  // a listener's children-to-be, chained; acceptUser is theirs
  const acceptHead = new Int32Array(APP_SIDS)
  const acceptTail = new Int32Array(APP_SIDS)
  const acceptNext = new Int32Array(APP_SIDS)
  const acceptUser = new Int32Array(APP_SIDS)
  /** Sids that wait for memory or room. */
  let stalled: number[] = []
  /** Completions that found the ring full, a record after the other. */
  let overflow: number[] = []
  let high = 0
  let tag = 0
  let posted = false
  /** A large skb to read into; small reads are copied out of it. */
  let spare = 0

  // Completions.

  /** Begins a completion; the caller may fill in more before `commit`. */
  const begin = (op: number, sid: number, user: number, result: number): void => {
    i32.fill(0, stage, stage + APP_RECORD_WORDS)
    i32[stage + E_OP] = op
    i32[stage + E_SID] = sid
    i32[stage + E_USER] = user
    i32[stage + E_TAG] = tag
    i32[stage + E_LEN] = result
  }
  const commit = (): void => {
    posted = true
    const at = overflow.length > 0 ? 0 : ringReserve(i32, completions, APP_RECORD_WORDS)
    if (at !== 0) {
      i32.copyWithin(at, stage, stage + APP_RECORD_WORDS)
      return
    }
    // answers are as many as the application's questions, so this stays small
    for (let w = 0; w < APP_RECORD_WORDS; w++) overflow.push(i32[stage + w]!)
    Atomics.store(i32, pair + PAIR_STALLED, 1)
  }
  const post = (op: number, sid: number, user: number, result: number): void => {
    begin(op, sid, user, result)
    commit()
  }
  const postWithAddresses = (
    op: number,
    sid: number,
    user: number,
    result: number,
    sk: number
  ): void => {
    begin(op, sid, user, result)
    for (let w = 0; w < 4; w++) {
      i32[stage + E_ADDR + w] = i32[sk + SK_DADDR + w]!
      i32[stage + E_ARG0 + w] = i32[sk + SK_SADDR + w]!
    }
    i32[stage + E_PORT] = i32[sk + SK_DPORT]!
    i32[stage + E_LPORT] = i32[sk + SK_NUM]!
    commit()
  }
  const drainOverflow = (): void => {
    let taken = 0
    while (taken < overflow.length) {
      const at = ringReserve(i32, completions, APP_RECORD_WORDS)
      if (at === 0) break
      for (let w = 0; w < APP_RECORD_WORDS; w++) i32[at + w] = overflow[taken + w]!
      taken += APP_RECORD_WORDS
      posted = true
    }
    overflow = overflow.slice(taken)
  }
  /** Shows the application what was posted, and wakes it when it sleeps. Once a batch. */
  const flush = (): void => {
    if (!posted) return
    posted = false
    if (ringUnpublished(i32, completions)) ringPublish(i32, completions)
    if (Atomics.compareExchange(i32, block + APP_SLEEPING, 1, 0) === 1) wakeApp(app)
  }

  // Sockets by sid.

  const adopt = (sid: number, sk: number, bits: number, credit: number): void => {
    socks[sid] = sk
    generations[sid] = i32[sk + SK_GENERATION]!
    flags[sid] = bits
    credits[sid] = credit
    if (sid > high) high = sid
    sockets.attach(sk, handler, userBase + sid)
  }
  const forget = (sid: number): void => {
    socks[sid] = 0
    flags[sid] = 0
    pollMask[sid] = 0
    acceptHead[sid] = 0
    acceptTail[sid] = 0
  }
  /** The sock of a sid, or 0. */
  const sockOf = (sid: number): number => {
    const sk = socks[sid]!
    return sk !== 0 && sockets.isSame(sk, generations[sid]!) ? sk : 0
  }

  // Sending.

  const queueSend = (sid: number, skb: number): void => {
    i32[skb + SKB_NEXT] = 0
    if (sendHead[sid] === 0) sendHead[sid] = skb
    else i32[sendTail[sid]! + SKB_NEXT] = skb
    sendTail[sid] = skb
  }
  /** Takes the first skb off the queue, answers for it and frees it. */
  const sendDone = (sid: number, result: number): void => {
    const skb = sendHead[sid]!
    sendHead[sid] = i32[skb + SKB_NEXT]!
    i32[skb + SKB_NEXT] = 0
    if (tag !== 0) post(AppOp.SEND, sid, i32[skb + SKB_CB]!, result)
    consume(skb)
  }
  const failSends = (sid: number, err: number): void => {
    while (sendHead[sid] !== 0) sendDone(sid, err)
  }
  /** Gives TCP what it takes; then does what waited for the queue to be empty. */
  const pumpSend = (sid: number): void => {
    const sk = sockOf(sid)
    for (let skb = sendHead[sid]!; skb !== 0; skb = sendHead[sid]!) {
      const n =
        sk === 0 ? -ECONNRESET : sockets.sendmsg(sk, i32[skb + SKB_DATA]!, i32[skb + SKB_LEN]!, 0)
      if (n === -EAGAIN) return
      if (n < 0) {
        failSends(sid, n)
        break
      }
      skbs.pull(skb, n)
      if (i32[skb + SKB_LEN] === 0) sendDone(sid, i32[skb + SKB_CB + 1]!)
    }
    if ((flags[sid]! & SHUT_PENDING) !== 0) finishShutdown(sid, sk)
    if ((flags[sid]! & CLOSE_PENDING) !== 0) finishClose(sid, false)
  }
  const finishShutdown = (sid: number, sk: number): void => {
    flags[sid]! &= ~SHUT_PENDING
    const result = sk === 0 ? -ECONNRESET : sockets.shutdown(sk, SHUT_WR)
    if (tag !== 0) post(AppOp.SHUTDOWN, sid, shutUser[sid]!, result)
  }

  // Receiving.

  const stall = (sid: number): void => {
    Atomics.store(i32, pair + PAIR_STALLED, 1)
    if ((flags[sid]! & STALLED) !== 0) return
    flags[sid]! |= STALLED
    stalled.push(sid)
  }
  /** An skb of the spare's first `n` bytes: a small copy of it, or itself. */
  const take = (n: number): number => {
    if (n <= SMALL_ROOM) {
      const small = skbs.alloc(n, RX_HEADROOM)
      if (small !== 0) {
        const from = i32[spare + SKB_DATA]!
        u8.copyWithin(skbs.put(small, n), from, from + n)
        return small
      }
    }
    const skb = spare
    spare = 0
    skbs.put(skb, n)
    return skb
  }
  /** True when one more can be received: room in the ring, and memory. */
  const canTake = (): boolean => {
    if (overflow.length > 0 || !ringWritable(i32, completions, APP_RECORD_WORDS)) return false
    if (spare === 0) spare = skbs.alloc(LARGE_ROOM, RX_HEADROOM)
    return spare !== 0
  }
  const end = (sid: number, result: number): void => {
    flags[sid]! |= ENDED
    post(AppOp.RECV, sid, 0, result)
  }
  const pumpRecv = (sid: number): void => {
    const sk = sockOf(sid)
    if (sk === 0 || (flags[sid]! & (ENDED | CLOSE_PENDING | CONNECTING | LISTENER)) !== 0) return
    if ((flags[sid]! & STREAM) === 0) return pumpDatagrams(sid, sk)
    while (credits[sid]! > 0) {
      if (!canTake()) return stall(sid)
      const n = sockets.recvmsg(sk, i32[spare + SKB_DATA]!, Math.min(credits[sid]!, CHUNK))
      if (n === -EAGAIN) return
      if (n <= 0) return end(sid, n)
      credits[sid]! -= n
      begin(AppOp.RECV, sid, 0, n)
      handOver(take(n))
    }
  }
  const pumpDatagrams = (sid: number, sk: number): void => {
    while (credits[sid]! > 0) {
      if (!canTake()) return stall(sid)
      const n = sockets.recvfrom(sk, i32[spare + SKB_DATA]!, CHUNK)
      if (n === -EAGAIN) return
      if (n < 0) {
        // an ICMP error that came back: told, and the socket lives on
        credits[sid]! -= DATAGRAM_CREDIT
        post(AppOp.RECVFROM, sid, 0, n)
        continue
      }
      credits[sid]! -= Math.max(n, DATAGRAM_CREDIT)
      begin(AppOp.RECVFROM, sid, 0, n)
      const peer = sockets.peerOf(sk)
      for (let w = 0; w < 4; w++) i32[stage + E_ADDR + w] = peer[PEER_ADDR + w]!
      i32[stage + E_PORT] = peer[PEER_PORT]!
      handOver(take(n))
    }
  }
  const handOver = (skb: number): void => {
    i32[skb + SKB_OWNER] = IN_RING
    i32[stage + E_SKB] = skb
    commit()
  }

  // Accepting, connecting, closing.

  const pumpAccept = (sid: number): void => {
    const sk = sockOf(sid)
    if (sk === 0) return
    for (let child = acceptHead[sid]!; child !== 0; child = acceptHead[sid]!) {
      const accepted = sockets.accept(sk)
      if (accepted < 0) return
      acceptHead[sid] = acceptNext[child]!
      adopt(child, accepted, STREAM, credits[child]!)
      postWithAddresses(AppOp.ACCEPT, child, acceptUser[child]!, 0, accepted)
      pumpRecv(child)
    }
  }
  const connected = (sid: number, result: number, sk: number): void => {
    flags[sid]! &= ~CONNECTING
    postWithAddresses(AppOp.CONNECT, sid, connectUser[sid]!, result, sk)
    if (result < 0) failSends(sid, result)
    pumpSend(sid)
  }
  const finishClose = (sid: number, abort: boolean): void => {
    const sk = sockOf(sid)
    failSends(sid, -ECONNRESET)
    if ((flags[sid]! & SHUT_PENDING) !== 0) finishShutdown(sid, sk)
    if (sk !== 0) {
      if (abort) sockets.abort(sk)
      else sockets.close(sk)
    }
    forget(sid)
    if (tag !== 0) post(AppOp.CLOSE, sid, closeUser[sid]!, 0)
  }
  const close = (sid: number, user: number, how: number): void => {
    closeUser[sid] = user
    if (how === CLOSE_DRAIN && sockOf(sid) !== 0 && sendHead[sid] !== 0) {
      flags[sid]! |= CLOSE_PENDING
      return
    }
    finishClose(sid, how === CLOSE_ABORT)
  }

  /** What the socket layer has to say about a sid's socket. */
  const event = (sid: number, events: number): void => {
    const sk = sockOf(sid)
    if (sk === 0) return
    if ((flags[sid]! & LISTENER) !== 0) return pumpAccept(sid)
    if ((flags[sid]! & CONNECTING) !== 0) {
      if ((events & SK_EVENT_CONNECT) !== 0) connected(sid, 0, sk)
      else if ((events & (SK_EVENT_ERROR | SK_EVENT_HUP)) !== 0)
        return connected(sid, -(sockets.takeError(sk) || ECONNRESET), sk)
      else return
    }
    const met = pollMask[sid]! & events
    if (met !== 0) {
      pollMask[sid] = 0
      post(AppOp.POLL, sid, pollUser[sid]!, met)
    }
    // what was received before an error is delivered before it
    if ((events & ~(SK_EVENT_WRITE | SK_EVENT_ACCEPT)) !== 0) pumpRecv(sid)
    if ((events & ~(SK_EVENT_READ | SK_EVENT_ACCEPT)) !== 0) pumpSend(sid)
  }

  // Submissions.

  const openSocket = (at: number, sid: number): number => {
    const type = i32[at + E_ARG1]!
    const sk = sockets.socket(i32[at + E_ARG0]!, type, i32[at + E_ARG2]!)
    if (sk < 0) return sk
    adopt(sid, sk, type === SOCK_STREAM ? STREAM : 0, i32[at + E_LEN]!)
    return 0
  }
  const a = E_ADDR
  const bind = (at: number, sk: number): number =>
    sockets.bind(
      sk,
      i32[at + a]!,
      i32[at + a + 1]!,
      i32[at + a + 2]!,
      i32[at + a + 3]!,
      i32[at + E_PORT]!
    )

  const connect = (at: number, sid: number, sk: number): void => {
    flags[sid]! |= CONNECTING
    connectUser[sid] = i32[at + E_USER]!
    const port = i32[at + E_PORT]!
    const result = sockets.connect(
      sk,
      i32[at + a]!,
      i32[at + a + 1]!,
      i32[at + a + 2]!,
      i32[at + a + 3]!,
      port
    )
    if (result !== -EINPROGRESS) connected(sid, result, sk)
  }
  const accept = (at: number, sid: number): void => {
    const child = i32[at + E_PORT]!
    acceptNext[child] = 0
    acceptUser[child] = i32[at + E_USER]!
    credits[child] = i32[at + E_LEN]!
    if (acceptHead[sid] === 0) acceptHead[sid] = child
    else acceptNext[acceptTail[sid]!] = child
    acceptTail[sid] = child
    pumpAccept(sid)
  }
  const send = (at: number, sid: number): void => {
    const skb = i32[at + E_SKB]!
    i32[skb + SKB_OWNER] = worker
    i32[skb + SKB_CB] = i32[at + E_USER]!
    i32[skb + SKB_CB + 1] = i32[skb + SKB_LEN]!
    queueSend(sid, skb)
    // behind another one it waits for its turn
    if (sendHead[sid] === skb && (flags[sid]! & CONNECTING) === 0) pumpSend(sid)
  }
  const sendto = (at: number, sk: number): number => {
    const skb = i32[at + E_SKB]!
    i32[skb + SKB_OWNER] = worker
    const result =
      sk === 0
        ? -EBADF
        : sockets.sendto(
            sk,
            i32[skb + SKB_DATA]!,
            i32[skb + SKB_LEN]!,
            i32[at + a]!,
            i32[at + a + 1]!,
            i32[at + a + 2]!,
            i32[at + a + 3]!,
            i32[at + E_PORT]!
          )
    consume(skb)
    return result
  }
  const shutdown = (at: number, sid: number, sk: number): void => {
    const how = i32[at + E_LEN]!
    if (how !== SHUT_WR) {
      if (how === SHUT_RDWR) failSends(sid, -ECONNRESET)
      return post(AppOp.SHUTDOWN, sid, i32[at + E_USER]!, sockets.shutdown(sk, how))
    }
    flags[sid]! |= SHUT_PENDING
    shutUser[sid] = i32[at + E_USER]!
    if (sendHead[sid] === 0 && (flags[sid]! & CONNECTING) === 0) finishShutdown(sid, sk)
  }

  /** Does what the record at `at` asks for. */
  const submit = (at: number): void => {
    const op = i32[at + E_OP]!
    const sid = i32[at + E_SID]!
    const user = i32[at + E_USER]!
    const sk = sockOf(sid)
    switch (op) {
      case AppOp.SEND:
        return send(at, sid)
      case AppOp.RECV:
        credits[sid]! += i32[at + E_LEN]!
        return pumpRecv(sid)
      case AppOp.SENDTO:
        return post(op, sid, user, sendto(at, sk))
      case AppOp.SOCKET:
        return post(op, sid, user, openSocket(at, sid))
      case AppOp.CLOSE:
        return close(sid, user, i32[at + E_ARG0]!)
    }
    if (sk === 0) return post(op, sid, user, -EBADF)
    switch (op) {
      case AppOp.ACCEPT:
        return accept(at, sid)
      case AppOp.CONNECT:
        return connect(at, sid, sk)
      case AppOp.BIND:
        return postWithAddresses(op, sid, user, bind(at, sk), sk)
      case AppOp.LISTEN:
        flags[sid]! |= LISTENER
        return postWithAddresses(op, sid, user, sockets.listen(sk, i32[at + E_LEN]!), sk)
      case AppOp.SHUTDOWN:
        return shutdown(at, sid, sk)
      case AppOp.SETSOCKOPT:
        return post(
          op,
          sid,
          user,
          sockets.setsockopt(sk, i32[at + E_ARG0]!, i32[at + E_ARG1]!, i32[at + E_ARG2]!)
        )
      case AppOp.GETSOCKOPT:
        return post(op, sid, user, sockets.getsockopt(sk, i32[at + E_ARG0]!, i32[at + E_ARG1]!))
      case AppOp.GETSOCKNAME:
      case AppOp.GETPEERNAME:
        return postWithAddresses(op, sid, user, 0, sk)
      case AppOp.POLL:
        pollMask[sid] = i32[at + E_LEN]!
        pollUser[sid] = user
        return
    }
    post(op, sid, user, -EINVAL)
  }

  /** Tries again what waited for memory or for room in the ring. */
  const retry = (): void => {
    if (i32[pair + PAIR_STALLED] === 0) return
    i32[pair + PAIR_STALLED] = 0
    drainOverflow()
    if (overflow.length > 0) i32[pair + PAIR_STALLED] = 1
    const again = stalled
    stalled = []
    for (const sid of again) {
      flags[sid]! &= ~STALLED
      pumpRecv(sid)
    }
  }

  /** The application is gone, or another has come in its place: ends all it had. `next` tags what follows. */
  const reset = (next: number): void => {
    // nobody is left to be answered
    tag = 0
    for (let sid = 1; sid <= high; sid++) {
      if (socks[sid] !== 0 || sendHead[sid] !== 0) finishClose(sid, false)
      credits[sid] = 0
    }
    for (let k = E_SKB; k < overflow.length; k += APP_RECORD_WORDS)
      if (overflow[k] !== 0) consume(overflow[k]!)
    overflow = []
    stalled = []
    i32[pair + PAIR_STALLED] = 0
    high = 0
    tag = next
  }
  /** True when what stalled may go on. With the application's look at PAIR_STALLED, no wake-up is missed. */
  const canRetry = (): boolean =>
    i32[pair + PAIR_STALLED] !== 0 &&
    ringWritable(i32, completions, APP_RECORD_WORDS) &&
    (overflow.length > 0 || canTake())
  /** How many of the application's sockets live here. */
  const count = (): number => {
    let live = 0
    for (let sid = 1; sid <= high; sid++) if (socks[sid] !== 0) live++
    return live
  }

  return { submit, event, flush, retry, canRetry, reset, count }
}
