/**
 * One stack on one thread: makes every layer, gives each the functions of the layers below it, and fills the tables
 * by which lower layers reach up (ptype, inet_protos). With the files of stack/ the only place that
 * knows every factory; read it after ARCHITECTURE.md. A worker's loop, a simulated host and the tests all make
 * their stack here.
 */
import { setTime } from './base/time.ts'
import { SOFT_KINDS } from './dev/kinds/kinds.ts'
import type { PathKind } from './dev/kinds/link-kind.ts'
import { Ipi } from './shm/ipi.ts'
import type { ServicesConfig } from './socket/services/services.ts'
import { createNetRx } from './softnet/net-rx.ts'
import { createInet } from './stack/inet.ts'
import { createLink } from './stack/link.ts'
import { createMachine, type MachineDeps } from './stack/machine.ts'
import { createTransport } from './stack/transport.ts'

export type StackDeps = MachineDeps & {
  /** Whose devices it sends on: the same list as its control's. */
  kinds?: readonly PathKind[]
  /** Two random words of this boot: the key of sequence numbers. */
  secret: Int32Array
  services: ServicesConfig
}

export type Stack = ReturnType<typeof createStack>

/** Longest nap while frames wait for a driver to have room again. */
const TX_RETRY_MS = 1

export const createStack = (deps: StackDeps) => {
  const { nowUs, wake, secret, services, kinds = SOFT_KINDS } = deps
  const machine = createMachine(deps)
  const { time, wheel, skbs, ipi, backlog, steer } = machine
  const link = createLink(machine, kinds)
  const { xmit, ptype } = link
  const inet = createInet(machine, link)
  const transport = createTransport({ machine, link, inet, secret, services, wake })
  const { sockets, appPort } = transport
  const { nf } = inet
  inet.protos.freeze()
  const netRx = createNetRx({ ...machine, ...link, nowUs })
  ipi.on(Ipi.DEBUG_THROW, () => {
    throw new Error('thrown on request')
  })

  /**
   * Reads the clock. The first thing whenever the thread comes back to the stack, before anything that arms a timer or
   * measures: timers count from this time, wherever the wheel still stands. poll() does it itself.
   */
  const tick = (): void => setTime(time, nowUs())
  /** One turn of the loop: whatever is there to be done, in bounded pieces. Returns how much it was. */
  const poll = (): number => {
    tick()
    let work = ipi.run()
    work += netRx.netRxAction()
    work += appPort.poll()
    work += wheel.advance()
    work += sockets.runEvents()
    appPort.flush()
    work += xmit.netTxAction()
    backlog.flush()
    skbs.flush()
    skbs.reclaim()
    return work
  }
  /** True when there is something to do now; asked before the thread sleeps. */
  const pending = (): boolean =>
    netRx.pending() || ipi.pending() || appPort.pending() || sockets.eventsPending()
  /** Milliseconds, at most `limit`, until there is something to do by itself. */
  const nextDelay = (limit: number): number =>
    wheel.nextDelay(xmit.backlogLen() === 0 ? limit : TX_RETRY_MS)

  /** Takes over what control has changed; between turns, at the quiescent point. */
  const refresh = (): void => {
    steer.refresh()
    nf.publish()
  }

  return {
    ...machine,
    ...transport,
    tick,
    poll,
    pending,
    nextDelay,
    refresh,
    receiveFrame: link.receiveFrame,
    napiAdd: netRx.napiAdd,
    ptype,
    nf,
    neighbour: inet.neighbour,
    arp: inet.arp,
  }
}
