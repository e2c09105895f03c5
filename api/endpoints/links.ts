/** /links: network devices, like `ip -s -d link`. PUT creates or replaces, POST creates, PATCH changes. */
import { Hono } from 'hono'
import { linkItem, linkShown } from '../schemas/answers/link.ts'
import type { LinkItem } from '../../core/control/text/messages.ts'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../core/control/nlm-flags.ts'
import { linkJson } from '../iproute2/link.ts'
import { ifname } from '../schemas/common.ts'
import { linkBody, linkFilter, linkPatch, linkSpec, withKinds } from '../schemas/link.ts'
import { dumpOf, mustExist, readBody, readPath, sendChange, sendItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'links'

export const createLinkEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()
  const { kinds } = control
  const name = (param: string): string => readPath(ifname, param)

  api.get(
    '/links',
    doc('Lists links', {
      tag,
      like: 'ip -s -d link',
      query: linkFilter,
      items: linkItem,
      shown: linkShown,
    }),
    (c) => {
      const { words, filter } = readListQuery(c, linkFilter)
      const show = { stats: words.stats, details: words.details }
      const chunks = dumpOf(control, { type: 'RTM_GETLINK', filter })
      return sendList(c, chunks, words, control.revision(), (link) => linkJson(link, show))
    }
  )

  api.post(
    '/links',
    doc('Adds a link', {
      tag,
      like: 'ip link add',
      body: withKinds(linkSpec, kinds),
      example: { ifname: 'veth2', kind: 'veth', up: true },
      change: linkItem,
      status: 201,
    }),
    async (c) => {
      const link = await readBody(c, linkSpec)
      return sendChange(
        c,
        control,
        { type: 'RTM_NEWLINK', flags: NLM_F_CREATE | NLM_F_EXCL, link },
        201
      )
    }
  )

  api.get(
    '/links/:ifname',
    doc('Shows a link', { tag, like: 'ip link show', item: linkItem, shown: linkShown }),
    (c) =>
      sendItem(
        c,
        control,
        { type: 'RTM_GETLINK', ifname: name(c.req.param('ifname')) },
        (link: LinkItem) => linkJson(link)
      )
  )

  api.put(
    '/links/:ifname',
    doc('Creates or replaces a link', {
      tag,
      body: withKinds(linkBody, kinds),
      example: { mtu: 1400, up: true },
      change: linkItem,
    }),
    async (c) => {
      const link = { ifname: name(c.req.param('ifname')), ...(await readBody(c, linkBody)) }
      const flags = mustExist(c) ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_REPLACE
      return sendChange(c, control, { type: 'RTM_NEWLINK', flags, link })
    }
  )

  api.patch(
    '/links/:ifname',
    doc('Changes a link', {
      tag,
      like: 'ip link set',
      body: linkPatch,
      example: { mtu: 1400 },
      change: linkItem,
    }),
    async (c) => {
      const link = { ifname: name(c.req.param('ifname')), ...(await readBody(c, linkPatch)) }
      return sendChange(c, control, { type: 'RTM_NEWLINK', flags: 0, link })
    }
  )

  api.delete(
    '/links/:ifname',
    doc('Deletes a link', { tag, like: 'ip link del', change: linkItem }),
    (c) => sendChange(c, control, { type: 'RTM_DELLINK', ifname: name(c.req.param('ifname')) })
  )
  return api
}
