/**
 * Nexthop objects of a configuration, groups behind their members. Control thread.
 */
import type { ConfigStep, NexthopItem, NexthopObjectSpec } from '../messages.ts'
import { isRefused } from '../names.ts'
import { readNexthop } from '../nexthop.ts'
import { ADD, type Dump, PUT, add, change, del, drain } from './config-steps.ts'

const asSpec = ({
  scope: _s,
  family,
  protocol,
  flags,
  resilient_args: args,
  ...rest
}: NexthopItem): NexthopObjectSpec & { id: number } => ({
  ...rest,
  ...(args && {
    resilient_args: {
      buckets: args.buckets,
      idle_timer: args.idle_timer,
      unbalanced_timer: args.unbalanced_timer,
    },
  }),
  ...(flags.length > 0 && { flags }),
  ...(family === 'inet6' && rest.gateway === undefined && { family }),
  ...(protocol !== 'unspec' && { protocol }),
})
/** Can one be put in the other's place? */
const isAlike = (one: NexthopObjectSpec, now: NexthopObjectSpec): boolean => {
  if ((now.group === undefined) !== (one.group === undefined)) return false
  if ((now.type === 'resilient') !== (one.type === 'resilient')) return false
  const buckets = one.resilient_args?.buckets
  return buckets === undefined || buckets === now.resilient_args?.buckets
}
/** Do both say the same, and nothing else? */
const sameNexthop = (a: NexthopObjectSpec, b: NexthopObjectSpec): boolean => {
  const say = (spec: NexthopObjectSpec): unknown => {
    const read = readNexthop(spec, { ifindexOf: () => 1, nameOf: () => '' })
    return isRefused(read) ? read : JSON.stringify({ ...read, dev: spec.dev })
  }
  return say(a) === say(b)
}

export const createNexthopConfig = (dump: Dump) => {
  /** A group's members come before it. */
  const get = (): (NexthopObjectSpec & { id: number })[] =>
    drain(dump({ type: 'RTM_GETNEXTHOP' }))
      .map(asSpec)
      .sort((a, b) => Number(a.group !== undefined) - Number(b.group !== undefined))

  /** What can not be in another's place goes first, and its routes with it, as with all that goes: `left` are these. */
  const steps = (wanted: readonly NexthopObjectSpec[]) => {
    const running = new Map(get().map((one) => [one.id, one]))
    const nowOf = ({ id }: NexthopObjectSpec) => (id === undefined ? undefined : running.get(id))
    const isRemade = (one: NexthopObjectSpec): boolean => {
      const now = nowOf(one)
      return now !== undefined && !isAlike(one, now)
    }
    const remade = new Set(wanted.filter(isRemade).map(({ id }) => id))
    const ids = new Set(wanted.map(({ id }) => id))
    const left = [...running.keys()].filter((id) => !ids.has(id) || remade.has(id)).toReversed()
    const gone = left.map((id) => del({ type: 'RTM_DELNEXTHOP', id }))
    const come = wanted.flatMap((nexthop, index) => {
      const at = `nexthop[${index}]`
      const now = nowOf(nexthop)
      if (now === undefined || remade.has(nexthop.id))
        return [add({ type: 'RTM_NEWNEXTHOP', flags: ADD, nexthop }, at)]
      return sameNexthop(nexthop, now)
        ? []
        : [change({ type: 'RTM_NEWNEXTHOP', flags: PUT, nexthop }, at)]
    })
    const isGroup = ({ message }: ConfigStep): boolean =>
      message.type === 'RTM_NEWNEXTHOP' && message.nexthop.group !== undefined
    return {
      gone,
      come: [...come.filter((step) => !isGroup(step)), ...come.filter(isGroup)],
      left: new Set(left),
    }
  }

  return { get, steps }
}
