/**
 * Discard (RFC 863): takes in and throws away, over TCP and UDP on port 9. Called back by the socket layer after a
 * batch. Worker only.
 */
import { Errno } from '../../base/errno.ts'
import type { Sockets } from '../sockets.ts'
import { SK_EVENT_READ } from '../sock.ts'
import { MSG_TRUNC } from '../socket-constants.ts'
import {
  createTcpService,
  createUdpService,
  DISCARD_PORT,
  SERVICE_BUDGET,
  type Service,
} from './listen.ts'

/** `sink`: 64 KB of the arena that nobody reads. */
type DiscardDeps = { sockets: Sockets; sink: number }

const { EAGAIN } = Errno
const CHUNK = 65536

export const createDiscard = ({ sockets, sink }: DiscardDeps): Service[] => {
  const connection = (sk: number): void => {
    for (let moved = 0; moved < SERVICE_BUDGET; ) {
      const n = sockets.recvmsg(sk, sink, SERVICE_BUDGET, MSG_TRUNC)
      if (n === -EAGAIN) return
      if (n <= 0) return sockets.close(sk)
      moved += n
    }
    sockets.sockEvents(sk, SK_EVENT_READ)
  }
  const datagrams = (sk: number): void => {
    for (let moved = 0; moved < SERVICE_BUDGET; moved += 1500)
      if (sockets.recvfrom(sk, sink, CHUNK) === -EAGAIN) return
    sockets.sockEvents(sk, SK_EVENT_READ)
  }
  return [
    createTcpService(sockets, DISCARD_PORT, sockets.registerHandler(connection)),
    createUdpService(sockets, DISCARD_PORT, sockets.registerHandler(datagrams)),
  ]
}
