/**
 * TCP of a stack: segments to sockets and back, a protocol of the socket layer. Tests and benches of TCP alone make it here
 * too, over an IP of their own.
 */
import { DEV_FEATURES, DEV_GSO_MAX, deviceRow, NETIF_F_TSO } from '../netdev/netdev.ts'
import { SOCK_STREAM } from '../socket/sock.ts'
import { CONGESTION_CONTROLS } from '../transport/tcp/cong/tcp-cong-controls.ts'
import { createKeepError } from '../transport/keep-error.ts'
import { createTcpErr, createTcpProto } from '../transport/tcp/sock/tcp-proto.ts'
import type { TcpDeps } from '../transport/tcp/parts/tcp-base.ts'
import { createTcp as createTcpLayer } from '../transport/tcp/tcp.ts'
import { IPPROTO_TCP } from '../wire/ipproto.ts'
import type { Inet } from './inet.ts'
import type { Machine } from './machine.ts'
import type { SocketLayer } from './sockets.ts'

/** What TCP uses of the internet layer. */
export type TcpInet = Pick<
  Inet,
  'addrType' | 'loadAddrs' | 'updatePmtu' | 'skDst' | 'afOps' | 'sockConfirm'
>

/** What TCP uses of the socket layer. */
type TcpSockets = Pick<
  SocketLayer,
  'slab' | 'owned' | 'errqueue' | 'filter' | 'cmsg' | 'timestamp'
> & {
  sockets: Pick<SocketLayer['sockets'], 'sockEvents' | 'registerProto'>
}

/** `secret` are two random words of this boot, the key of sequence numbers; `over` is what a test sees to itself. */
export const createTcp = (
  machine: Machine,
  inet: TcpInet,
  layer: TcpSockets,
  secret: Int32Array,
  over: Partial<Pick<TcpDeps, 'steer' | 'gsoMax' | 'congestion'>> = {}
) => {
  const { slab, owned, sockets, errqueue, filter, cmsg, timestamp } = layer
  const { sockEvents } = sockets
  const { isRecvErr, keepError } = createKeepError({ ...machine, ...inet, errqueue })
  const tcp = createTcpLayer({
    ...machine,
    ...inet,
    slab,
    owned,
    errqueue,
    filter,
    cmsg,
    timestamp,
    secret,
    sockEvents,
    isRecvErr,
    keepError,
    steer: machine.steer.steerFlow,
    gsoMax: createGsoMax(machine),
    congestion: CONGESTION_CONTROLS,
    ...over,
  })
  sockets.registerProto(SOCK_STREAM, IPPROTO_TCP, createTcpProto(tcp))
  return { ...tcp, ...createTcpErr({ ...machine, ...inet, tcp }) }
}

/** Largest super-frame that a device takes; 0 when it takes none itself. */
const createGsoMax = ({ arena }: Machine) => {
  const { i32 } = arena
  return (ifindex: number): number => {
    const dev = deviceRow(arena, ifindex)
    return (i32[dev + DEV_FEATURES] & NETIF_F_TSO) === 0 ? 0 : i32[dev + DEV_GSO_MAX]
  }
}
