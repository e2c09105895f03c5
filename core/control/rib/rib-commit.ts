/**
 * What a prefix has becomes something else: its routes' rows are put into its table's trie, what they replace is let go, and who watches is
 * told. Control thread only. Linux: fib_insert_alias(), fib_remove_alias(), rtmsg_fib(), inet6_rt_notify().
 */
import { Errno } from '../../base/errno.ts'
import type { FibWriter } from '../../inet/fib/writer/fib-writer.ts'
import type { Nexthops } from '../../inet/fib/writer/nexthop.ts'
import type { RibRead } from './rib-read.ts'
import type { Prefix, RibRoute } from './rib-route.ts'
import type { RibRows } from './rib-rows.ts'

/** `isTold`: what watches routes hears of it. */
export type RibEvents = (event: 'new' | 'del', route: RibRoute, isTold: boolean) => void
export type RibCommit = ReturnType<typeof createRibCommit>
type RibCommitDeps = {
  /** The network namespace whose routes these are. */
  net: number
  fib: Pick<FibWriter, 'rowOf' | 'insert' | 'remove'>
  nexthops: Pick<Nexthops, 'release'>
  onEvent: RibEvents
} & Pick<RibRead, 'routesFrom'> &
  Pick<RibRows, 'chainOf'>

export const createRibCommit = (deps: RibCommitDeps) => {
  const { net, fib, nexthops, onEvent, routesFrom, chainOf } = deps

  /** Row of a prefix's first route, or 0. */
  const rowAt = ({ family, table, words, plen }: Prefix): number =>
    fib.rowOf(net, family, table, words, plen)
  const routesAt = (prefix: Prefix): RibRoute[] => routesFrom(prefix, rowAt(prefix))

  /** Makes `routes` all that the prefix has. 0, or -errno and nothing has changed. */
  const commit = (prefix: Prefix, routes: readonly RibRoute[]): number => {
    const { family, table, words, plen } = prefix
    const old = rowAt(prefix)
    if (routes.length > 0) {
      const row = chainOf(routes)
      if (row === 0) return -Errno.ENOBUFS
      const error = row === old ? 0 : fib.insert(net, family, table, words, plen, row)
      if (error !== 0) {
        nexthops.release(row)
        return error
      }
    } else if (old !== 0) fib.remove(net, family, table, words, plen)
    if (old !== 0) nexthops.release(old)
    return 0
  }
  /** As commit, with the events of what changed. */
  const change = (
    prefix: Prefix,
    routes: RibRoute[],
    gone: RibRoute[],
    come: RibRoute[],
    isTold = true
  ): number => {
    const error = commit(prefix, routes)
    if (error !== 0) return error
    for (const route of gone) onEvent('del', route, isTold)
    for (const route of come) onEvent('new', route, isTold)
    return 0
  }

  return { routesAt, change }
}
