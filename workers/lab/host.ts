/**
 * A simulated host: a whole stack of its own, one worker, run by the lab thread, with an Ethernet device on a segment and
 * applications in the same event loop. Lab thread.
 */
import { createTextControl } from '../../core/control/text/control.ts'
import type { Control } from '../../core/control/text/messages.ts'
import { NETDEV_TX_OK } from '../../core/netdev/netdev.ts'
import { fillSoftFeatures } from '../../core/dev/kinds/forward-skb.ts'
import { SOFT_KINDS } from '../../core/dev/kinds/kinds.ts'
import type { LinkKind } from '../../core/dev/kinds/link-kind.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { createArena } from '../../core/shm/arena.ts'
import { G_GENERATION, SMALL_ARENA, THREAD_ACK, THREAD_RUNNING } from '../../core/shm/layout.ts'
import type { Skbs } from '../../core/skb/skb.ts'
import { SKB_DEV } from '../../core/skb/skb.ts'
import { tcpInfo } from '../../core/transport/tcp/sock/tcp-info.ts'
import { IPPROTO_TCP } from '../../core/wire/ipproto.ts'
import { createStack } from '../../core/stack.ts'
import { monotonicUs } from '../os/clock.ts'
import type { AppNet } from '../app/net.ts'
import { createAppNet } from '../app/net.ts'
import { random } from '../random.ts'
import type { HostSpec } from './lab-data.ts'
import type { Segment } from './segment.ts'

/** What a segment and the lab's loop need of a host. */
export type Host = {
  name: string
  arena: Arena
  ifindex: number
  skbs: Skbs
  /** Reads the clock: at the start of a turn, before frames come in. */
  tick: () => void
  /** A frame from the segment; the host takes it over. */
  receive: (skb: number) => void
  /** One turn of the stack; returns how much it did. */
  poll: () => number
  /** Milliseconds until the stack has something to do by itself. */
  nextDelay: (limit: number) => number
}
/** `look`: control hears what the stack has to tell. */
export type AppHost = Host & { app: AppNet; control: Control; look: () => void }

const ETH0 = 'eth0'

/** `schedule` asks the lab for another turn. */
export const createHost = async (
  spec: HostSpec,
  segment: Segment,
  schedule: () => void
): Promise<AppHost> => {
  const config = { ...SMALL_ARENA, apps: 1 }
  const arena = createArena(config)
  const { i32, layout } = arena
  let ring: () => void = () => {}
  const wake = (thread: number): void => {
    if (thread === layout.appThread) ring()
    else schedule()
  }

  /** Its one wire: what is sent goes to the segment. */
  const pipe: LinkKind = {
    name: 'pipe',
    data: [],
    linkOps: () => ({
      newlink({ row }) {
        fillSoftFeatures(i32, row)
        return { error: 0 }
      },
      dellink() {},
    }),
    startXmit:
      ({ skbs }) =>
      (skb) => {
        segment.fromHost(self, skb)
        skbs.free(skb)
        return NETDEV_TX_OK
      },
  }
  const kinds = [...SOFT_KINDS, pipe]

  const control = createTextControl({
    arena,
    random,
    nowUs: monotonicUs,
    wake,
    sockInfo: { [IPPROTO_TCP]: (sk) => tcpInfo(arena, sk, Math.floor(monotonicUs() / 1000) | 0) },
    // the stack runs on this very thread: a turn of it is what control waits for
    pause: () => {
      poll()
      return Bun.sleep(0)
    },
    kinds,
  })

  const host = { name: spec.name, arena, ifindex: 0 }
  const stack = createStack({
    arena,
    thread: 0,
    nowUs: monotonicUs,
    random,
    secret: new Int32Array([random(), random()]),
    wake,
    services: { echo: true, discard: true, chargen: true },
    kinds,
  })
  /** Frames from the segment, for the stack's next turn. */
  let inbox: number[] = []
  stack.napiAdd((weight) => {
    const batch = inbox.slice(0, weight)
    inbox = inbox.slice(weight)
    for (const skb of batch) stack.receiveFrame(skb)
    return batch.length
  })
  const receive = (skb: number): void => {
    i32[skb + SKB_DEV] = host.ifindex
    inbox.push(skb)
    schedule()
  }
  /** One turn of the stack, which is also its quiescent point. */
  const poll = (): number => {
    stack.refresh()
    Atomics.store(i32, layout.threadBlocks + THREAD_ACK, Atomics.load(i32, G_GENERATION))
    return stack.poll()
  }
  i32[layout.threadBlocks + THREAD_RUNNING] = 1
  const self: Host = Object.assign(host, {
    skbs: stack.skbs,
    tick: stack.tick,
    receive,
    poll,
    nextDelay: stack.nextDelay,
  })

  const app = createAppNet({
    arena,
    thread: layout.appThread,
    wake,
    bell: {
      listen: (fn) => {
        ring = fn
      },
      close: () => {},
    },
  })
  await configure(control, self, spec)
  return Object.assign(self, { app, control, look: control.poll })
}

/** Gives the host its interface, address and default route. */
const configure = async (control: Control, host: Host, spec: HostSpec): Promise<void> => {
  const reply = await control.request({
    type: 'CONFIG_SET',
    config: {
      link: [
        { ifname: 'lo', up: true },
        { ifname: ETH0, kind: 'pipe', address: spec.mac, addresses: [spec.address], up: true },
      ],
      route: [{ dst: 'default', gateway: spec.gateway, dev: ETH0 }],
      sysctl: { 'net.ipv4.ip_forward': 0 },
    },
  })
  if (reply.error !== 0)
    throw new Error(`host ${host.name}: ${(reply as { message: string }).message}`)
  const link = await control.request({ type: 'RTM_GETLINK', ifname: ETH0 })
  if (link.error === 0) host.ifindex = (link as { item: { ifindex: number } }).item.ifindex
}
