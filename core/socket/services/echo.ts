/**
 * Echo (RFC 862): what comes in goes out again, over TCP and UDP on port 7. Called back by the socket layer after
 * a batch. It takes in no more than it hopes to send, and what TCP would not take waits in an skb of the
 * connection (SK_USER), during which nothing more is read: so nothing is lost and the peer's own window
 * closes. The end of the stream is answered once all is out. Worker only.
 */
import { Errno } from '../../base/errno.ts'
import type { Arena } from '../../shm/arena.ts'
import { Holder } from '../../skb/budget.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import { LARGE_ROOM, RX_HEADROOM, SKB_DATA, SKB_LEN, SMALL_ROOM } from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { PEER_ADDR, PEER_PORT, PEER_ZONE } from '../socket-constants.ts'
import type { Sockets } from '../sockets.ts'
import { SK_EVENT_READ, SK_SNDBUF, SK_USER, SK_WMEM } from '../sock.ts'
import {
  createTcpService,
  createUdpService,
  ECHO_PORT,
  isLoopPort,
  SERVICE_BUDGET,
  type Service,
} from './listen.ts'

type EchoDeps = {
  arena: Arena
  skbs: Skbs
  sockets: Sockets
  consume: ConsumeFn
  /** 64 KB of the arena through which the data of all connections passes. */
  scratch: number
}

const { EAGAIN } = Errno
const CHUNK = 65536

export const createEcho = ({ arena, skbs, sockets, consume, scratch }: EchoDeps): Service[] => {
  const { i32, u8 } = arena
  const { budget } = skbs
  const mostSmall = budget.bounds[Holder.service * 2]

  /** Sends what waits; true when nothing waits any more, false when it must wait or the connection is gone. */
  const flush = (sk: number): boolean => {
    const skb = i32[sk + SK_USER]
    if (skb === 0) return true
    // until all is out or the protocol says that it has no room, which makes it tell when it has some
    while (i32[skb + SKB_LEN] > 0) {
      const sent = sockets.sendmsg(sk, i32[skb + SKB_DATA], i32[skb + SKB_LEN], 0)
      if (sent === -EAGAIN) return false
      if (sent < 0) {
        finish(sk)
        return false
      }
      skbs.pull(skb, sent)
    }
    i32[sk + SK_USER] = 0
    consume(skb)
    return true
  }
  const finish = (sk: number): void => {
    const skb = i32[sk + SK_USER]
    i32[sk + SK_USER] = 0
    if (skb !== 0) consume(skb)
    sockets.close(sk)
  }
  /** Keeps the bytes at `from` that TCP did not take, in as small an skb as they fit; false when it may not keep more. */
  const keep = (sk: number, from: number, len: number): boolean => {
    const isSmall = len <= SMALL_ROOM && budget.smallHeld(Holder.service) < mostSmall
    let skb = isSmall ? skbs.alloc(len, RX_HEADROOM) : 0
    if (skb === 0 && mayKeepLarge()) skb = skbs.alloc(LARGE_ROOM, RX_HEADROOM)
    if (skb === 0) return false
    u8.copyWithin(skbs.put(skb, len), from, from + len)
    budget.hold(skb, Holder.service)
    i32[sk + SK_USER] = skb
    return true
  }
  const mayKeepLarge = (): boolean => budget.hasRoom(Holder.service, budget.oneLarge)
  /** How much to take in: what the send buffer seems to have room for, and no more than what can be kept. */
  const chunk = (sk: number): number =>
    mayKeepLarge()
      ? Math.max(SMALL_ROOM, Math.min(CHUNK, i32[sk + SK_SNDBUF] - i32[sk + SK_WMEM]))
      : SMALL_ROOM

  const connection = (sk: number): void => {
    if (!flush(sk)) return
    for (let moved = 0; moved < SERVICE_BUDGET; ) {
      const n = sockets.recvmsg(sk, scratch, chunk(sk))
      if (n === -EAGAIN) return
      if (n <= 0) return finish(sk)
      const sent = Math.max(0, sockets.sendmsg(sk, scratch, n, 0))
      if (sent < n) {
        // too many peers send and do not read: this one is one too many
        if (!keep(sk, scratch + sent, n - sent)) return sockets.abort(sk)
        // a second try tells an error from a full buffer
        if (!flush(sk)) return
      }
      moved += n
    }
    sockets.sockEvents(sk, SK_EVENT_READ)
  }

  const datagrams = (sk: number): void => {
    for (let moved = 0; moved < SERVICE_BUDGET; moved += 1500) {
      const n = sockets.recvfrom(sk, scratch, CHUNK)
      if (n === -EAGAIN) return
      if (n < 0) continue
      const peer = sockets.peerOf(sk)
      const port = peer[PEER_PORT]
      if (isLoopPort(port)) continue
      sockets.sendto(sk, scratch, n, peer, PEER_ADDR, port, peer[PEER_ZONE])
    }
    sockets.sockEvents(sk, SK_EVENT_READ)
  }

  return [
    createTcpService(sockets, ECHO_PORT, sockets.registerHandler(connection)),
    createUdpService(sockets, ECHO_PORT, sockets.registerHandler(datagrams)),
  ]
}
