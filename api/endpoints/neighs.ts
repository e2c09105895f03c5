/** /neighs: the ARP and ND table, like `ip neigh`; one neighbour is (dev, dst). */
import type { Context } from 'hono'
import { Hono } from 'hono'
import { neighItem } from '../schemas/answers/neigh.ts'
import { z } from 'zod'
import type { NeighItem } from '../../core/control/text/messages.ts'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../core/control/nlm-flags.ts'
import { neighJson } from '../iproute2/neigh.ts'
import { unreadable } from '../problem.ts'
import { address, ifname, queryFlag } from '../schemas/common.ts'
import { neighBody, neighFilter, neighFlush, neighSpec } from '../schemas/link.ts'
import { dumpOf, mustExist, readBody, readPath, sendChange, sendItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'neighs'
/** A neighbour, or one that we answer for. */
const either = { proxy: queryFlag.optional() }
/** ip -j says null for a flag that is set, and no state of what we answer for. */
const NEIGH_SHOWN = neighItem.extend({
  router: z.null().optional(),
  proxy: z.null().optional(),
  state: neighItem.shape.state.optional(),
})
const PATH = '/links/:ifname/neighs/:dst'

export const createNeighEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  const identity = (c: Context<ApiEnv, typeof PATH>) => ({
    dev: readPath(ifname, c.req.param('ifname')),
    dst: readPath(address, c.req.param('dst')),
    proxy: c.req.query('proxy') === '1',
  })

  const list = (c: Context<ApiEnv>, dev?: string): Response => {
    const { words, filter } = readListQuery(c, neighFilter)
    const chunks = dumpOf(control, {
      type: 'RTM_GETNEIGH',
      filter: dev === undefined ? filter : { ...filter, dev },
    })
    const show = { stats: words.stats }
    return sendList(c, chunks, words, control.revision(), (neigh) => neighJson(neigh, show))
  }

  api.get(
    '/neighs',
    doc('Lists neighbours', {
      tag,
      like: 'ip -s neigh',
      query: neighFilter,
      items: neighItem,
      shown: NEIGH_SHOWN,
    }),
    (c) => list(c)
  )
  api.get(
    '/links/:ifname/neighs',
    doc('Lists the neighbours on a link', {
      tag,
      query: neighFilter,
      items: neighItem,
      shown: NEIGH_SHOWN,
    }),
    (c) => list(c, readPath(ifname, c.req.param('ifname')))
  )
  api.post(
    '/neighs',
    doc('Adds a neighbour', {
      tag,
      like: 'ip neigh add',
      body: neighSpec,
      example: { dev: 'veth0', dst: '10.1.0.9', lladdr: '02:00:00:00:00:09' },
      change: neighItem,
      status: 201,
    }),
    async (c) => {
      const neigh = await readBody(c, neighSpec)
      return sendChange(
        c,
        control,
        { type: 'RTM_NEWNEIGH', flags: NLM_F_CREATE | NLM_F_EXCL, neigh },
        201
      )
    }
  )
  api.post(
    '/neighs:flush',
    doc('Deletes neighbours', {
      tag,
      like: 'ip neigh flush',
      body: neighFlush,
      example: { dev: 'veth0', state: ['STALE'] },
      change: z.strictObject({ flushed: z.int() }),
    }),
    async (c) => {
      const filter = await readBody(c, neighFlush)
      if (Object.keys(filter).length === 0) {
        throw unreadable('Flush requires arguments.', [
          { field: 'dev', message: 'say which: dev, family, state or dst' },
        ])
      }
      return sendChange(c, control, { type: 'NEIGH_FLUSH', filter })
    }
  )

  api.get(
    PATH,
    doc('Shows a neighbour', {
      tag,
      like: 'ip neigh get',
      query: either,
      item: neighItem,
      shown: NEIGH_SHOWN,
    }),
    (c) =>
      sendItem(c, control, { type: 'RTM_GETNEIGH', neigh: identity(c) }, (neigh: NeighItem) =>
        neighJson(neigh)
      )
  )
  api.put(
    PATH,
    doc('Adds or replaces a neighbour', {
      tag,
      like: 'ip neigh replace',
      body: neighBody,
      example: { lladdr: '02:00:00:00:00:07' },
      change: neighItem,
    }),
    async (c) => {
      const { dev, dst } = identity(c)
      const neigh = { dev, dst, ...(await readBody(c, neighBody)) }
      const flags = mustExist(c) ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_REPLACE
      return sendChange(c, control, { type: 'RTM_NEWNEIGH', flags, neigh })
    }
  )
  api.delete(
    PATH,
    doc('Deletes a neighbour', { tag, like: 'ip neigh del', query: either, change: z.null() }),
    (c) => sendChange(c, control, { type: 'RTM_DELNEIGH', neigh: identity(c) })
  )
  return api
}
