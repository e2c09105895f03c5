/**
 * Several calls that make one packet of a raw socket (MSG_MORE). Each is routed by itself, and over IPv4 the packet has the addresses
 * of the last one, but the way and all else of the first, as in Linux. Called by raw-sock.ts; on the socket's worker.
 * Linux: ip_append_data() and ip_push_pending_frames() of raw_sendmsg(), rawv6_push_pending_frames().
 */
import { copyAddr } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import { FL_DADDR, FL_FAMILY, FL_SADDR } from '../../base/flowi.ts'
import type { AfOpsOf } from '../../inet/af-ops.ts'
import type { Arena } from '../../shm/arena.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import { MAX_HEADER, SKB_LEN } from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import type { Ipcm } from '../../socket/msg/ipcm.ts'
import { MSG_MORE } from '../../socket/socket-constants.ts'
import { createDgramCork, type Pending } from '../dgram-cork.ts'
import type { DgramFlow } from '../dgram-flow.ts'
import type { RawOutput } from './raw-output.ts'

type RawCorkDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  afOps: AfOpsOf
  dgramFlow: Pick<DgramFlow, 'flow'>
  output: RawOutput
  ipcm: Ipcm
}

export const createRawCork = (deps: RawCorkDeps) => {
  const { arena, skbs, afOps, output } = deps
  const { i32, u8 } = arena
  const { flow } = deps.dgramFlow
  const cork = createDgramCork({ ...deps, flow, ipcm: deps.ipcm.words })
  const { isPending, pendingOf, flush } = cork

  /** Does this call begin a packet that others go on with, or go on with one? */
  const isCorked = (sk: number, flags: number): boolean => (flags & MSG_MORE) !== 0 || isPending(sk)
  /** The call's flow is the packet's. */
  const redirect = (pending: Pending): void => {
    if (!afOps(flow[FL_FAMILY]).rawHasHeader) return
    copyAddr(pending.flow, FL_SADDR, flow, FL_SADDR)
    copyAddr(pending.flow, FL_DADDR, flow, FL_DADDR)
  }
  const begin = (sk: number): Pending | undefined => {
    const skb = skbs.alloc(0, MAX_HEADER)
    if (skb !== 0) cork.begin(sk, skb)
    return pendingOf(sk)
  }
  /** Room for `len` octets more in the packet: its offset, or -errno. */
  const grow = (sk: number, len: number): number => {
    const pending = pendingOf(sk) ?? begin(sk)
    if (pending === undefined) return -Errno.ENOBUFS
    redirect(pending)
    cork.resume(pending)
    return output.sizeError(sk, i32[pending.skb + SKB_LEN] + len) || cork.grow(pending.skb, len)
  }
  /** Sends what there is: 0, or -errno. */
  const push = (sk: number): number => {
    const pending = pendingOf(sk)
    return pending === undefined ? 0 : output.finish(sk, cork.end(sk, pending))
  }
  /** `len` octets more at `from` of the arena, along the flow that was routed: `len`, or -errno. */
  const append = (sk: number, from: number, len: number, flags: number): number => {
    const at = grow(sk, len)
    if (at < 0) {
      flush(sk)
      return at
    }
    u8.copyWithin(at, from, from + len)
    return (flags & MSG_MORE) !== 0 ? len : push(sk) || len
  }
  return { isCorked, append, flush }
}
