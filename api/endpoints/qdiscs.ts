/**
 * /qdiscs: what holds packets up before a device, like `tc qdisc`. A device has one, at its root: noqueue, or netem, which is
 * the word netem of the link. PUT creates or replaces, POST creates.
 */
import type { Context } from 'hono'
import { Hono } from 'hono'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../core/control/nlm-flags.ts'
import type { LinkItem, Message } from '../../core/control/text/messages.ts'
import { qdiscJson, qdiscOf } from '../iproute2/qdisc.ts'
import { noSuchDevice } from '../problem.ts'
import { qdiscItem, qdiscShown } from '../schemas/answers/qdisc.ts'
import { ifname } from '../schemas/common.ts'
import { qdiscBody, qdiscFilter, qdiscSpec } from '../schemas/qdisc.ts'
import { change, dumpOf, mustExist, readBody, readPath, showItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'qdiscs'
const EXAMPLE = { kind: 'netem', options: { delay: 20_000, loss: 0.5 } }

/** Chunks of links as chunks of their qdiscs; what has never been up has none (tc_qdisc_dump_ignore). */
function* qdiscsOf(chunks: Iterable<LinkItem[]>) {
  for (const links of chunks) yield links.map(qdiscOf).filter(({ kind }) => kind !== 'noop')
}

export const createQdiscEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  const linkOf = (dev: string): LinkItem => {
    const [link] = [...dumpOf(control, { type: 'RTM_GETLINK', filter: { ifname: dev } })].flat()
    if (link === undefined) throw noSuchDevice(dev)
    return link
  }
  const send = (c: Context<ApiEnv>, message: Message, status?: 201) =>
    change(c, control, message, (item) => qdiscOf(item as LinkItem), status)

  api.get(
    '/qdiscs',
    doc('Lists queueing disciplines', {
      tag,
      like: 'tc -s qdisc',
      query: qdiscFilter,
      items: qdiscItem,
      shown: qdiscShown,
    }),
    (c) => {
      const { words, filter } = readListQuery(c, qdiscFilter)
      const { dev } = filter
      const named = dev === undefined ? {} : { ifname: linkOf(dev).ifname }
      const chunks = qdiscsOf(dumpOf(control, { type: 'RTM_GETLINK', filter: named }))
      const show = { stats: words.stats === true, omitDev: dev !== undefined }
      return sendList(c, chunks, words, control.revision(), (item) => qdiscJson(item, show))
    }
  )
  api.post(
    '/qdiscs',
    doc('Adds a queueing discipline', {
      tag,
      like: 'tc qdisc add',
      body: qdiscSpec,
      example: { dev: 'veth0', ...EXAMPLE },
      change: qdiscItem,
      status: 201,
    }),
    async (c) => {
      const qdisc = await readBody(c, qdiscSpec)
      const flags = NLM_F_CREATE | NLM_F_EXCL
      return send(c, { type: 'RTM_NEWQDISC', flags, qdisc }, 201)
    }
  )
  api.get(
    '/qdiscs/:ifname',
    doc("Shows a device's queueing discipline", { tag, item: qdiscItem, shown: qdiscShown }),
    (c) => {
      const item = qdiscOf(linkOf(readPath(ifname, c.req.param('ifname'))))
      return showItem(c, item, control.revision(), (one) => qdiscJson(one))
    }
  )
  api.put(
    '/qdiscs/:ifname',
    doc('Creates or replaces a queueing discipline', {
      tag,
      like: 'tc qdisc replace',
      body: qdiscBody,
      example: EXAMPLE,
      change: qdiscItem,
    }),
    async (c) => {
      const dev = readPath(ifname, c.req.param('ifname'))
      const qdisc = { dev, ...(await readBody(c, qdiscBody)) }
      const flags = mustExist(c) ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_REPLACE
      return send(c, { type: 'RTM_NEWQDISC', flags, qdisc })
    }
  )
  api.delete(
    '/qdiscs/:ifname',
    doc('Deletes a queueing discipline', {
      tag,
      like: 'tc qdisc del',
      words: { ifname: 'veth1' },
      change: qdiscItem,
    }),
    (c) => send(c, { type: 'RTM_DELQDISC', dev: readPath(ifname, c.req.param('ifname')) })
  )
  return api
}
