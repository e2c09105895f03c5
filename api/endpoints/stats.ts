/** /workers, /nstat, /memory, /drops, /flows, /skbs, /sysctl: what is measured, and the switches. */
import { Hono } from 'hono'
import * as answers from '../schemas/answers/stats.ts'
import { flowItem } from '../schemas/answers/sock.ts'
import { z } from 'zod'
import { check } from '../schemas/check.ts'
import { queryNumber } from '../schemas/common.ts'
import { sysctlBody } from '../schemas/steering.ts'
import { dumpOf, readBody, readPath, sendChange, sendItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { format, readListQuery, sendList } from './list.ts'

const tag = 'measured'

const flowFilter = { worker: queryNumber.optional() }
const sysctlFilter = { prefix: z.string().optional() }

export const createStatsEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  api.get(
    '/workers',
    doc('The workers, and what each did', {
      tag,
      like: 'cat /proc/net/softnet_stat',
      items: answers.workerItem,
    }),
    (c) => {
      const { words } = readListQuery(c, {})
      return sendList(c, control.dump({ type: 'WORKER' }), words, control.revision())
    }
  )
  api.get('/workers/:worker', doc('One worker', { tag, item: answers.workerItem }), (c) =>
    sendItem(c, control, {
      type: 'WORKER_GET',
      worker: readPath(queryNumber, c.req.param('worker')),
    })
  )

  api.get(
    '/nstat',
    doc('Counters', { tag, like: 'nstat -az', answer: answers.nstatAnswer }),
    async (c) => {
      check(z.strictObject({}), c.req.query(), 'unreadable')
      const reply = await control.request({ type: 'NSTAT_GET' })
      return c.json({ kernel: 'item' in reply ? reply.item : {} })
    }
  )

  api.get(
    '/memory',
    doc('Who holds packet memory, against his bound; the pools and their reserve', {
      tag,
      like: 'cat /proc/net/sockstat',
      item: answers.memoryItem,
    }),
    (c) => {
      check(z.strictObject({ format }), c.req.query(), 'unreadable')
      return sendItem(c, control, { type: 'MEMORY_GET' })
    }
  )

  api.get(
    '/drops',
    doc('Packets that died unused, by reason', { tag, like: 'dropwatch', items: answers.dropItem }),
    (c) => {
      const { words } = readListQuery(c, {})
      return sendList(c, control.dump({ type: 'DROPS' }), words, control.revision())
    }
  )

  api.get(
    '/flows',
    doc('Recent flows, and the worker that owns each', { tag, query: flowFilter, items: flowItem }),
    (c) => {
      const { words, filter } = readListQuery(c, flowFilter)
      return sendList(c, dumpOf(control, { type: 'FLOWS', filter }), words, control.revision())
    }
  )

  api.get(
    '/skbs',
    doc('Free packet buffers of each thread', { tag, items: answers.skbItem }),
    (c) => {
      const { words } = readListQuery(c, {})
      return sendList(c, control.dump({ type: 'SKBS' }), words, control.revision())
    }
  )

  api.get(
    '/sysctl',
    doc('Lists sysctls', {
      tag,
      like: 'sysctl -a',
      query: sysctlFilter,
      items: answers.sysctlItem,
    }),
    (c) => {
      const { words, filter } = readListQuery(c, sysctlFilter)
      return sendList(c, dumpOf(control, { type: 'SYSCTL', filter }), words, control.revision())
    }
  )
  api.get(
    '/sysctl/:name',
    doc('Shows a sysctl', { tag, like: 'sysctl KEY', item: answers.sysctlItem }),
    (c) => sendItem(c, control, { type: 'SYSCTL_GET', name: c.req.param('name') })
  )
  const setSysctl = doc('Sets a sysctl', {
    tag,
    like: 'sysctl -w KEY=VALUE',
    body: sysctlBody,
    example: { value: 1 },
    change: answers.sysctlItem,
  })
  api.on(['PUT', 'PATCH'], '/sysctl/:name', setSysctl, async (c) => {
    const { value } = await readBody(c, sysctlBody)
    return sendChange(c, control, { type: 'SYSCTL_SET', name: c.req.param('name')!, value })
  })
  return api
}
