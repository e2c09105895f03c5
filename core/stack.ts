/**
 * One stack on one thread: makes every layer, gives each the functions of the layers below it, and fills the tables
 * by which lower layers reach up (ptype, inet_protos), then freezes them. The only file that knows every factory; read
 * it after ARCHITECTURE.md. A worker's loop, a simulated host and the tests all make their stack here.
 */
import { createTime, setTime, TIME_MS } from './base/time.ts'
import { createTimerWheel, TIMER_WORDS } from './base/timer-wheel.ts'
import { createArp } from './neigh/arp.ts'
import { createNeighOutput } from './neigh/neigh-output.ts'
import { createNeighTable } from './neigh/neigh-table.ts'
import { createNeighbour } from './neigh/neighbour.ts'
import { createFibReader } from './ip/fib.ts'
import { createInetProtos } from './ip/inet-protos.ts'
import { createIpForward } from './ip/ip-forward.ts'
import { createIpFragmentation } from './ip/ip-fragmentation.ts'
import { createIpIdent } from './ip/ip-ident.ts'
import { createIpInput } from './ip/ip-input.ts'
import { createIpOutput } from './ip/ip-output.ts'
import { createNfHooks } from './ip/nf-hooks.ts'
import { createPmtu } from './ip/pmtu.ts'
import { createRoute } from './ip/route.ts'
import { createSourceSelection } from './ip/source.ts'
import { createDevQueueXmit } from './link/dev-queue-xmit.ts'
import { createEthTypeTrans } from './link/eth-type-trans.ts'
import { createEtherOutput } from './link/ether-output.ts'
import { createPtype } from './link/ptype.ts'
import { DEV_RPS_FLOW_CNT, type StartXmit } from './netdev/netdev.ts'
import type { Arena } from './shm/arena.ts'
import { createIpi } from './shm/ipi.ts'
import { SCRATCH_WORDS, THREAD_WORDS } from './shm/layout.ts'
import type { DropFn } from './skb/drop.ts'
import { createDrop } from './skb/drop.ts'
import type { Skbs } from './skb/skb.ts'
import { createSkbs, SKB_DATA, SKB_DEV, SKB_HASH, SKB_LEN, SKB_MAC } from './skb/skb.ts'
import { createBacklog } from './softnet/backlog.ts'
import { createFlowTable } from './softnet/flow-table.ts'
import { createNetRx } from './softnet/net-rx.ts'
import { createCpuFlowLimit } from './steering/cpu-flow-limit.ts'
import { createSteer } from './steering/steer.ts'
import { ETH_P_ARP, ETH_P_IP } from './wire/ethernet.ts'

void THREAD_WORDS
/** What a stack gives the drivers that are made for it. */
export type DriverEnv = {
  skbs: Skbs
  drop: DropFn
  kick: (thread: number) => void
  netifRx: (skb: number) => void
}

export type StackDeps = {
  arena: Arena
  /** Worker number: this stack's CPU. */
  thread: number
  /** Monotonic microseconds. */
  nowUs: () => number
  random: () => number
  wake: (thread: number) => void
  drivers: (env: DriverEnv) => readonly StartXmit[]
}

export type Stack = ReturnType<typeof createStack>

export const createStack = ({ arena, thread, nowUs, random, wake, drivers }: StackDeps) => {
  const { i32, layout } = arena
  let scratch = layout.scratch + thread * SCRATCH_WORDS
  /** Words of this thread's own. */
  const words = (n: number): number => {
    const at = scratch
    scratch += n
    return at
  }

  // ---- the thread's own: time, timers, memory, calls from other threads
  const time = createTime()
  setTime(time, nowUs())
  const wheel = createTimerWheel(i32, layout.wheels + thread * 768, time[TIME_MS]!)
  const skbs = createSkbs(arena, thread)
  const { drop, consume } = createDrop(arena, skbs)
  const ipi = createIpi(arena, thread, wake)

  // ---- steering: the backlogs of all CPUs, as this one fills them
  const steer = createSteer(arena, thread, DEV_RPS_FLOW_CNT)
  const flowLimited = createCpuFlowLimit(arena)
  const backlog = createBacklog({ arena, skbs, drop, kick: ipi.kick, flowLimited })
  /** Puts a frame on the backlog that its flow hashes to (netif_rx). */
  const netifRx = (skb: number): void => {
    const cpu = steer.steerFrame(i32[skb + SKB_DEV]!, i32[skb + SKB_DATA]!, i32[skb + SKB_LEN]!)
    i32[skb + SKB_HASH] = steer.hash()
    backlog.enqueueToBacklog(cpu, skb, steer.hash())
  }
  /** Gives a received packet, whatever was pulled off it, to another CPU as the frame it was. */
  const steerTo = (cpu: number, skb: number): void => {
    skbs.push(skb, i32[skb + SKB_DATA]! - i32[skb + SKB_MAC]!)
    backlog.enqueueToBacklog(cpu, skb, i32[skb + SKB_HASH]!)
  }

  // ---- link
  const ptype = createPtype({ arena, skbs, drop })
  const { ethTypeTrans } = createEthTypeTrans({ arena, skbs, drop })
  const { pushHh, popHeader, ethHeader, ethHeaderSelf } = createEtherOutput({ arena, skbs })
  const xmit = createDevQueueXmit({
    arena, skbs, drop, consume, time, wheel, random, ptype,
    timer: words(TIMER_WORDS),
    drivers: drivers({ skbs, drop, kick: ipi.kick, netifRx }),
  })
  const { devQueueXmit } = xmit

  // ---- routing and neighbours
  const { routeInput, routeOutput } = createRoute({ arena })
  const { lookup4 } = createFibReader(arena)
  const { select4 } = createSourceSelection(arena)
  const isLocalAddress = (addr: number): boolean => lookup4(0, addr) !== 0
  const table = createNeighTable(arena)
  const icmpSend = (_skb: number, _type: number, _code: number, _info: number): void => {}
  const neighOutput = createNeighOutput({
    arena, skbs, drop, time, wheel, ipi, table, pushHh, popHeader, devQueueXmit,
    timer: words(TIMER_WORDS), key: words(4),
    linkFailure: () => {},
  })
  const neighbour =
    thread === 0
      ? createNeighbour({
          arena, time, wheel, ipi, table, random, timer: words(TIMER_WORDS), key: words(4),
          notify: () => {},
        })
      : null
  const arp = createArp({
    arena, skbs, drop, consume, time, table, neighbour, steerTo, isLocalAddress, ethHeader, devQueueXmit,
    key: words(4),
    selectSource: (dev, target) => select4(dev, target, 253),
  })

  // ---- IP
  const nf = createNfHooks()
  const protos = createInetProtos()
  const pmtu = createPmtu(time, random)
  const { ipSelectIdent } = createIpIdent(thread, layout.config.workers, random)
  const fragmentation = createIpFragmentation({ arena, skbs, drop, consume })
  const ipOut = createIpOutput({
    arena, skbs, drop, nf, routeOutput, ipSelectIdent, pmtu, fragmentation, gso: xmit.gso,
    neighResolve: neighOutput.neighResolve, neighConfirm: neighOutput.neighConfirm,
    ethHeader, ethHeaderSelf, devQueueXmit, netifRx, key: words(4),
  })
  const { ipForward } = createIpForward({
    arena, skbs, drop, nf, icmpSend, ipOutput: ipOut.ipOutput, networkSegLen: xmit.gso.networkSegLen,
  })
  const ipIn = createIpInput({
    arena, skbs, drop, consume, nf, protos, routeInput, isLocalAddress, ipForward, icmpSend,
    ipDefrag: (skb) => { drop(skb, 62); return 0 },
    steerAgain: () => false,
    rawDeliver: () => false,
  })

  ptype.devAddPack(ETH_P_IP, ipIn.ipRcv)
  ptype.devAddPack(ETH_P_ARP, arp.arpRcv)
  ptype.freeze()
  protos.freeze()

  // ---- receive
  const flows = createFlowTable({ arena, worker: thread, time, dissect: steer.dissect, keys: steer.keys })
  const { netifReceiveSkb } = ptype
  const { record } = flows
  /** A frame from a backlog. */
  const receive = (skb: number): void => {
    record(skb)
    if (ethTypeTrans(skb)) netifReceiveSkb(skb)
  }
  const netRx = createNetRx({ arena, worker: thread, receive, nowUs })

  /** One turn of the loop: whatever is there to be done, in bounded pieces. Returns how much it was. */
  const poll = (): number => {
    setTime(time, nowUs())
    let work = ipi.run()
    work += netRx.netRxAction()
    work += wheel.advance(time[TIME_MS]!)
    work += xmit.netTxAction()
    backlog.flush()
    skbs.flush()
    skbs.reclaim()
    return work
  }
  return { poll, skbs, drop, netRx, steer, arp, neighbour, wheel, ipi, time }
}
