/** /nexthops: nexthop objects, like `ip nexthop`, each under its id; /nexthop-buckets: those of resilient groups. */
import type { Context } from 'hono'
import { Hono } from 'hono'
import type { NexthopItem, NexthopObjectSpec } from '../../core/control/text/messages.ts'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../core/control/nlm-flags.ts'
import { bucketItem, nexthopItem } from '../schemas/answers/nexthop.ts'
import { bucketJson, nexthopJson } from '../iproute2/nexthop.ts'
import { queryNumber } from '../schemas/common.ts'
import { bucketFilter, nexthopBody, nexthopFilter, nexthopSpec } from '../schemas/nexthop.ts'
import { dumpOf, mustExist, readBody, readPath, sendChange, sendItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'nexthops'
const PATH = '/nexthops/:id'

export const createNexthopEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  const idOf = (c: Context<ApiEnv, typeof PATH>): number => readPath(queryNumber, c.req.param('id'))
  const put = (c: Context<ApiEnv>, nexthop: NexthopObjectSpec): Promise<Response> => {
    const flags = mustExist(c) ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_REPLACE
    return sendChange(c, control, { type: 'RTM_NEWNEXTHOP', flags, nexthop })
  }

  api.get(
    '/nexthops',
    doc('Lists nexthop objects', {
      tag,
      like: 'ip nexthop',
      query: nexthopFilter,
      items: nexthopItem,
      shown: nexthopItem.partial(),
    }),
    (c) => {
      const { words, filter } = readListQuery(c, nexthopFilter)
      const chunks = dumpOf(control, { type: 'RTM_GETNEXTHOP', filter })
      const show = { details: words.details === true }
      return sendList(c, chunks, words, control.revision(), (one: NexthopItem) =>
        nexthopJson(one, show)
      )
    }
  )
  api.post(
    '/nexthops',
    doc('Adds a nexthop object; without an id it gets one', {
      tag,
      like: 'ip nexthop add',
      body: nexthopSpec,
      example: { via: '10.1.0.7', dev: 'veth0' },
      change: nexthopItem,
      status: 201,
    }),
    async (c) => {
      const nexthop = await readBody(c, nexthopSpec)
      const flags = NLM_F_CREATE | NLM_F_EXCL
      return sendChange(c, control, { type: 'RTM_NEWNEXTHOP', flags, nexthop }, 201)
    }
  )
  api.put(
    '/nexthops',
    doc('Adds or replaces a nexthop object: all routes by it follow at once', {
      tag,
      like: 'ip nexthop replace',
      body: nexthopSpec,
      example: { id: 7, via: '10.1.0.7', dev: 'veth0' },
      change: nexthopItem,
    }),
    async (c) => put(c, await readBody(c, nexthopSpec))
  )

  api.get(
    PATH,
    doc('Shows a nexthop object', {
      tag,
      like: 'ip nexthop get',
      item: nexthopItem,
      shown: nexthopItem.partial(),
    }),
    (c) => sendItem(c, control, { type: 'RTM_GETNEXTHOP', id: idOf(c) }, nexthopJson)
  )
  api.put(
    PATH,
    doc('Adds or replaces a nexthop object', {
      tag,
      body: nexthopBody,
      example: { via: '10.1.0.7', dev: 'veth0' },
      change: nexthopItem,
    }),
    async (c) => put(c, { ...(await readBody(c, nexthopBody)), id: idOf(c) })
  )
  api.delete(
    PATH,
    doc('Deletes a nexthop object, its routes and its place in groups', {
      tag,
      like: 'ip nexthop del',
      change: nexthopItem,
    }),
    (c) => sendChange(c, control, { type: 'RTM_DELNEXTHOP', id: idOf(c) })
  )
  api.get(
    '/nexthop-buckets',
    doc('Lists the buckets of resilient groups', {
      tag,
      like: 'ip nexthop bucket',
      query: bucketFilter,
      items: bucketItem,
    }),
    (c) => {
      const { words, filter } = readListQuery(c, bucketFilter)
      const chunks = dumpOf(control, { type: 'RTM_GETNEXTHOPBUCKET', filter })
      return sendList(c, chunks, words, control.revision(), bucketJson)
    }
  )
  api.get(
    `${PATH}/buckets/:index`,
    doc('Shows a bucket of a resilient group', {
      tag,
      like: 'ip nexthop bucket get',
      words: { id: '8', index: '3' },
      item: bucketItem,
    }),
    (c) => {
      const index = readPath(queryNumber, c.req.param('index'))
      const message = { type: 'RTM_GETNEXTHOPBUCKET', id: idOf(c), index } as const
      return sendItem(c, control, message, bucketJson)
    }
  )
  return api
}
