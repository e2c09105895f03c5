/**
 * A socket's own address and port, as bind() or listen() asks for them. Called by the socket layer on the worker.
 * Linux: __inet_bind, inet_csk_get_port, inet_csk_listen_start.
 */
import { Errno } from '../../../base/errno.ts'
import { clearAddr, isAnyAddr } from '../../../base/family.ts'
import type { Arena } from '../../../shm/arena.ts'
import type { AddrType } from '../../../inet/addr/addr-type.ts'
import { SK_INET_FLAGS, SK_SPORT } from '../../../socket/inet-sock.ts'
import { SK_FLAGS, SK_NUM, SK_SADDR, SK_STATE, TCP_CLOSE } from '../../../socket/sock.ts'
import { INET_NO_PORT } from '../../../socket/socket-constants.ts'
import { bindAddr } from '../../bind-addr.ts'
import { type Ports, highPort, lowPort } from '../../ports.ts'
import { SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK } from '../sock/sock-flags.ts'

export type TcpBind = ReturnType<typeof createTcpBind>
type TcpBindDeps = {
  arena: Arena
  random: () => number
  ports: Ports
} & Pick<AddrType, 'addrType'>

export const createTcpBind = ({ arena, random, ports, addrType }: TcpBindDeps) => {
  const { i32 } = arena

  /** A port that nobody has, or whose holders do not mind; 0 when there is none. */
  const freePort = (sk: number): number =>
    ports.pick(
      lowPort(arena, sk),
      highPort(arena, sk),
      random(),
      (port) => ports.first(port) === 0 || !ports.conflicts(sk, port)
    )
  /** Gives a socket its local address and port (0: any); 0 or -errno. */
  const bind = (sk: number, words: Int32Array, at: number, port: number): number => {
    if (i32[sk + SK_STATE] !== TCP_CLOSE || i32[sk + SK_NUM] !== 0) return -Errno.EINVAL
    const err = bindAddr(arena, addrType, sk, words, at)
    if (err !== 0) return err
    // the port is left to connect(), or listen()
    if (port === 0 && (i32[sk + SK_INET_FLAGS] & INET_NO_PORT) !== 0) {
      if (!isAnyAddr(words, at)) i32[sk + SK_FLAGS] |= SOCK_BINDADDR_LOCK
      i32[sk + SK_SPORT] = 0
      return 0
    }
    const chosen = port !== 0 ? port : freePort(sk)
    if (chosen === 0 || ports.conflicts(sk, chosen)) {
      clearAddr(i32, sk + SK_SADDR)
      return -Errno.EADDRINUSE
    }
    ports.hold(sk, chosen)
    i32[sk + SK_FLAGS] |=
      (isAnyAddr(words, at) ? 0 : SOCK_BINDADDR_LOCK) | (port !== 0 ? SOCK_BINDPORT_LOCK : 0)
    return 0
  }
  /** A port for a socket that has none, at the address that it is bound to; 0 or -errno. */
  const bindPort = (sk: number): number => {
    const port = freePort(sk)
    if (port === 0) return -Errno.EADDRINUSE
    ports.hold(sk, port)
    return 0
  }

  return { bind, bindPort }
}
