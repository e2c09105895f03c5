/** Sockets as `ss -tinmoe` tells of them, and flows. */
import { z } from 'zod'
import type { SockEnd, SockItem } from '../../../core/control/text/messages.ts'
import { type SockTimer, TCP_INFO, type TcpInfo } from '../../../core/socket/sock-info.ts'
import { familyName } from '../common.ts'
import { count, type Shape } from './shape.ts'

const end = z.strictObject({ addr: z.string(), port: count } satisfies Shape<SockEnd>)
const skmem = z.strictObject({
  rmem_alloc: count,
  rcv_buf: count,
  wmem_alloc: count,
  snd_buf: count,
  sock_drop: count,
} satisfies Shape<SockItem['skmem']>)
const timer = z.strictObject({
  type: z.enum(['on', 'keepalive', 'timewait', 'persist']),
  expires_ms: count,
  retrans: count,
} satisfies Shape<SockTimer>)

const schemaOf = (how: (typeof TCP_INFO)[keyof typeof TCP_INFO]): z.ZodType => {
  if (how === 'flag') return z.boolean()
  if (how === 'name' || how === 'text') return z.string()
  return how === 'info' ? z.record(z.string(), z.number()) : z.number()
}
/** The words of `ss -i` by their table; ss works `send` out itself. */
const tcpInfo = Object.fromEntries(
  Object.entries({ ...TCP_INFO, rttvar: 'number' as const })
    .filter(([word]) => word !== 'send')
    .map(([word, how]) => [word, schemaOf(how).optional()])
) as unknown as Shape<Partial<TcpInfo>>

export const sockItem = z
  .strictObject({
    netid: z.enum(['tcp', 'udp', 'raw', 'icmp', 'p_raw', 'p_dgr']),
    family: familyName.or(z.literal('packet')),
    state: z.string(),
    recv_q: count,
    send_q: count,
    local: end,
    peer: end,
    dev: z.string().optional(),
    sk: z.string().meta({ description: 'cookie' }),
    worker: count,
    hash: z.string().meta({ description: 'RSS hash, hexadecimal' }),
    v6only: z.boolean().optional(),
    mark: z.number().optional(),
    tos: count.optional(),
    tclass: count.optional(),
    priority: z.number().optional().meta({ description: 'SO_PRIORITY' }),
    shutdown: count.meta({ description: '1: it reads no more; 2: it sends no more' }),
    skmem,
    timer: timer.optional(),
    ...tcpInfo,
  } satisfies Shape<SockItem>)
  .meta({ ref: 'Socket' })

export const flowItem = z
  .strictObject({
    worker: count,
    hash: z.string(),
    protocol: z.string(),
    src: z.string(),
    dst: z.string(),
    sport: count,
    dport: count,
    dev: z.string(),
    packets: count,
    last: count,
  })
  .meta({ ref: 'Flow' })
