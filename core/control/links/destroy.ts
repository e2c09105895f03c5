/**
 * Taking links away, in three steps: down and out of the tables; when no thread uses it, the kind closes it; when none
 * can even look at it, the row is free. Control thread. Linux: unregister_netdevice_many() (net/core/dev.c).
 */
import type { Ifaddrs } from '../../inet/addr/ifaddr.ts'
import type { Publisher } from '../rtnl/publish.ts'
import type { createPatience } from '../rtnl/rtnl.ts'
import { TIMED_OUT } from '../rtnl/rtnl.ts'
import type { Change, ChangeDeps } from './change.ts'
import type { Follow } from './follow.ts'
import type { Registry } from './registry.ts'

export type DestroyDeps = {
  registry: Registry
  addresses: Pick<Ifaddrs, 'deviceGone'>
  within: ReturnType<typeof createPatience>
} & Pick<Publisher, 'publish'> &
  Pick<Follow, 'setUp'> &
  Pick<ChangeDeps, 'announceDown'> &
  Pick<Change, 'freeSlaves'>

export const createDestroy = (deps: DestroyDeps) => {
  const { registry, addresses, publish, within, setUp, announceDown, freeSlaves } = deps
  const { of, leave, hide, forget } = registry

  const destroyOne = async (ifindex: number): Promise<void> => {
    const { ops } = of(ifindex).kind
    freeSlaves(ifindex)
    setUp(ifindex, false)
    addresses.deviceGone(ifindex)
    leave(ifindex)
    await publish()
    announceDown(ifindex)
    let isLate = false
    try {
      const closing = ops.dellink(ifindex)
      isLate = (await within(closing)) === TIMED_OUT
      if (isLate) void Promise.resolve(closing).then(() => forget(ifindex))
    } finally {
      hide(ifindex)
      if (!isLate) forget(ifindex)
    }
  }
  /** A device that is in another net from now on; what it was joined to stays. */
  const leaveNet = (ifindex: number): Promise<void> => destroyOne(ifindex)
  /** A device, and the other one of its pair. */
  const destroy = async (ifindex: number): Promise<void> => {
    const { second } = of(ifindex)
    await Promise.all([ifindex, second].filter((one) => one !== 0).map(destroyOne))
  }
  /** Closes every device, at the end: no other thread runs any more. */
  const close = async (): Promise<void> => {
    for (const ifindex of registry.list()) await of(ifindex).kind.ops.dellink(ifindex)
  }
  return { destroy, leaveNet, close }
}
