/** The link layer of a stack: frames from backlogs up to ptype, packets from above down to the drivers. */
import { TIMER_WORDS } from '../base/timer-wheel.ts'
import { createDevQueueXmit } from '../dev/dev-queue-xmit.ts'
import { createEthTypeTrans } from '../dev/eth-type-trans.ts'
import { createGro } from '../dev/gro.ts'
import { createEtherOutput } from '../dev/ether-output.ts'
import { createPtype } from '../dev/ptype.ts'
import { startXmits } from '../dev/kinds/kinds.ts'
import type { PathKind } from '../dev/kinds/link-kind.ts'
import { createL3mdevRcv } from '../dev/l3mdev-rcv.ts'
import { createReceive } from '../dev/receive.ts'
import { createDeviceFailed } from '../netdev/device-failed.ts'
import { createFlowTable } from '../softnet/flow-table.ts'
import { createNetem } from '../sched/netem.ts'
import type { Machine } from './machine.ts'

export type Link = ReturnType<typeof createLink>

export const createLink = (machine: Machine, kinds: readonly PathKind[]) => {
  const { ipi, steer, backlog } = machine
  const ptype = createPtype(machine)
  const ether = createEtherOutput(machine)
  const timer = machine.words(TIMER_WORDS)
  const batchEnds: (() => number)[] = []
  const xmit = createDevQueueXmit({
    ...machine,
    ptype,
    netemOf: (transmit, checksumHelp) => createNetem({ ...machine, timer, transmit, checksumHelp }),
    drivers: startXmits(kinds, {
      ...machine,
      kick: ipi.kick,
      deviceFailed: createDeviceFailed(machine.arena, ipi),
      onBatchEnd: (end) => void batchEnds.push(end),
      requeue: (skb) => xmit.requeue(skb),
    }),
    batchEnds,
  })
  const { trace } = machine
  const resume: typeof ptype.resume = (skb, stage) => {
    trace.traceResume(skb, stage)
    ptype.resume(skb, stage)
  }
  const { receive, flush: flushReceive } = createReceive({
    ...machine,
    ...createEthTypeTrans(machine),
    ...createFlowTable({ ...machine, dissect: steer.dissect, keys: steer.keys }),
    ptype: { ...ptype, resume },
    flushBacklogs: backlog.flush,
  })

  /** A frame from a device queue of this CPU's own. What has no ports is better off on the CPU it hashes to. */
  const steerFrame = (skb: number): void => {
    const cpu = machine.steerSkb(skb)
    if (cpu === machine.thread || steer.hasPorts()) receive(skb)
    else machine.enqueueSteered(cpu, skb)
  }
  const l3mdevRcv = createL3mdevRcv(machine)
  const gro = createGro({ ...machine, handOn: steerFrame })
  /** The batch has ended. */
  const flush = (): void => {
    gro.flush()
    flushReceive()
    trace.traceFlush()
  }
  /** `receiveFrame` takes frames of a NAPI poll (net-rx.ts ends the batch). */
  return { ptype, ether, xmit, l3mdevRcv, receive, flush, receiveFrame: gro.receive }
}
