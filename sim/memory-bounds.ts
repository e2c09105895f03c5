/** Whoever keeps packets keeps no more than its bound (core/skb/budget.ts). */
import { boundOf, heldBy, type HolderName, type Slots } from './net/held.ts'
import { Fault } from './fault.ts'
import type { SimHost } from './net/net-sim.ts'

/** Looks at some hosts: throws where a holder has too much. */
export const boundsOf = (hosts: readonly SimHost[]): (() => void) => {
  const known = new Map<string, Slots>()
  const boundAt = ({ arena, name }: SimHost, holder: string): Slots => {
    const bound = known.get(name + holder) ?? boundOf(arena, holder as HolderName)
    known.set(name + holder, bound)
    return bound
  }
  const checks = hosts.flatMap((host) =>
    host.stacks.map(({ thread }) => (): void => {
      for (const [holder, { small, large }] of Object.entries(heldBy(host.arena, thread))) {
        const bound = boundAt(host, holder)
        if (small > bound.small || large > bound.large)
          throw new Fault(
            'leak',
            `${host.name}: ${holder} holds ${small}+${large} of ${bound.small}+${bound.large}`
          )
      }
    })
  )
  return () => {
    for (const check of checks) check()
  }
}
