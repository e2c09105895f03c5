/**
 * /qdiscs: what holds packets up before a device, like `tc qdisc`. A device has one, at its root: noqueue, or netem, which is
 * the word netem of the link. PUT creates or replaces, POST creates.
 */
import { Hono } from 'hono'
import type { Impairment, LinkItem } from '../../core/control/text/messages.ts'
import { qdiscJson, qdiscOf } from '../iproute2/qdisc.ts'
import { noSuchDevice, refused } from '../problem.ts'
import { qdiscItem, qdiscShown } from '../schemas/answers/qdisc.ts'
import { ifname } from '../schemas/common.ts'
import { qdiscBody, qdiscFilter, qdiscSpec } from '../schemas/qdisc.ts'
import { change, dumpOf, mustExist, readBody, readPath, showItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'qdiscs'
const EXAMPLE = { kind: 'netem', options: { delay: 20_000, loss: 0.5 } }

/** Chunks of links as chunks of their qdiscs. */
function* qdiscsOf(chunks: Iterable<LinkItem[]>) {
  for (const links of chunks) yield links.map(qdiscOf)
}

export const createQdiscEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  const linkOf = (dev: string): LinkItem => {
    const [link] = [...dumpOf(control, { type: 'RTM_GETLINK', filter: { ifname: dev } })].flat()
    if (link === undefined) throw noSuchDevice(dev)
    return link
  }
  const set = (c: Parameters<typeof change>[0], dev: string, netem: Impairment, status?: 201) => {
    const message = { type: 'RTM_NEWLINK', flags: 0, link: { ifname: dev, netem } } as const
    return change(c, control, message, (item) => qdiscOf(item as LinkItem), status)
  }
  /** What netem is to do. */
  const wanted = ({ kind, options = {} }: { kind: string; options?: Impairment }): Impairment => {
    if (kind !== 'netem')
      throw refused('ENOENT', 'Error: Specified qdisc kind is unknown.', [
        { field: 'kind', message: 'netem is the one that can be set' },
      ])
    const { limit: _, ...rest } = options
    if (!Object.values(rest).some((value) => value > 0))
      throw refused('EINVAL', 'Error: netem has to do something.', [
        { field: 'options', message: 'delay, loss, duplicate or corrupt' },
      ])
    return options
  }

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
      const { dev, ...spec } = await readBody(c, qdiscSpec)
      const netem = wanted(spec)
      if (linkOf(dev).netem !== undefined)
        throw refused('EEXIST', 'Error: Exclusivity flag on, cannot modify.')
      return set(c, dev, netem, 201)
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
      const netem = wanted(await readBody(c, qdiscBody))
      if (linkOf(dev).netem === undefined && mustExist(c))
        throw refused('ENOENT', 'Error: Qdisc not found. To create specify NLM_F_CREATE flag.')
      return set(c, dev, netem)
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
    (c) => {
      const dev = readPath(ifname, c.req.param('ifname'))
      if (linkOf(dev).netem === undefined)
        throw refused('ENOENT', 'Error: Cannot delete qdisc with handle of zero.')
      return set(c, dev, {})
    }
  )
  return api
}
