/**
 * The device queues that a worker reads itself: queue i of every multiqueue device is worker i's, so a packet is
 * received, handled and sent on one thread (NAPI on its own CPU; no nic thread in the path). While it has
 * queues the worker sleeps in poll(2) on them and its eventfd, else on its doorbell word. Made with each stack; the poll
 * set is the thread's, for life: others may be about to ring its eventfd at any time.
 */
import { createDeviceFailed } from '../../core/netdev/device-failed.ts'
import {
  DEV_FLAGS,
  DEV_IFINDEX,
  DEV_NAPI,
  DEV_OPERSTATE,
  DEV_RX_QUEUES,
  deviceFds,
  deviceRow,
  IF_OPER_NOTPRESENT,
  IFF_UP,
} from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import type { FibPrefetch } from '../../core/inet/fib/trie/fib-prefetch.ts'
import type { IpiSystem } from '../../core/shm/ipi.ts'
import type { DropFn } from '../../core/skb/drop.ts'
import type { Skbs } from '../../core/skb/skbs.ts'
import type { NapiPoll } from '../../core/softnet/net-rx.ts'
import type { PollSet } from '../os/poll.ts'
import { createRingRefresh, FD_IS_SOCKET, threadRing } from './fd.ts'
import { createFdRx } from './fd-rx.ts'
import { createFdQueues } from './fd-queues.ts'

type QueueDeps = {
  polls: PollSet
  ipi: Pick<IpiSystem, 'send'>
  skbs: Skbs
  drop: DropFn
  /** Takes a frame that this worker read from a device. */
  receiveFrame: (skb: number) => void
  napiAdd: (poll: NapiPoll) => () => void
} & Pick<FibPrefetch, 'prefetchFrames'>

export const createQueueReader = (arena: Arena, worker: number, deps: QueueDeps) => {
  const { i32, layout } = arena
  const { polls, ipi, receiveFrame, napiAdd } = deps
  const driver = createFdRx({ arena, ...deps, ring: threadRing(arena) })
  // a forerunner's queues are looked for again
  polls.clear()
  const queues = createFdQueues(driver, polls, createDeviceFailed(arena, ipi))
  const refreshRing = createRingRefresh(arena)
  let removes: (() => void)[] = []

  const open = (fd: number, ifindex: number, isSocket: boolean): void => {
    // Read once a turn whatever poll(2) said last: a worker that is busy with its backlog never gets to wait(),
    // and an empty read costs a fraction of a microsecond.
    const queue = queues.open(fd, ifindex, isSocket)
    removes.push(napiAdd((weight) => queues.read(queue, weight, receiveFrame)))
  }

  /** Finds this worker's queues; after control has changed devices. */
  const refresh = (): void => {
    refreshRing()
    for (const remove of removes) remove()
    removes = []
    queues.clear()
    for (let ifindex = 1; ifindex < layout.config.devices; ifindex++) {
      const dev = deviceRow(arena, ifindex)
      if (i32[dev + DEV_IFINDEX] === 0 || (i32[dev + DEV_FLAGS] & IFF_UP) === 0) continue
      if (i32[dev + DEV_OPERSTATE] === IF_OPER_NOTPRESENT) continue
      if (i32[dev + DEV_NAPI] === 1 && worker < i32[dev + DEV_RX_QUEUES])
        open(i32[deviceFds(arena, ifindex) + worker], ifindex, i32[dev + FD_IS_SOCKET] === 1)
    }
  }
  const close = (): void => {
    for (const remove of removes) remove()
  }
  /** The eventfd that wakes the worker while it has queues; 0 when it has none. */
  const doorbell = (): number => (queues.count() === 0 ? 0 : polls.doorbell)
  return { refresh, wait: queues.wait, close, doorbell }
}
