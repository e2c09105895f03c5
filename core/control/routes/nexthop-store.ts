/**
 * The nexthop objects that there are, and what routes by them go by: the next hops of one, or of a group's members. Control
 * thread. nexthops.ts writes it, rib-rows.ts reads it. Linux: struct nexthop, struct nh_group (include/net/nexthop.h).
 */
import { AF_INET } from '../../base/family.ts'
import { RT_SCOPE_HOST, RT_SCOPE_LINK, RTNH_F_ONLINK } from '../../inet/fib/nexthop-constants.ts'
import type { Hop, ObjectHop } from '../rib/rib-route.ts'

export type NexthopMember = { id: number; weight: number }
/** Of a resilient group: its buckets (nexthop-buckets.ts), and after how long they may be, and are, given to others. */
export type Resilience = { first: number; buckets: number; idleMs: number; unbalancedMs: number }
export type WantedResilience = Partial<Omit<Resilience, 'first'>>
/** In numbers. What is one has a device, or drops all; a group has members. */
export type NexthopObject = {
  id: number
  /** AF_*; 0 of a group. */
  family: number
  protocol: number
  /** lo of a blackhole. */
  dev: number
  gateway: Hop['gateway']
  /** RTNH_F_ONLINK, or 0. */
  flags: number
  isBlackhole: boolean
  members: readonly NexthopMember[] | null
  /** Null of what is not a resilient group. */
  resilient: Resilience | null
}
/** What routes go by. */
type Described = Omit<NexthopObject, 'resilient'>
/** What is asked for: what is left out is as it was, or the default. */
export type WantedNexthop = Described & { resilient: WantedResilience | null }
/** As it is shown: how long it has been out of balance. */
export type SeenNexthop = NexthopObject & { unbalancedTimeMs?: number }
/** Why a route of that family and scope cannot go by an object, whose parts these are; null: it can. */
export const scopeFault = (
  family: number,
  scope: number,
  { members }: Described,
  parts: readonly Described[]
): string | null => {
  if (family !== AF_INET)
    return parts.some((part) => part.family === AF_INET)
      ? 'IPv6 routes can not use an IPv4 nexthop'
      : null
  if (scope === RT_SCOPE_HOST && members !== null)
    return 'Route with host scope can not have multiple nexthops'
  if (scope === RT_SCOPE_HOST && parts[0].gateway !== null)
    return 'Route with host scope can not have a gateway'
  if ((parts[0].flags & RTNH_F_ONLINK) !== 0 && scope >= RT_SCOPE_LINK)
    return 'Scope mismatch with nexthop'
  return null
}

export type NexthopStore = ReturnType<typeof createNexthopStore>

export const createNexthopStore = () => {
  const objects = new Map<number, NexthopObject>()

  /** In order of their ids. */
  const list = (): NexthopObject[] => [...objects.values()].sort((a, b) => a.id - b.id)
  const isMember = (group: NexthopObject, id: number): boolean =>
    group.members?.some((member) => member.id === id) ?? false
  const groupsWith = (id: number): NexthopObject[] => list().filter((group) => isMember(group, id))
  /** What a group, or what is one, consists of. */
  const partsOf = (one: Described): Described[] =>
    one.members?.map(({ id }) => objects.get(id)!) ?? [one]

  const hopOf = (id: number, weight: number): ObjectHop => {
    const { dev, gateway, flags } = objects.get(id)!
    return { id, dev, gateway, flags, weight }
  }
  /** What routes by an object that is there go by. */
  const hopsOf = (id: number): readonly ObjectHop[] =>
    objects.get(id)!.members?.map((member) => hopOf(member.id, member.weight)) ?? [hopOf(id, 0)]
  const resilienceOf = (id: number): Resilience | null => objects.get(id)!.resilient
  const isBlackhole = (id: number): boolean =>
    partsOf(objects.get(id)!).some((part) => part.isBlackhole)
  return {
    get: (id: number): NexthopObject | undefined => objects.get(id),
    set: (one: NexthopObject): void => void objects.set(one.id, one),
    delete: (id: number): void => void objects.delete(id),
    list,
    groupsWith,
    partsOf,
    hopsOf,
    resilienceOf,
    isBlackhole,
  }
}
