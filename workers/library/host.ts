/**
 * A host in an event loop: a whole stack of its own, one worker, whose links' wires are its maker's, with applications in
 * the same thread. The daemon's namespaces (netns/) and the networks of the library (network.ts) are made of these.
 */
import type { Rtnl } from '../../core/control/rtnl/rtnl.ts'
import { createTextControl } from '../../core/control/text/control.ts'
import type { StackConfig } from '../../core/control/text/messages.ts'
import { fillSoftFeatures } from '../../core/dev/kinds/forward-skb.ts'
import { SOFT_KINDS, softKindsOf } from '../../core/dev/kinds/kinds.ts'
import type { Carrier, LinkKind, PathKind } from '../../core/dev/kinds/link-kind.ts'
import type { Far } from '../../core/dev/kinds/veth.ts'
import { NETDEV_TX_OK } from '../../core/netdev/netdev.ts'
import { createArena } from '../../core/shm/arena.ts'
import { THREAD_SLEEPING, type ArenaConfig, SMALL_ARENA } from '../../core/shm/layout.ts'
import type { Drop } from '../../core/skb/drop.ts'
import { SKB_DEV } from '../../core/skb/skb.ts'
import type { ServicesConfig } from '../../core/socket/services/services.ts'
import { createStack, type Stack } from '../../core/stack.ts'
import { createDryRun, gone } from '../../core/stack/dry-run.ts'
import { tcpInfo } from '../../core/transport/tcp/sock/tcp-info.ts'
import { IPPROTO_TCP } from '../../core/wire/ipproto.ts'
import { createAppNet } from '../app/net.ts'
import { createLoopStack } from './loop-stack.ts'

type HostDeps = {
  name: string
  nowUs: () => number
  realtimeUs?: () => number
  random: () => number
  /** Asks the loop for another turn. */
  schedule: () => void
  /** A frame that a link of kind `wire` sends; it stays the host's. null, or why nobody got it. */
  transmit: (skb: number, ifindex: number) => Drop | null
  /** How the other end of a link is; without it all are up. */
  carrier?: (ifindex: number) => Carrier
  services?: Partial<ServicesConfig>
  /** Ends of its veth pairs in other nets, for a net among others; what is sent to them is transmitted. */
  farNets?: Far['nets']
  /** The lock of changes, where it is not its own alone. */
  rtnl?: Rtnl
  /** Hears of an error that has ended its stack, of which another is made; without it the error is the loop's. */
  onError?: (error: unknown) => void
  memory?: Partial<ArenaConfig>
}
/** How often control looks. */
const LOOK_EVERY_US = 100_000

export type Host = ReturnType<typeof createHost>

export const createHost = (deps: HostDeps) => {
  const { name, nowUs, random, schedule, transmit, carrier, services, farNets, rtnl, memory } = deps
  const { onError, realtimeUs } = deps
  const arena = createArena({ ...SMALL_ARENA, ...memory, apps: 1 })
  const { i32, layout } = arena
  const sleeping = layout.threadBlocks + THREAD_SLEEPING
  let ring: () => void = () => {}
  const wake = (thread: number): void => {
    if (thread === layout.appThread) ring()
    else schedule()
  }

  const startXmit: PathKind['startXmit'] =
    ({ skbs, drop }) =>
    (skb) => {
      const why = transmit(skb, i32[skb + SKB_DEV])
      if (why === null) skbs.free(skb)
      else drop(skb, why)
      return NETDEV_TX_OK
    }
  const wire: LinkKind = {
    name: 'wire',
    data: [],
    linkOps: () => ({
      newlink({ row }) {
        fillSoftFeatures(i32, row)
        return { error: 0 }
      },
      dellink() {},
      ...(carrier && { carrier }),
    }),
    startXmit,
  }
  const soft = (far: PathKind['startXmit']) =>
    farNets === undefined ? SOFT_KINDS : softKindsOf({ nets: farNets, startXmit: far })
  const kinds = [...soft(startXmit), wire]
  const control = createTextControl({
    arena,
    random,
    nowUs,
    wake,
    sockInfo: { [IPPROTO_TCP]: (sk) => tcpInfo(arena, sk, Math.floor(nowUs() / 1000) | 0) },
    // the stack runs on this very thread: a turn of it is what control waits for
    pause: () => {
      poll()
      return new Promise((resolve) => setImmediate(resolve))
    },
    kinds,
    ...(rtnl && { rtnl }),
    dryRun: createDryRun({ arena, kinds: [...soft(gone), wire], nowUs }),
  })
  /** Frames from the wires, for the stack's next turn. */
  let inbox: number[] = []
  let listening: ServicesConfig | null = null
  const secret = new Int32Array([random(), random()])
  const make = (restarted: boolean): Stack => {
    const clocks = { nowUs, ...(realtimeUs && { realtimeUs }) }
    const own = { arena, thread: 0, ...clocks, random, secret }
    const stack = createStack({ ...own, wake, kinds, restarted })
    // what came before is freed with all that was held
    inbox = []
    stack.napiAdd((weight) => {
      const batch = inbox.slice(0, weight)
      inbox = inbox.slice(weight)
      for (const skb of batch) stack.receiveFrame(skb)
      return batch.length
    })
    if (listening !== null) stack.services.configure(listening)
    return stack
  }
  const stack = createLoopStack({ arena, nowUs, make, onError })
  /** A frame from a wire; the host takes it over. */
  const receive = (skb: number, ifindex: number): void => {
    if (!stack.isRunning()) return stack.now().skbs.free(skb)
    i32[skb + SKB_DEV] = ifindex
    inbox.push(skb)
    schedule()
  }
  const poll = (): number => {
    const work = stack.turn()
    if (nowUs() >= lookAtUs) look()
    return work
  }
  let lookAtUs = 0
  /** Control hears what the stack and the wires have to tell. */
  const look = (): void => {
    lookAtUs = nowUs() + LOOK_EVERY_US
    control.poll()
  }

  const app = createAppNet({
    arena,
    thread: layout.appThread,
    wake,
    bell: {
      listen: (fn) => {
        ring = fn
      },
      close: () => {
        ring = () => {}
      },
    },
  })
  /** The number of a link. */
  const ifindexOf = async (ifname: string): Promise<number> => {
    const link = await control.request({ type: 'RTM_GETLINK', ifname })
    if (link.error !== 0) throw new Error(`${name}: ${(link as { message: string }).message}`)
    return (link as { item: { ifindex: number } }).item.ifindex
  }
  const close = async (): Promise<void> => {
    app.close()
    await control.close()
  }
  /** Its links, addresses and routes, in iproute2's words; its services listen from then on. */
  const configure = async (config: StackConfig): Promise<void> => {
    const reply = await control.request({ type: 'CONFIG_SET', config })
    if (reply.error !== 0) throw new Error(`${name}: ${(reply as { message: string }).message}`)
    listening = { echo: false, discard: false, chargen: false, ...services }
    stack.now().services.configure(listening)
  }
  return {
    name,
    arena,
    control,
    app,
    get skbs() {
      return stack.now().skbs
    },
    /** Reads the clock: at the start of a turn, before frames come in. */
    tick: (): void => {
      i32[sleeping] = 0
      stack.now().tick()
    },
    receive,
    poll,
    /** How long its loop may sleep, which it is about to do: who asks for something from now on wakes it. */
    nextDelay: (limitMs: number): number => {
      i32[sleeping] = 1
      return stack.nextDelay(limitMs)
    },
    configure,
    ifindexOf,
    close,
  }
}
