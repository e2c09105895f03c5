/**
 * One application as a worker sees it: its sockets by sid, what they still have to send, the credit they have to
 * receive. app-submit.ts asks, the socket layer's events come to `event`, answers go through app-completions.ts.
 * Nothing is taken out of TCP without credit, room in the completion ring and an skb to carry it, so an application
 * that does not read closes its peers' windows. Worker only.
 */
import { Errno } from '../base/errno.ts'
import { controlBytes, putControl } from './app-control.ts'
import type { Arena } from '../shm/arena.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import {
  LARGE_ROOM,
  RX_HEADROOM,
  SKB_CB,
  OWNER_IN_RING,
  SKB_DATA,
  SKB_LEN,
  SKB_NEXT,
  SKB_OWNER,
  SMALL_ROOM,
} from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import type { AppCompletions } from './app-completions.ts'
import {
  APP_SIDS,
  AppOp,
  CLOSE_ABORT,
  CLOSE_DRAIN,
  DATAGRAM_CREDIT,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_CONTROL,
  E_PORT,
  E_SKB,
} from './app-constants.ts'
import { PEER_ADDR, PEER_AUX, PEER_PORT, PEER_WORDS, PEER_ZONE } from './socket-constants.ts'
import { SHUT_RDWR, SHUT_WR } from './socket-constants.ts'
import {
  SK_DPORT,
  SK_DADDR,
  SK_EVENT_ACCEPT,
  SK_EVENT_CONNECT,
  SK_EVENT_ERROR,
  SK_EVENT_HUP,
  SK_EVENT_READ,
  SK_EVENT_WRITE,
  SK_EVENT_MASK,
  SK_GENERATION,
  SOCK_STREAM,
  SK_STATE,
  TCP_SYN_SENT,
} from './sock.ts'
import type { Sockets } from './sockets.ts'

type AppChannelDeps = {
  arena: Arena
  skbs: Skbs
  sockets: Sockets
  consume: ConsumeFn
  completions: AppCompletions
  /** Index of app-port's handler, and the word that leads from a socket to this channel's sid. */
  handler: number
  userBase: number
}

const { EAGAIN, EALREADY, EBUSY, ECANCELED, ECONNRESET, EINPROGRESS, EINVAL, ENOBUFS } = Errno
const CHUNK = 65536
/** Most credit that is remembered of what an application grants: sums of it stay numbers of 31 bits. */
const MAX_CREDIT = 1 << 30

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
/** Its close waits for the peer (SO_LINGER). */
const LINGERING = 256
/** A child-to-be: the listener `acceptOf` has it in its chain. */
const AWAITING = 128

export type AppChannel = ReturnType<typeof createAppChannel>

export const createAppChannel = (deps: AppChannelDeps) => {
  const { arena, skbs, sockets, consume, completions, handler, userBase } = deps
  const { i32, u8 } = arena
  const { stage, begin, commit, post, postWithAddresses } = completions
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
  const acceptOf = new Int32Array(APP_SIDS)
  /** Sids that wait for memory or room. */
  let stalled: number[] = []
  let high = 0
  /** A large skb to read into, kept until the batch is over; small reads are copied out of it. */
  let spare = 0

  // Sockets by sid.

  const credit = (granted: number): number => Math.max(0, Math.min(granted, MAX_CREDIT))
  const adopt = (sid: number, sk: number, bits: number, granted: number): void => {
    socks[sid] = sk
    generations[sid] = i32[sk + SK_GENERATION]
    flags[sid] = bits
    credits[sid] = credit(granted)
    if (sid > high) high = sid
    sockets.attach(sk, handler, userBase + sid)
  }
  const forget = (sid: number): void => {
    socks[sid] = 0
    flags[sid] = 0
    pollMask[sid] = 0
  }
  /** The sock of a sid, or 0. */
  const sockOf = (sid: number): number => {
    const sk = socks[sid]
    return sk !== 0 && sockets.isSame(sk, generations[sid]) ? sk : 0
  }
  /** The application has not been told of this sid's end yet, so it names nothing new. */
  const isTaken = (sid: number): boolean => socks[sid] !== 0 || (flags[sid] & AWAITING) !== 0

  // Sending.

  /** Sends an skb, or puts it behind those that wait. */
  const send = (sid: number, skb: number, user: number, more: number): void => {
    i32[skb + SKB_CB] = user
    i32[skb + SKB_CB + 1] = i32[skb + SKB_LEN]
    i32[skb + SKB_CB + 2] = more
    i32[skb + SKB_NEXT] = 0
    if (sendHead[sid] === 0) sendHead[sid] = skb
    else i32[sendTail[sid] + SKB_NEXT] = skb
    sendTail[sid] = skb
    if (sendHead[sid] === skb && (flags[sid] & CONNECTING) === 0) pumpSend(sid)
  }
  /** Takes the first skb off the queue, answers for it and frees it. */
  const sendDone = (sid: number, result: number): void => {
    const skb = sendHead[sid]
    sendHead[sid] = i32[skb + SKB_NEXT]
    i32[skb + SKB_NEXT] = 0
    post(AppOp.SEND, sid, i32[skb + SKB_CB], result)
    consume(skb)
  }
  const failSends = (sid: number, err: number): void => {
    while (sendHead[sid] !== 0) sendDone(sid, err)
  }
  const sendSkb = (sk: number, skb: number): number =>
    sockets.sendmsg(sk, i32[skb + SKB_DATA], i32[skb + SKB_LEN], i32[skb + SKB_CB + 2])
  /** Gives TCP what it takes; then does what waited for the queue to be empty. */
  const pumpSend = (sid: number): void => {
    const sk = sockOf(sid)
    for (let skb = sendHead[sid]; skb !== 0; skb = sendHead[sid]) {
      const n = sk === 0 ? -ECONNRESET : sendSkb(sk, skb)
      // it has begun to connect, or there is no room
      if (n === -EAGAIN || n === -EINPROGRESS) return
      if (n < 0) {
        failSends(sid, n)
        break
      }
      skbs.pull(skb, n)
      if (i32[skb + SKB_LEN] === 0) sendDone(sid, i32[skb + SKB_CB + 1])
    }
    if ((flags[sid] & (SHUT_PENDING | CLOSE_PENDING)) === 0 || isOpening(sk)) return
    if ((flags[sid] & SHUT_PENDING) !== 0) finishShutdown(sid, sk)
    if ((flags[sid] & CLOSE_PENDING) !== 0) endClose(sid, false)
  }
  /**
   * Its handshake is not over, though connect() has said so (TCP_FASTOPEN_CONNECT): an orderly end waits for that. With nothing
   * written the handshake begins now.
   */
  const isOpening = (sk: number): boolean => {
    if (sk === 0 || i32[sk + SK_STATE] !== TCP_SYN_SENT) return false
    sockets.sendmsg(sk, 0, 0, 0)
    return true
  }
  const finishShutdown = (sid: number, sk: number): void => {
    flags[sid] &= ~SHUT_PENDING
    const result = sk === 0 ? -ECONNRESET : sockets.shutdown(sk, SHUT_WR)
    post(AppOp.SHUTDOWN, sid, shutUser[sid], result)
  }

  const shutdown = (sid: number, user: number, how: number, sk: number): void => {
    if (how !== SHUT_WR) {
      if (how === SHUT_RDWR) failSends(sid, -ECONNRESET)
      return post(AppOp.SHUTDOWN, sid, user, sockets.shutdown(sk, how))
    }
    if ((flags[sid] & SHUT_PENDING) !== 0) return post(AppOp.SHUTDOWN, sid, user, -EALREADY)
    flags[sid] |= SHUT_PENDING
    shutUser[sid] = user
    if (sendHead[sid] !== 0 || (flags[sid] & CONNECTING) !== 0 || isOpening(sk)) return
    finishShutdown(sid, sk)
  }

  // Receiving.

  const grant = (sid: number, granted: number): void => {
    if (!isTaken(sid)) return
    credits[sid] = credit(credits[sid] + credit(granted))
    pumpRecv(sid)
  }

  const stall = (sid: number): void => {
    completions.stall()
    if ((flags[sid] & STALLED) !== 0) return
    flags[sid] |= STALLED
    stalled.push(sid)
  }
  /** Puts what comes beside the data behind the spare's first `n` bytes; how many there are then. */
  const withControl = (n: number): number => {
    const bytes = controlBytes(sockets.control)
    if (bytes === 0) return n
    putControl(u8, i32[spare + SKB_DATA] + n, sockets.control)
    i32[stage + E_CONTROL] = bytes
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
  /** There is an skb to read into. */
  const hasSpare = (): boolean => {
    if (spare === 0) spare = skbs.alloc(LARGE_ROOM, RX_HEADROOM)
    return spare !== 0
  }
  /** True when one more can be received: room in the ring, and memory. */
  const canTake = (): boolean => completions.hasRoom() && hasSpare()
  /** The batch is over: at rest a channel holds nothing. */
  const putBack = (): void => {
    if (spare !== 0) consume(spare)
    spare = 0
  }
  const end = (sid: number, result: number): void => {
    flags[sid] |= ENDED
    post(AppOp.RECV, sid, 0, result)
  }
  const pumpRecv = (sid: number): void => {
    const sk = sockOf(sid)
    if (sk === 0 || (flags[sid] & (ENDED | CLOSE_PENDING | CONNECTING | LISTENER)) !== 0) return
    if ((flags[sid] & STREAM) === 0) pumpDatagrams(sid, sk)
    else pumpStream(sid, sk)
  }
  const pumpStream = (sid: number, sk: number): void => {
    while (credits[sid] > 0) {
      if (!completions.hasRoom()) return stall(sid)
      const most = Math.min(credits[sid], CHUNK)
      const skb = sockets.readSkb(sk, most)
      if (skb !== 0) {
        credits[sid] -= i32[skb + SKB_LEN]
        begin(AppOp.RECV, sid, 0, i32[skb + SKB_LEN])
        handOver(skb)
        continue
      }
      if (!hasSpare()) return stall(sid)
      const n = sockets.recvmsg(sk, i32[spare + SKB_DATA], most)
      if (n === -EAGAIN) return
      if (n <= 0) return end(sid, n)
      credits[sid] -= n
      begin(AppOp.RECV, sid, 0, n)
      handOver(take(withControl(n)))
    }
  }
  const pumpDatagrams = (sid: number, sk: number): void => {
    while (credits[sid] > 0) {
      if (!canTake()) return stall(sid)
      const n = sockets.recvfrom(sk, i32[spare + SKB_DATA], CHUNK)
      if (n === -EAGAIN) return
      if (n < 0) {
        // an ICMP error that came back: told, and the socket lives on
        credits[sid] -= DATAGRAM_CREDIT
        post(AppOp.RECVFROM, sid, 0, n)
        continue
      }
      credits[sid] -= Math.max(n, DATAGRAM_CREDIT)
      begin(AppOp.RECVFROM, sid, 0, n)
      stagePeer(sk)
      handOver(take(withControl(n)))
    }
  }
  const stagePeer = (sk: number): void => {
    const peer = sockets.peerOf(sk)
    for (let w = 0; w < 4; w++) i32[stage + E_ADDR + w] = peer[PEER_ADDR + w]
    i32[stage + E_PORT] = peer[PEER_PORT]
    i32[stage + E_ARG0] = peer[PEER_ZONE]
    for (let w = 0; w < PEER_WORDS - PEER_AUX; w++) i32[stage + E_ARG1 + w] = peer[PEER_AUX + w]
  }
  /** One message of at most `len` octets, asked for, whatever credit there is. */
  const recvmsg = (sid: number, user: number, len: number, how: number, sk: number): void => {
    if (!canTake()) return post(AppOp.RECVMSG, sid, user, -ENOBUFS)
    const room = Math.max(0, Math.min(len, CHUNK))
    const receive = (flags[sid] & STREAM) === 0 ? sockets.recvfrom : sockets.recvmsg
    const n = receive(sk, i32[spare + SKB_DATA], room, how)
    if (n < 0) post(AppOp.RECVMSG, sid, user, n)
    else {
      begin(AppOp.RECVMSG, sid, user, n)
      stagePeer(sk)
      // with MSG_TRUNC more is answered than there is; a stream's bytes are thrown away
      handOver(take(withControl(Math.min(n, room))))
    }
    putBack()
  }
  const handOver = (skb: number): void => {
    i32[skb + SKB_OWNER] = OWNER_IN_RING
    i32[stage + E_SKB] = skb
    commit()
  }

  // Opening, accepting, connecting, closing.

  /** 0, or -errno. */
  const open = (
    sid: number,
    family: number,
    type: number,
    protocol: number,
    granted: number
  ): number => {
    if (isTaken(sid)) return -EBUSY
    const sk = sockets.socket(family, type, protocol)
    if (sk < 0) return sk
    adopt(sid, sk, type === SOCK_STREAM ? STREAM : 0, granted)
    return 0
  }
  const listen = (sid: number, backlog: number, sk: number): number => {
    const result = sockets.listen(sk, backlog)
    if (result === 0) flags[sid] |= LISTENER
    return result
  }
  /** `child` waits to become a connection of the listener `sid`. */
  const accept = (
    sid: number,
    child: number,
    user: number,
    granted: number,
    isNow: boolean
  ): void => {
    const refused = (flags[sid] & LISTENER) === 0 ? -EINVAL : isTaken(child) ? -EBUSY : 0
    if (refused !== 0) return post(AppOp.ACCEPT, child, user, refused)
    acceptNext[child] = 0
    acceptUser[child] = user
    acceptOf[child] = sid
    flags[child] = AWAITING
    credits[child] = credit(granted)
    if (child > high) high = child
    if (acceptHead[sid] === 0) acceptHead[sid] = child
    else acceptNext[acceptTail[sid]] = child
    acceptTail[sid] = child
    pumpAccept(sid)
    if (isNow && (flags[child] & AWAITING) !== 0) cancelAccept(child, -EAGAIN)
  }

  const pumpAccept = (sid: number): void => {
    const sk = sockOf(sid)
    if (sk === 0) return
    for (let child = acceptHead[sid]; child !== 0; child = acceptHead[sid]) {
      const accepted = sockets.accept(sk)
      if (accepted < 0) return
      acceptHead[sid] = acceptNext[child]
      if (acceptHead[sid] === 0) acceptTail[sid] = 0
      adopt(child, accepted, STREAM, credits[child])
      postWithAddresses(AppOp.ACCEPT, child, acceptUser[child], 0, accepted)
      pumpRecv(child)
    }
  }
  /** True until the application was told how its last connect ended. */
  const isConnecting = (sid: number): boolean => (flags[sid] & CONNECTING) !== 0
  /** What sockets.connect answered; when the handshake is under way the rest is an event's. */
  const connecting = (sid: number, user: number, result: number, sk: number): void => {
    if (result !== -EINPROGRESS) return postWithAddresses(AppOp.CONNECT, sid, user, result, sk)
    connectUser[sid] = user
    flags[sid] |= CONNECTING
  }
  /** As the call that waited would have said: another asks how the first has ended (inet_stream_connect). */
  const endConnect = (sid: number, sk: number): void => {
    const result = sockets.connect(sk, i32, sk + SK_DADDR, i32[sk + SK_DPORT])
    if (result !== -EALREADY) connected(sid, result, sk)
  }
  const connected = (sid: number, result: number, sk: number): void => {
    flags[sid] &= ~CONNECTING
    postWithAddresses(AppOp.CONNECT, sid, connectUser[sid], result, sk)
    if (result < 0) failSends(sid, result)
    pumpSend(sid)
  }
  /** Takes a child-to-be out of its listener's chain, and answers for it. */
  const cancelAccept = (child: number, result = -ECANCELED): void => {
    const sid = acceptOf[child]
    let before = 0
    for (let each = acceptHead[sid]; each !== child; each = acceptNext[each]) before = each
    if (before === 0) acceptHead[sid] = acceptNext[child]
    else acceptNext[before] = acceptNext[child]
    if (acceptTail[sid] === child) acceptTail[sid] = before
    flags[child] = 0
    post(AppOp.ACCEPT, child, acceptUser[child], result)
  }
  /** What was asked for and will not come any more is answered: each submission has its completion. */
  const cancel = (sid: number): void => {
    while (acceptHead[sid] !== 0) cancelAccept(acceptHead[sid])
    if ((flags[sid] & AWAITING) !== 0) cancelAccept(sid)
    if ((flags[sid] & CONNECTING) !== 0) post(AppOp.CONNECT, sid, connectUser[sid], -ECANCELED)
    if (pollMask[sid] !== 0) post(AppOp.POLL, sid, pollUser[sid], -ECANCELED)
  }
  const finishClose = (sid: number, abort: boolean): void => {
    const sk = sockOf(sid)
    cancel(sid)
    failSends(sid, -ECONNRESET)
    if ((flags[sid] & SHUT_PENDING) !== 0) finishShutdown(sid, sk)
    if (sk !== 0) {
      if (abort) sockets.abort(sk)
      else sockets.close(sk)
    }
    forget(sid)
    post(AppOp.CLOSE, sid, closeUser[sid], 0)
  }
  const close = (sid: number, user: number, how: number): void => {
    if ((flags[sid] & (CLOSE_PENDING | LINGERING)) !== 0)
      post(AppOp.CLOSE, sid, closeUser[sid], -ECANCELED)
    closeUser[sid] = user
    const sk = sockOf(sid)
    if (how === CLOSE_DRAIN && sk !== 0 && (sendHead[sid] !== 0 || isOpening(sk))) {
      flags[sid] |= CLOSE_PENDING
      return
    }
    endClose(sid, how === CLOSE_ABORT)
  }
  /** The close of a living application, which waits where its socket lingers. */
  const endClose = (sid: number, abort: boolean): void => {
    const sk = sockOf(sid)
    if (abort || sk === 0 || !sockets.linger(sk)) return finishClose(sid, abort)
    flags[sid] |= LINGERING
    // nothing comes to it any more
    flags[sid] |= ENDED
  }

  /** What the socket layer has to say about a sid's socket. */
  const event = (sid: number, events: number): void => {
    const sk = sockOf(sid)
    if (sk === 0) return
    if ((flags[sid] & LINGERING) !== 0) return endClose(sid, false)
    if ((flags[sid] & CONNECTING) !== 0) {
      if ((events & (SK_EVENT_CONNECT | SK_EVENT_ERROR | SK_EVENT_HUP)) === 0) return
      endConnect(sid, sk)
      if ((events & SK_EVENT_CONNECT) === 0) return
    }
    const met = pollMask[sid] & events
    if (met !== 0) {
      pollMask[sid] = 0
      post(AppOp.POLL, sid, pollUser[sid], met)
    }
    if ((flags[sid] & LISTENER) !== 0) return pumpAccept(sid)
    // what was received before an error is delivered before it
    if ((events & ~(SK_EVENT_WRITE | SK_EVENT_ACCEPT)) !== 0) pumpRecv(sid)
    if ((events & ~(SK_EVENT_READ | SK_EVENT_ACCEPT)) !== 0) pumpSend(sid)
  }

  /** Tells once when one of `events` has happened; a newer wish takes the older one's place. */
  const poll = (sid: number, user: number, events: number): void => {
    if (pollMask[sid] !== 0) post(AppOp.POLL, sid, pollUser[sid], -ECANCELED)
    pollMask[sid] = 0
    if ((events & SK_EVENT_MASK) === 0) return post(AppOp.POLL, sid, user, -EINVAL)
    pollMask[sid] = events & SK_EVENT_MASK
    pollUser[sid] = user
  }

  /** Tries again what waited for memory or for room in the ring. */
  const retry = (): void => {
    if (!completions.isStalled()) return
    completions.retry()
    const again = stalled
    stalled = []
    for (const sid of again) {
      flags[sid] &= ~STALLED
      pumpRecv(sid)
    }
  }

  /** The application is gone, or another has come in its place: ends all it had. `next` tags what follows. */
  const reset = (next: number): void => {
    completions.clear(consume)
    for (let sid = 1; sid <= high; sid++) {
      if (isTaken(sid) || sendHead[sid] !== 0) finishClose(sid, false)
      credits[sid] = 0
    }
    stalled = []
    high = 0
    completions.setTag(next)
  }
  /** True when what stalled may go on. With the application's look at PAIR_STALLED, no wake-up is missed. */
  const canRetry = (): boolean =>
    completions.isStalled() && (completions.canRetry() || (stalled.length > 0 && canTake()))
  /** How many of the application's sockets live here. */
  const count = (): number => {
    let live = 0
    for (let sid = 1; sid <= high; sid++) if (socks[sid] !== 0) live++
    return live
  }

  return {
    sockOf,
    open,
    listen,
    accept,
    isConnecting,
    connecting,
    send,
    grant,
    recvmsg,
    handOver,
    shutdown,
    close,
    poll,
    event,
    retry,
    canRetry,
    putBack,
    reset,
    count,
  }
}
