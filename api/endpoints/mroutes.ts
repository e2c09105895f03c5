/** /mroutes: multicast routes, like `ip mroute`; /mvifs: the devices through which multicast passes. */
import { Hono } from 'hono'
import { mrouteItem, mrouteShown, mvifItem } from '../schemas/answers/neigh.ts'
import type { MrouteItem } from '../../core/control/text/messages.ts'
import { mrouteJson } from '../iproute2/mroute.ts'
import { address, ifname } from '../schemas/common.ts'
import { mrouteFilter, mrouteSource, mrouteSpec, mvifBody } from '../schemas/mroute.ts'
import { dumpOf, readBody, readPath, sendChange } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'mroutes'

export const createMrouteEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  api.get(
    '/mroutes',
    doc('Lists multicast routes', {
      tag,
      like: 'ip -s mroute',
      query: mrouteFilter,
      items: mrouteItem,
      shown: mrouteShown,
    }),
    (c) => {
      const { words, filter } = readListQuery(c, mrouteFilter)
      const chunks = dumpOf(control, { type: 'RTM_GETMROUTE', filter })
      const show = (route: MrouteItem) => mrouteJson(route, { stats: words.stats ?? false })
      return sendList(c, chunks, words, control.revision(), show)
    }
  )
  api.post(
    '/mroutes',
    doc('Sets a multicast route, in the place of one for the same source and group', {
      tag,
      body: mrouteSpec,
      example: { src: '10.1.0.5', dst: '239.1.1.1', iif: 'veth0', oifs: [{ dev: 'veth1' }] },
      change: mrouteItem,
      status: 201,
    }),
    async (c) => {
      const mroute = await readBody(c, mrouteSpec)
      return sendChange(c, control, { type: 'RTM_NEWMROUTE', mroute }, 201)
    }
  )
  api.delete(
    '/mroutes/:src/:dst',
    doc('Deletes a multicast route', { tag, words: { dst: '239.2.2.2' }, change: mrouteItem }),
    (c) => {
      const mroute = {
        src: readPath(mrouteSource, c.req.param('src')),
        dst: readPath(address, c.req.param('dst')),
      }
      return sendChange(c, control, { type: 'RTM_DELMROUTE', mroute })
    }
  )
  api.get(
    '/mvifs',
    doc('Lists the devices through which multicast passes', {
      tag,
      query: mrouteFilter,
      items: mvifItem,
    }),
    (c) => {
      const { words, filter } = readListQuery(c, mrouteFilter)
      return sendList(c, dumpOf(control, { type: 'MVIF', filter }), words, control.revision())
    }
  )
  api.put(
    '/links/:ifname/mvif',
    doc('Says what a link is to multicast that passes through', {
      tag,
      body: mvifBody,
      example: { role: 'static' },
      change: mvifItem,
    }),
    async (c) => {
      const mvif = {
        ifname: readPath(ifname, c.req.param('ifname')),
        ...(await readBody(c, mvifBody)),
      }
      return sendChange(c, control, { type: 'MVIF_SET', mvif })
    }
  )
  return api
}
