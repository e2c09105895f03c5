/**
 * The routing information base: every route there is, with the alternatives that do not win, in every table.
 * The best of each prefix goes into its table's trie, its alternatives chained
 * behind it. Refusals are the kernel's. Control thread only. Linux: fib_table_insert/delete (fib_trie.c),
 * fib_add_rt2node (ip6_fib.c), fib_sync_down_dev.
 */
import { AF_INET } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import type { Metrics } from '../shm/dst-metrics.ts'
import { NH_METRICS, RTAX_MTU, metricsContent } from '../shm/dst-metrics.ts'
import type { FibWriter } from '../inet/fib-writer.ts'
import { maskWords } from '../inet/fib-writer.ts'
import type { Nexthops } from '../inet/nexthop.ts'
import {
  NH_DEV,
  NH_FAMILY,
  NH_FLAGS,
  NH_GATEWAY,
  NH_METRIC,
  NH_MTU,
  NH_NEXT,
  NH_PLEN,
  NH_PREFSRC,
  NH_PROTOCOL,
  NH_SCOPE,
  NH_TABLE,
  NH_TYPE,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../inet/nexthop-constants.ts'
import { NEXTHOP_WORDS } from '../shm/layout.ts'
import type { Words } from '../wire/text.ts'
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from './nlm-flags.ts'

export type Prefix = { family: number; table: number; words: Words; plen: number }
/** A route in numbers. `gateway` null: on link; `prefsrc` null: chosen. */
export type RibRoute = Prefix & {
  tos: number
  metric: number
  type: number
  protocol: number
  scope: number
  dev: number
  gateway: { family: number; words: Words } | null
  prefsrc: Words | null
  flags: number
  /** By RTAX_*; null: none. */
  metrics: Metrics | null
}
/** What a deletion names; what is left out matches anything. */
export type RouteMatch = Prefix & Partial<Omit<RibRoute, keyof Prefix>>
/** A prefix's routes, best first, and the row the trie has for it. */
type Entry = { routes: RibRoute[]; row: number }
type Table = { byLength: Map<string, Entry>[]; size: number }
export type RibEvents = (event: 'new' | 'del', route: RibRoute) => void
export type Rib = ReturnType<typeof createRib>

const LOOKUP_ORDER = [RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT]

export const sameWords = (a: Words | null, b: Words | null): boolean =>
  a === b || (a !== null && b !== null && a.every((word, k) => word === b[k]))
const sameGateway = (a: RibRoute['gateway'], b: RibRoute['gateway']): boolean =>
  a === b || (a !== null && b !== null && sameWords(a.words, b.words))
const sameMetrics = (a: Metrics | null, b: Metrics | null): boolean =>
  a === b || (a !== null && b !== null && a.join() === b.join())
const networkWords = (family: number, words: Words, plen: number): Words =>
  maskWords(words, family === AF_INET ? 96 + plen : plen) as Words

type RibDeps = {
  /** The network namespace whose routes these are. */
  net: number
  fib: FibWriter
  nexthops: Nexthops
  onEvent: RibEvents
}

export const createRib = ({ net, fib, nexthops, onEvent }: RibDeps) => {
  const tables = new Map<string, Table>()
  const content = new Int32Array(NEXTHOP_WORDS)

  const tableOf = (family: number, table: number): Table => {
    const key = `${family}/${table}`
    let found = tables.get(key)
    if (found === undefined) tables.set(key, (found = { byLength: [], size: 0 }))
    return found
  }
  const entryOf = ({ family, table, words, plen }: Prefix): Entry | undefined =>
    tableOf(family, table).byLength[plen]?.get(words.join())

  /** Held once more; 0 when there are none, or no room for them. */
  const metricsRow = ({ metrics }: RibRoute): number => {
    if (metrics === null) return 0
    metricsContent(content, metrics)
    return nexthops.intern(content)
  }
  const rowOf = (route: RibRoute, next: number): number => {
    const metrics = metricsRow(route)
    if (route.metrics !== null && metrics === 0) return 0
    content.fill(0)
    content[NH_METRICS] = metrics
    content[NH_TYPE] = route.type
    content[NH_DEV] = route.dev
    content[NH_FAMILY] = route.gateway?.family ?? 0
    if (route.gateway) content.set(route.gateway.words, NH_GATEWAY)
    if (route.prefsrc) content.set(route.prefsrc, NH_PREFSRC)
    content[NH_SCOPE] = route.scope
    content[NH_MTU] = route.metrics?.[RTAX_MTU] ?? 0
    content[NH_FLAGS] = route.flags
    content[NH_TABLE] = route.table
    content[NH_PROTOCOL] = route.protocol
    content[NH_METRIC] = route.metric
    content[NH_NEXT] = next
    content[NH_PLEN] = route.plen
    const row = nexthops.intern(content)
    // its row holds it now, or nobody does
    if (metrics !== 0) nexthops.release(metrics)
    return row
  }
  /** The row of the first route, which leads to those of the others; 0 when rows ran out. */
  const chainOf = (routes: readonly RibRoute[]): number => {
    let row = 0
    for (const route of routes.toReversed()) {
      const next = row
      row = rowOf(route, next)
      if (next !== 0) nexthops.release(next)
      if (row === 0) return 0
    }
    return row
  }

  /** Makes `routes` all that the prefix has. 0, or -errno and nothing has changed. */
  const commit = (prefix: Prefix, routes: RibRoute[]): number => {
    const { family, table: id, words, plen } = prefix
    const table = tableOf(family, id)
    const entries = (table.byLength[plen] ??= new Map())
    const key = words.join()
    const old = entries.get(key)
    let row = 0
    if (routes.length > 0) {
      row = chainOf(routes)
      if (row === 0) return -Errno.ENOBUFS
      const error = row === old?.row ? 0 : fib.insert(net, family, id, words, plen, row)
      if (error !== 0) {
        nexthops.release(row)
        return error
      }
    } else if (old !== undefined) fib.remove(net, family, id, words, plen)
    if (old !== undefined) nexthops.release(old.row)
    table.size += routes.length - (old?.routes.length ?? 0)
    if (routes.length === 0) entries.delete(key)
    else entries.set(key, { routes, row })
    return 0
  }

  /** As commit, with the events of what changed. */
  const change = (
    prefix: Prefix,
    routes: RibRoute[],
    gone: RibRoute[],
    come: RibRoute[]
  ): number => {
    const error = commit(prefix, routes)
    if (error !== 0) return error
    for (const route of gone) onEvent('del', route)
    for (const route of come) onEvent('new', route)
    return 0
  }

  /** Identity within a prefix, for the family's rules. */
  const samePlace = (a: RibRoute, b: RibRoute): boolean => a.tos === b.tos && a.metric === b.metric
  const isDuplicate = (a: RibRoute, b: RibRoute): boolean =>
    samePlace(a, b) &&
    a.type === b.type &&
    a.dev === b.dev &&
    sameGateway(a.gateway, b.gateway) &&
    (a.family !== AF_INET ||
      (a.scope === b.scope && a.protocol === b.protocol && sameWords(a.prefsrc, b.prefsrc)))

  /** 0, or -EEXIST, -ENOENT, -ENOBUFS, -ENOSPC. */
  const add = (route: RibRoute, flags: number): number => {
    const old = entryOf(route)?.routes ?? []
    const inPlace = old.filter((other) => samePlace(other, route))
    if (inPlace.length > 0 && (flags & NLM_F_EXCL) !== 0) return -Errno.EEXIST
    if (inPlace.length === 0 && (flags & NLM_F_CREATE) === 0) return -Errno.ENOENT
    if ((flags & NLM_F_REPLACE) !== 0 && inPlace.length > 0) {
      const [first] = inPlace
      if (isDuplicate(first!, route) && sameMetrics(first!.metrics, route.metrics)) {
        // the same again: nothing to do but to tell
        return change(
          route,
          old.map((other) => (other === first ? route : other)),
          [],
          [route]
        )
      }
      if (old.some((other) => other !== first && isDuplicate(other, route))) return -Errno.EEXIST
      return change(
        route,
        old.map((other) => (other === first ? route : other)),
        [first!],
        [route]
      )
    }
    if (old.some((other) => isDuplicate(other, route))) return -Errno.EEXIST
    const isAppended = (flags & NLM_F_APPEND) !== 0 || route.family !== AF_INET
    const before = (other: RibRoute): boolean =>
      other.metric < route.metric || (isAppended && other.metric === route.metric)
    const at = old.findIndex((other) => !before(other))
    const routes = at < 0 ? [...old, route] : old.toSpliced(at, 0, route)
    return change(route, routes, [], [route])
  }

  const matches = (route: RibRoute, match: RouteMatch): boolean =>
    (match.tos ?? 0) === route.tos &&
    (match.metric === undefined || match.metric === 0 || match.metric === route.metric) &&
    (match.type === undefined || match.type === route.type) &&
    (match.protocol === undefined || match.protocol === route.protocol) &&
    (match.scope === undefined || match.scope === route.scope) &&
    (match.dev === undefined || match.dev === route.dev) &&
    (match.gateway === undefined || sameGateway(match.gateway, route.gateway)) &&
    (match.prefsrc === undefined || sameWords(match.prefsrc, route.prefsrc))
  const find = (match: RouteMatch): RibRoute | undefined =>
    entryOf(match)?.routes.find((route) => matches(route, match))

  /** Deletes the first route that matches, and answers with it; -ESRCH when there is none. */
  const remove = (match: RouteMatch): RibRoute | number => {
    const route = find(match)
    if (route === undefined) return -Errno.ESRCH
    const routes = entryOf(route)!.routes.filter((other) => other !== route)
    const error = change(route, routes, [route], [])
    return error === 0 ? route : error
  }

  /** Deletes all routes of which `dead` says so; how many. Linux: fib_flush. */
  const flush = (dead: (route: RibRoute) => boolean): number => {
    let flushed = 0
    for (const { byLength } of tables.values())
      for (const entries of byLength)
        for (const { routes } of entries?.values() ?? []) {
          const gone = routes.filter(dead)
          if (gone.length === 0) continue
          change(
            gone[0],
            routes.filter((route) => !gone.includes(route)),
            gone,
            []
          )
          flushed += gone.length
        }
    return flushed
  }

  /**
   * Longest match of the usable routes in the tables local, main, default: how a gateway is checked (Linux:
   * fib_check_nh, ip6_route_check_nh).
   */
  const resolve = (
    family: number,
    words: Words,
    isUsable: (route: RibRoute) => boolean
  ): RibRoute | undefined => {
    for (const id of LOOKUP_ORDER) {
      const { byLength } = tableOf(family, id)
      for (let plen = byLength.length - 1; plen >= 0; plen--) {
        const entries = byLength[plen]
        if (entries === undefined || entries.size === 0) continue
        const routes = entries.get(networkWords(family, words, plen).join())?.routes
        const usable = routes?.find(isUsable)
        if (usable !== undefined) return usable
      }
    }
    return undefined
  }

  /** Routes of a family and table, in chunks: the shortest prefix first, then by length and arrival. */
  function* dump(family: number, table: number, size = 256): Generator<RibRoute[]> {
    let chunk: RibRoute[] = []
    for (const entries of tableOf(family, table).byLength)
      for (const { routes } of entries?.values() ?? []) {
        chunk.push(...routes)
        if (chunk.length < size) continue
        yield chunk
        chunk = []
      }
    if (chunk.length > 0) yield chunk
  }
  const count = (family: number, table: number): number => tableOf(family, table).size
  /** Ids of a family's tables that have routes. */
  const tableIds = (family: number): number[] =>
    [...tables]
      .filter(([key, { size }]) => key.startsWith(`${family}/`) && size > 0)
      .map(([key]) => Number(key.split('/')[1]))
      .sort((a, b) => a - b)

  return { add, remove, find, flush, resolve, dump, count, tableIds }
}
