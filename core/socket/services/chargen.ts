/**
 * Character generator (RFC 864): lines of 72 of the 95 printing characters, each line one character further on,
 * for as long as the peer listens; over UDP, a few lines for each datagram. Port 19. Called back by the socket
 * layer after a batch; a connection's place in the pattern is its SK_USER word. Worker only.
 */
import { Errno } from '../../base/errno.ts'
import type { Arena } from '../../shm/arena.ts'
import { PEER_ADDR, PEER_PORT, PEER_ZONE } from '../socket-constants.ts'
import type { Sockets } from '../sockets.ts'
import { MSG_TRUNC } from '../socket-constants.ts'
import { SK_EVENT_READ, SK_EVENT_WRITE, SK_USER } from '../sock.ts'
import {
  CHARGEN_PORT,
  createTcpService,
  createUdpService,
  isLoopPort,
  SERVICE_BUDGET,
  type Service,
} from './listen.ts'

/** `sink`: 64 KB of the arena that nobody reads; `page`: 512 bytes of it to build a datagram in. */
type ChargenDeps = {
  arena: Arena
  sockets: Sockets
  sink: number
  page: number
  random: () => number
}

const { EAGAIN } = Errno
const CHUNK = 65536
const PRINTING = 95
const FIRST = 32
const COLUMNS = 72
const LINE = COLUMNS + 2
/** The pattern repeats after as many bytes. */
export const PATTERN_BYTES = PRINTING * LINE
const REPEATS = 9
/** RFC 864: a datagram answers with 0 to 512 characters. */
const DATAGRAM_MAX = 512

/** The pattern, `REPEATS` times over so that one call sends much. */
export const chargenPattern = (): Uint8Array => {
  const pattern = new Uint8Array(PATTERN_BYTES * REPEATS)
  for (let k = 0; k < pattern.length; k++) {
    const column = k % LINE
    const line = (k / LINE) | 0
    pattern[k] =
      column === COLUMNS ? 13 : column === COLUMNS + 1 ? 10 : FIRST + ((line + column) % PRINTING)
  }
  return pattern
}

export const createChargen = ({ arena, sockets, sink, page, random }: ChargenDeps): Service[] => {
  const { i32, u8 } = arena
  const pattern = chargenPattern()

  /** Throws away what the peer says; false when it has said its last. */
  const drain = (sk: number): boolean => {
    for (let moved = 0; moved < SERVICE_BUDGET; ) {
      const n = sockets.recvmsg(sk, sink, SERVICE_BUDGET, MSG_TRUNC)
      if (n === -EAGAIN) return true
      if (n <= 0) return false
      moved += n
    }
    sockets.sockEvents(sk, SK_EVENT_READ)
    return true
  }
  const connection = (sk: number): void => {
    if (!drain(sk)) return sockets.close(sk)
    for (let moved = 0; moved < SERVICE_BUDGET; ) {
      const at = i32[sk + SK_USER]
      const n = sockets.sendBytes(sk, pattern, at, pattern.length - at)
      if (n === -EAGAIN) return
      if (n <= 0) return sockets.close(sk)
      i32[sk + SK_USER] = (at + n) % PATTERN_BYTES
      moved += n
    }
    sockets.sockEvents(sk, SK_EVENT_WRITE)
  }

  let line = 0
  const datagrams = (sk: number): void => {
    for (let moved = 0; moved < SERVICE_BUDGET; moved += DATAGRAM_MAX) {
      const n = sockets.recvfrom(sk, sink, CHUNK)
      if (n === -EAGAIN) return
      if (n < 0) continue
      const peer = sockets.peerOf(sk)
      const port = peer[PEER_PORT]
      if (isLoopPort(port)) continue
      const len = (random() >>> 1) % (DATAGRAM_MAX + 1)
      for (let k = 0; k < len; k++) u8[page + k] = pattern[line * LINE + k]
      line = (line + 1) % PRINTING
      sockets.sendto(sk, page, len, peer, PEER_ADDR, port, peer[PEER_ZONE])
    }
    sockets.sockEvents(sk, SK_EVENT_READ)
  }
  return [
    createTcpService(sockets, CHARGEN_PORT, sockets.registerHandler(connection)),
    createUdpService(sockets, CHARGEN_PORT, sockets.registerHandler(datagrams)),
  ]
}
