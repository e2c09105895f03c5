/**
 * Routes of a configuration: what users and daemons have made, not what follows from addresses or router advertisements. Control
 * thread.
 */
import { networkOf, parseAddr, parsePrefix } from '../../../wire/text.ts'
import type { RouteItem, RouteSpec } from '../messages.ts'
import { familyOf } from '../names.ts'
import { formatDst } from '../route.ts'
import { ADD, type Dump, PUT, type Steps, add, agrees, change, del, drain } from './config-steps.ts'

const DEFAULT_METRIC: Record<string, number> = { inet: 0, inet6: 1024 }

const routeKey = (route: RouteSpec): string => {
  const prefix = parsePrefix(route.dst)
  const first = route.gateway ?? route.via?.host ?? route.nexthops?.[0]?.gateway
  const hint = parseAddr(first ?? '') ?? parseAddr(route.prefsrc ?? '')
  const is6 = prefix
    ? prefix.family === 6
    : (route.family ?? (hint?.family === 6 ? 'inet6' : 'inet')) === 'inet6'
  const network = prefix && networkOf(prefix)
  const dst = network ? formatDst(familyOf(network), network.words, network.prefixlen) : 'default'
  const metric = route.metric || DEFAULT_METRIC[is6 ? 'inet6' : 'inet']
  return [is6, route.table ?? 'main', dst, route.tos ?? 0, metric].join(' ')
}

export const createRouteConfig = (dump: Dump) => {
  const lasting = (flags: readonly string[]): string[] =>
    flags.filter((flag) => flag !== 'linkdown' && flag !== 'dead')
  /** What a route's device does at the moment is not configuration. */
  const get = (): RouteItem[] =>
    drain(dump({ type: 'RTM_GETROUTE', filter: { table: 'all' } }))
      .filter(({ protocol }) => protocol !== 'kernel' && protocol !== 'ra')
      .map(({ nexthops, ...route }) => {
        if (route.nhid !== undefined) return byObject(route)
        return {
          ...route,
          flags: lasting(route.flags),
          ...(nexthops && {
            nexthops: nexthops.map((hop) => ({ ...hop, flags: lasting(hop.flags ?? []) })),
          }),
        }
      })
  /** Where it leads says its nexthop object, as whether it drops all. */
  const byObject = ({ gateway: _g, via: _v, dev: _d, ...route }: RouteItem): RouteItem => ({
    ...route,
    type: route.type === 'blackhole' ? 'unicast' : route.type,
    flags: [],
  })

  /** Routes by an object of `goneHops` go with it. */
  const steps = (
    wanted: readonly RouteSpec[],
    goneHops: ReadonlySet<number | undefined>
  ): Steps => {
    const isThere = ({ nhid }: RouteItem): boolean => !goneHops.has(nhid)
    const running = new Map(
      get()
        .filter(isThere)
        .map((route) => [routeKey(route), route])
    )
    const keys = new Set(wanted.map(routeKey))
    const gone = [...running]
      .filter(([key]) => !keys.has(key))
      .map(([, route]) => del({ type: 'RTM_DELROUTE', route }))
    const come = wanted.flatMap((route, index) => {
      const at = `route[${index}]`
      const now = running.get(routeKey(route))
      if (now === undefined) return [add({ type: 'RTM_NEWROUTE', flags: ADD, route }, at)]
      const { dst: _dst, family: _family, ...rest } = route
      return agrees(rest, now) ? [] : [change({ type: 'RTM_NEWROUTE', flags: PUT, route }, at)]
    })
    return { gone, come }
  }

  return { get, steps }
}
