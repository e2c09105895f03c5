/**
 * Routes that end by themselves: those that routers advertise, that are entered so, and the networks of addresses that end. When each ends, and
 * what its router is worth (RFC 4191), beside the routes themselves, of which most have none of that. Control thread.
 * Linux: fib6_set_expires(), fib6_age() (net/ipv6/ip6_fib.c).
 */
import type { Rib } from '../rib/rib.ts'
import type { RibRoute } from '../rib/rib-route.ts'

type RouteExpiryDeps = {
  remove: Rib['remove']
  /** Milliseconds of control's clock. */
  nowMs: () => number
}
export type RouteExpiry = ReturnType<typeof createRouteExpiry>

/** A route as it is shown: with the seconds that are left of it, and what its router is worth (-1 low, 0 medium, 1 high). */
export type SeenRoute = RibRoute & { expires?: number; pref?: number }

type Entry = { route: RibRoute; until: number; pref: number }

const keyOf = ({ family, table, words, plen, metric, dev, gateway, type }: RibRoute): string =>
  [family, table, ...words, plen, metric, dev, ...(gateway?.words ?? []), type].join()

export const createRouteExpiry = ({ remove, nowMs }: RouteExpiryDeps) => {
  const entries = new Map<string, Entry>()
  let nextEnd = Infinity

  /** A route is gone. */
  const forget = (route: RibRoute): void => {
    if (entries.size > 0) entries.delete(keyOf(route))
  }
  /** The route ends then, which may be never. */
  const setUntil = (route: RibRoute, until: number, pref = 0): void => {
    if (until === Infinity && pref === 0) return forget(route)
    entries.set(keyOf(route), { route, until, pref })
    nextEnd = Math.min(nextEnd, until)
  }
  /** What a route was entered with: the seconds that it is to last, and its preference. */
  const keep = (route: RibRoute, expires?: number, pref?: number): void =>
    setUntil(route, expires === undefined ? Infinity : nowMs() + expires * 1000, pref)
  /** What is to be shown of a route besides. */
  const more = (route: RibRoute): Pick<SeenRoute, 'expires' | 'pref'> => {
    const entry = entries.size === 0 ? undefined : entries.get(keyOf(route))
    if (entry === undefined) return {}
    const { until, pref } = entry
    if (until === Infinity) return { pref }
    return { pref, expires: Math.max(0, Math.ceil((until - nowMs()) / 1000)) }
  }
  const expire = (): void => {
    const now = nowMs()
    if (now < nextEnd) return
    nextEnd = Infinity
    for (const { route, until } of [...entries.values()]) {
      if (until <= now) {
        remove(route)
        forget(route)
      } else nextEnd = Math.min(nextEnd, until)
    }
  }
  return { setUntil, keep, forget, more, expire }
}
