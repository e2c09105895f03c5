/**
 * Neighbours of a configuration: permanent ones, and those that we answer for. Control thread.
 */
import type { NeighItem, NeighSpec } from '../messages.ts'
import { type Dump, PUT, type Steps, add, del, drain, sameAddress } from './config-steps.ts'

/** One address may be a neighbour, and one that we answer for. */
const neighKey = (neigh: NeighSpec | NeighItem): string =>
  `${neigh.dev} ${sameAddress(neigh.dst)} ${isProxy(neigh)}`
const isProxy = (neigh: NeighSpec | NeighItem): boolean =>
  'flags' in neigh ? (neigh.flags?.includes('proxy') ?? false) : 'proxy' in neigh
const flagsOf = ({ proxy, router }: Pick<NeighItem, 'proxy' | 'router'>): string[] => [
  ...(proxy ? ['proxy'] : []),
  ...(router ? ['router'] : []),
]

export const createNeighConfig = (dump: Dump) => {
  const running = (): NeighItem[] =>
    [{ state: ['PERMANENT' as const] }, { proxy: true }].flatMap((filter) =>
      drain(dump({ type: 'RTM_GETNEIGH', filter }))
    )
  const get = (): NeighSpec[] =>
    running().map(
      ({ dst, dev, lladdr, ...neigh }): NeighSpec => ({
        dst,
        dev,
        ...(lladdr && { lladdr }),
        ...(flagsOf(neigh).length > 0 && { flags: flagsOf(neigh) }),
      })
    )

  const steps = (wanted: readonly NeighSpec[]): Steps => {
    const byKey = new Map(running().map((neigh) => [neighKey(neigh), neigh]))
    const keys = new Set(wanted.map(neighKey))
    const gone = [...byKey]
      .filter(([key]) => !keys.has(key))
      .map(([, { dev, dst, proxy }]) => del({ type: 'RTM_DELNEIGH', neigh: { dev, dst, proxy } }))
    const come = wanted.flatMap((neigh, index) => {
      const now = byKey.get(neighKey(neigh))
      const isSo =
        now !== undefined &&
        (neigh.lladdr ?? now.lladdr) === now.lladdr &&
        (neigh.flags?.includes('router') ?? false) === (now.router ?? false)
      const at = `neigh[${index}]`
      return isSo ? [] : [add({ type: 'RTM_NEWNEIGH', flags: PUT, neigh }, at)]
    })
    return { gone, come }
  }

  return { get, steps }
}
