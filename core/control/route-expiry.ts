/**
 * Routes that end by themselves: those that routers advertise, and the networks of addresses that end. When each ends, and
 * what its router is worth (RFC 4191), beside the routes themselves, of which most have none of that. Control thread.
 * Linux: fib6_set_expires(), fib6_age() (net/ipv6/ip6_fib.c).
 */
import type { Rib, RibRoute } from './rib.ts'

type RouteExpiryDeps = {
  remove: Rib['remove']
  /** Milliseconds of control's clock. */
  nowMs: () => number
}
export type RouteExpiry = ReturnType<typeof createRouteExpiry>

/** A route as it is shown: with the seconds that are left of it. */
export type SeenRoute = RibRoute & { expires?: number }

type Entry = { route: RibRoute; until: number }

const keyOf = ({ family, table, words, plen, metric, dev, gateway, type }: RibRoute): string =>
  [family, table, ...words, plen, metric, dev, ...(gateway?.words ?? []), type].join()

export const createRouteExpiry = ({ remove, nowMs }: RouteExpiryDeps) => {
  const entries = new Map<string, Entry>()
  let nextEnd = Infinity

  /** The route ends then, which may be never. */
  const setUntil = (route: RibRoute, until: number): void => {
    if (until === Infinity) {
      entries.delete(keyOf(route))
      return
    }
    entries.set(keyOf(route), { route, until })
    nextEnd = Math.min(nextEnd, until)
  }
  /** A route is gone. */
  const forget = (route: RibRoute): void => {
    if (entries.size > 0) entries.delete(keyOf(route))
  }
  /** Seconds until it ends; undefined when it stays. */
  const expiresOf = (route: RibRoute): number | undefined => {
    if (entries.size === 0) return undefined
    const until = entries.get(keyOf(route))?.until
    return until === undefined ? undefined : Math.max(0, Math.ceil((until - nowMs()) / 1000))
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
  return { setUntil, forget, expiresOf, expire }
}
