/** /sockets: like `ss -tinmoe`, read from shared memory without asking the workers; DELETE is `ss -K`. */
import type { Context } from 'hono'
import { Hono } from 'hono'
import { sockItem } from '../schemas/answers/sock.ts'
import { z } from 'zod'
import { SK_STATE_NAMES } from '../../core/socket/sock.ts'
import type { SockProtocol } from '../../core/control/text/messages.ts'
import { familyName, queryNumber } from '../schemas/common.ts'
import { dumpOf, sendChange, sendItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'sockets'

/** UNKNOWN is no state, and both kinds of SYN-RECV are shown as one. */
export const SOCK_STATES = [...new Set(SK_STATE_NAMES.slice(1))]

const sockFilter = {
  family: familyName.optional(),
  state: z
    .string()
    .transform((text) => text.toUpperCase().split(','))
    .pipe(z.array(z.enum(SOCK_STATES)))
    .optional(),
  local_addr: z.string().optional(),
  local_port: queryNumber.optional(),
  peer_addr: z.string().optional(),
  peer_port: queryNumber.optional(),
  worker: queryNumber.optional(),
}

const PROTOCOLS: readonly SockProtocol[] = ['tcp', 'udp', 'raw', 'icmp', 'packet']

const endOf = (addr: string | undefined, port: number | undefined) =>
  addr === undefined && port === undefined
    ? undefined
    : { ...(addr === undefined ? {} : { addr }), ...(port === undefined ? {} : { port }) }

export const createSocketEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  const list = (c: Context<ApiEnv>, protocol?: SockProtocol): Response => {
    const { words, filter: query } = readListQuery(c, sockFilter)
    const { local_addr, local_port, peer_addr, peer_port, ...filter } = query
    const local = endOf(local_addr, local_port)
    const peer = endOf(peer_addr, peer_port)
    const chunks = dumpOf(control, {
      type: 'SOCK_DIAG',
      filter: {
        ...filter,
        ...(protocol && { protocol: [protocol] }),
        ...(local && { local }),
        ...(peer && { peer }),
      },
    })
    return sendList(c, chunks, words, control.revision())
  }

  api.get(
    '/sockets',
    doc('Lists sockets', { tag, like: 'ss -a', query: sockFilter, items: sockItem }),
    (c) => list(c)
  )
  for (const protocol of PROTOCOLS) {
    api.get(
      `/sockets/${protocol}`,
      doc(`Lists ${protocol} sockets`, {
        tag,
        like: 'ss -tinmoe',
        query: sockFilter,
        items: sockItem,
      }),
      (c) => list(c, protocol)
    )
  }
  api.get('/sockets/:cookie', doc('Shows a socket', { tag, item: sockItem }), (c) =>
    sendItem(c, control, { type: 'SOCK_GET', cookie: c.req.param('cookie') })
  )
  api.delete(
    '/sockets/:cookie',
    doc('Destroys a socket', { tag, like: 'ss -K', change: z.null() }),
    (c) => sendChange(c, control, { type: 'SOCK_DESTROY', cookie: c.req.param('cookie') })
  )
  return api
}
