/** /maddrs: what each device receives of multicast, like `ip maddress`; link-layer addresses can be added and deleted. */
import type { Context } from 'hono'
import { Hono } from 'hono'
import { maddrItem, maddrShown } from '../schemas/answers/neigh.ts'
import { maddrJson } from '../iproute2/maddr.ts'
import { ifname, lladdr } from '../schemas/common.ts'
import { maddrFilter, maddrSpec } from '../schemas/link.ts'
import { dumpOf, readBody, readPath, sendChange } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'maddrs'

export const createMaddrEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  const list = (c: Context<ApiEnv>, dev?: string): Response => {
    const { words, filter } = readListQuery(c, maddrFilter)
    const chunks = dumpOf(control, {
      type: 'RTM_GETMULTICAST',
      filter: dev === undefined ? filter : { ...filter, dev },
    })
    return sendList(c, chunks, words, control.revision(), maddrJson)
  }
  api.get(
    '/maddrs',
    doc('Lists multicast addresses', {
      tag,
      like: 'ip maddress',
      query: maddrFilter,
      items: maddrItem,
      shown: maddrShown,
    }),
    (c) => list(c)
  )
  api.get(
    '/links/:ifname/maddrs',
    doc('Lists the multicast addresses of a link', {
      tag,
      query: maddrFilter,
      items: maddrItem,
      shown: maddrShown,
    }),
    (c) => list(c, readPath(ifname, c.req.param('ifname')))
  )
  api.post(
    '/maddrs',
    doc('Adds a link-layer address', {
      tag,
      like: 'ip maddress add',
      body: maddrSpec,
      example: { dev: 'veth0', link: '33:33:00:00:00:bb' },
      change: maddrItem,
      status: 201,
    }),
    async (c) => {
      const maddr = await readBody(c, maddrSpec)
      return sendChange(c, control, { type: 'RTM_NEWMULTICAST', maddr }, 201)
    }
  )
  api.delete(
    '/links/:ifname/maddrs/:link',
    doc('Deletes a link-layer address', { tag, like: 'ip maddress del', change: maddrItem }),
    (c) => {
      const maddr = {
        dev: readPath(ifname, c.req.param('ifname')),
        link: readPath(lladdr, c.req.param('link')),
      }
      return sendChange(c, control, { type: 'RTM_DELMULTICAST', maddr })
    }
  )
  return api
}
