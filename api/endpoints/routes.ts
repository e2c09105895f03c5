/**
 * /routes and /tables/{table}/routes: like `ip route`. A route is (table, dst, tos, metric); the prefix is two path
 * segments, the rest stands in the query. `routes:batch` takes one change a line, as `ip -batch` does.
 */
import type { Context } from 'hono'
import { Hono } from 'hono'
import { z } from 'zod'
import {
  atomicAnswer,
  batchAnswer,
  routeItem,
  routeLookup as lookupItem,
} from '../schemas/answers/route.ts'
import type { Message, RouteSpec } from '../../core/control/text/messages.ts'
import {
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../../core/control/nlm-flags.ts'
import { parsePrefix } from '../../core/wire/text.ts'
import { lookupJson, routeJson } from '../iproute2/route.ts'
import { refused } from '../problem.ts'
import { check } from '../schemas/check.ts'
import { prefix } from '../schemas/common.ts'
import {
  batchLine,
  routeBody,
  routeCacheFlush,
  routeFilter,
  routeLookup,
  routeSelector,
  routeSpec,
  toRouteSpec,
} from '../schemas/route.ts'
import { dumpOf, mustExist, readBody, readPath, sendChange, sendItem, showItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { NDJSON, readListQuery, sendList } from './list.ts'
import { batchQuery, runBatch } from './route-batch.ts'

const tag = 'routes'
const PATH = '/tables/:table/routes/:addr/:len'

const BATCH_EXAMPLE = `${[
  { dst: '10.8.0.0/16', via: '10.1.0.1' },
  { op: 'del', dst: '10.7.0.0/16' },
]
  .map((line) => JSON.stringify(line))
  .join('\n')}\n`
const BATCH_ANSWERS = { [NDJSON]: batchAnswer, 'application/json': atomicAnswer }

/** Flags of iproute2's verbs. */
const ROUTE_FLAGS = {
  add: NLM_F_CREATE | NLM_F_EXCL,
  replace: NLM_F_CREATE | NLM_F_REPLACE,
  change: NLM_F_REPLACE,
  append: NLM_F_CREATE | NLM_F_APPEND,
} as const

/** Tables are named by number or by rt_tables' names. */
const tableOf = (text: string): string | number => (/^\d+$/.test(text) ? Number(text) : text)

/** 0.0.0.0/0 and ::/0 are what `default` means in either family. */
const destinationOf = (addr: string, len: string): Pick<RouteSpec, 'dst' | 'family'> => {
  const text = readPath(prefix, `${addr}/${len}`)
  const family = parsePrefix(text)!.family === 4 ? 'inet' : 'inet6'
  return len === '0' ? { dst: 'default', family } : { dst: text, family }
}

export const createRouteEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  const identity = (c: Context<ApiEnv, typeof PATH>) => ({
    ...destinationOf(c.req.param('addr'), c.req.param('len')),
    table: tableOf(c.req.param('table')),
    ...check(routeSelector, c.req.query(), 'unreadable'),
  })

  const list = (c: Context<ApiEnv>, table?: string | number): Response => {
    const { words, filter } = readListQuery(c, routeFilter)
    const chunks = dumpOf(control, {
      type: 'RTM_GETROUTE',
      filter: { table: 'all', ...filter, ...(table !== undefined && { table }) },
    })
    const show = { details: words.details }
    return sendList(c, chunks, words, control.revision(), (route) => routeJson(route, show))
  }

  const put = (c: Context<ApiEnv>, route: RouteSpec): Promise<Response> => {
    const flags = mustExist(c) ? ROUTE_FLAGS.change : ROUTE_FLAGS.replace
    return sendChange(c, control, { type: 'RTM_NEWROUTE', flags, route })
  }

  api.get(
    '/routes',
    doc('Lists routes of all tables', {
      tag,
      like: 'ip route',
      query: routeFilter,
      items: routeItem,
      shown: routeItem.partial(),
    }),
    (c) => list(c)
  )
  api.post(
    '/routes',
    doc('Adds a route', {
      tag,
      like: 'ip route add',
      body: routeSpec,
      example: { dst: '10.8.0.0/16', via: '10.1.0.1' },
      change: routeItem,
      status: 201,
    }),
    async (c) => {
      const route = await readBody(c, routeSpec)
      const isAppend = c.req.query('append') !== undefined
      const flags = isAppend ? ROUTE_FLAGS.append : ROUTE_FLAGS.add
      return sendChange(c, control, { type: 'RTM_NEWROUTE', flags, route }, 201)
    }
  )
  api.put(
    '/routes',
    doc('Adds or replaces a route', {
      tag,
      like: 'ip route replace',
      body: routeSpec,
      example: { dst: '10.5.0.0/16', via: '10.1.0.1', mtu: 1400 },
      change: routeItem,
    }),
    async (c) => put(c, await readBody(c, routeSpec))
  )

  api.get(
    '/tables/:table/routes',
    doc('Lists routes of a table', {
      tag,
      query: routeFilter,
      items: routeItem,
      shown: routeItem.partial(),
    }),
    (c) => list(c, tableOf(c.req.param('table')))
  )
  api.post(
    '/tables/:table/routes',
    doc('Adds a route to a table', {
      tag,
      body: routeSpec,
      example: { dst: '10.8.0.0/16', type: 'blackhole' },
      change: routeItem,
      status: 201,
    }),
    async (c) => {
      const route = { ...(await readBody(c, routeSpec)), table: tableOf(c.req.param('table')) }
      return sendChange(c, control, { type: 'RTM_NEWROUTE', flags: ROUTE_FLAGS.add, route }, 201)
    }
  )
  api.post(
    '/tables/:table/routes:batch',
    doc('Changes many routes, one a line, and answers each; with ?atomic=1 all of them or none', {
      tag,
      like: 'ip -batch',
      query: batchQuery,
      lines: batchLine,
      example: BATCH_EXAMPLE,
      media: BATCH_ANSWERS,
      also: { 207: BATCH_ANSWERS },
    }),
    (c) => runBatch(c, control, tableOf(c.req.param('table')), ROUTE_FLAGS)
  )

  api.get(
    PATH,
    doc('Shows a route', {
      tag,
      query: routeSelector.shape,
      item: routeItem,
      shown: routeItem.partial(),
    }),
    (c) => {
      const { table, dst, family, ...rest } = identity(c)
      const found = [
        ...dumpOf(control, {
          type: 'RTM_GETROUTE',
          filter: { table, dst, ...(family && { family }) },
        }),
      ]
        .flat()
        .find((route) =>
          Object.entries(rest).every(
            ([word, value]) => ((route as Record<string, unknown>)[word] ?? 0) === value
          )
        )
      if (found === undefined) throw refused('ESRCH')
      return showItem(c, found, control.revision(), (route) => routeJson(route))
    }
  )
  api.put(
    PATH,
    doc('Adds or replaces a route', {
      tag,
      like: 'ip route replace',
      body: routeBody,
      example: { via: '10.1.0.1', metric: 5 },
      change: routeItem,
    }),
    async (c) =>
      put(c, { ...toRouteSpec({ dst: '', ...(await readBody(c, routeBody)) }), ...identity(c) })
  )
  api.delete(
    PATH,
    doc('Deletes a route', {
      tag,
      like: 'ip route del',
      query: routeSelector.shape,
      change: routeItem,
    }),
    (c) => sendChange(c, control, { type: 'RTM_DELROUTE', route: identity(c) })
  )

  api.post(
    '/route-cache:flush',
    doc('Forgets what was learned of destinations: path MTUs, and next hops of redirects', {
      tag,
      like: 'ip route flush cache',
      body: routeCacheFlush,
      example: { family: 'inet' },
      change: z.null(),
    }),
    async (c) => {
      const { family } = await readBody(c, routeCacheFlush)
      return sendChange(c, control, { type: 'RT_CACHE_FLUSH', family })
    }
  )
  api.get(
    '/route-lookup',
    doc('Where a packet would go', {
      tag,
      like: 'ip route get',
      query: routeLookup.shape,
      words: { dst: '10.5.0.1' },
      item: lookupItem,
      shown: lookupItem.partial(),
    }),
    (c) => {
      const { format: _, ...query } = c.req.query()
      const lookup = check(routeLookup, query, 'unreadable')
      return sendItem(c, control, { type: 'RTM_GETROUTE', ...lookup } as Message, lookupJson)
    }
  )
  return api
}
