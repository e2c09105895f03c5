/**
 * /trace: GET follows the next packets that a filter takes, each with what every stage decided of it; POST is the dry run of a
 * made-up packet. Lines of JSON, or text for who asks for text/plain. A live trace ends with `limit` packets, or when its
 * reader goes; who reads too slowly loses packets of the trace, which are counted, and nothing else.
 */
import { Hono } from 'hono'
import { z } from 'zod'
import type { TracedPacket } from '../../core/control/text/messages.ts'
import { isRefused } from '../../core/control/text/names.ts'
import { traceText } from '../iproute2/trace.ts'
import { check } from '../schemas/check.ts'
import { ifname, queryNumber } from '../schemas/common.ts'
import { readBody, refusal } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { NDJSON } from './list.ts'

/** How often stages are fetched: a ring has room for what comes meanwhile. */
const POLL_MS = 5
/** Characters that may wait for a reader. */
const MAX_WAITING = 1024 * 1024
/** As often a line without a packet tells the reader that all is well; and how many stages were lost. */
const NEWS_MS = 1000
const DEFAULT_LIMIT = 10
const MAX_LIMIT = 100_000
/** Characters of a frame of 64 KB in hex. */
const MAX_PACKET = 140_000

const query = {
  dev: z.string().max(15).optional(),
  filter: z.string().max(4096).optional(),
  limit: queryNumber.pipe(z.int().min(1).max(MAX_LIMIT)).default(DEFAULT_LIMIT),
}
const dryBody = z.strictObject({
  dev: ifname.meta({ description: 'the device that it comes in by' }),
  packet: z.string().max(MAX_PACKET).meta({
    description:
      '"tcp 10.1.0.1:5000 > 10.2.0.1:80", with ttl, tos, len, df, flags, from, to; or a frame in hex',
  }),
})
const stage = z.looseObject({
  stage: z.string(),
  at_us: z.number(),
  cpu: z.number(),
  answer: z.literal(true).optional(),
  text: z.string(),
})
const tracedPacket = z.strictObject({
  dev: z.string(),
  frame: z.string(),
  stages: z.array(stage),
  verdict: z.string(),
})

/** How packets, and how many stages were lost, are written. */
type Format = {
  type: string
  packet: (packet: TracedPacket) => string
  lost: (n: number) => string
}
const LINES: Format = {
  type: 'application/x-ndjson',
  packet: (packet) => `${JSON.stringify(packet)}\n`,
  lost: (n) => `${JSON.stringify({ lost: n })}\n`,
}
const TEXT: Format = {
  type: 'text/plain; charset=utf-8',
  packet: (packet) => `${traceText(packet)}\n`,
  lost: (n) => (n === 0 ? '' : `${n} stages found no room\n`),
}
const wantsText = (accept: string | undefined): boolean => accept?.includes('text/plain') ?? false

export const createTraceEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  const stream = (
    { limit, ...spec }: { dev?: string; filter?: string; limit: number },
    format: Format,
    keep: () => () => void
  ): ReadableStream<Uint8Array> => {
    const encoder = new TextEncoder()
    let waiting = ''
    let missed = 0
    // begun before the answer is: what is wrong with it is an answer of its own
    const tracing = control.trace({ ...spec, packets: limit }, (packet) => {
      if (waiting.length > MAX_WAITING) missed += packet.stages.length
      else waiting += format.packet(packet)
    })
    if (isRefused(tracing)) throw refusal(tracing)
    let stop = (): void => {}
    return new ReadableStream<Uint8Array>({
      start(controller) {
        const release = keep()
        let quietMs = 0
        const turn = (): void => {
          tracing.poll()
          if (controller.desiredSize! <= 0) return
          quietMs += POLL_MS
          const isOver = tracing.isOver()
          if (quietMs >= NEWS_MS || isOver) waiting += format.lost(tracing.lost() + missed)
          if (waiting !== '') {
            controller.enqueue(encoder.encode(waiting))
            waiting = ''
            quietMs = 0
          }
          if (!isOver) return
          stop()
          controller.close()
        }
        const timer = setInterval(turn, POLL_MS)
        stop = () => {
          clearInterval(timer)
          tracing.close()
          release()
        }
      },
      cancel() {
        stop()
      },
    })
  }

  api.get(
    '/trace',
    doc('The way of the next packets, stage by stage: lines of JSON, or text', {
      tag: 'capture',
      like: 'softnet trace -n LIMIT -i DEV FILTER',
      query,
      media: {
        [NDJSON]: z.union([tracedPacket, z.strictObject({ lost: z.int() })]),
        'text/plain': z.string(),
      },
    }),
    (c) => {
      const spec = check(z.strictObject(query), c.req.query(), 'unreadable')
      const format = wantsText(c.req.header('Accept')) ? TEXT : LINES
      const body = stream(spec, format, c.env?.keep ?? (() => () => {}))
      return c.body(body, 200, { 'Content-Type': format.type, 'Cache-Control': 'no-store' })
    }
  )
  api.post(
    '/trace',
    doc(
      'The way of a made-up packet: the real code on a copy, nothing is sent, counted or changed',
      {
        tag: 'capture',
        like: "softnet trace --dry dev=DEV 'tcp SRC:PORT > DST:PORT'",
        body: dryBody,
        example: { dev: 'veth0', packet: 'udp 10.1.0.5:5000 > 10.5.0.1:53' },
        media: { 'application/json': tracedPacket, 'text/plain': z.string() },
      }
    ),
    async (c) => {
      const packet = await control.traceDry(await readBody(c, dryBody))
      if (isRefused(packet)) throw refusal(packet)
      return wantsText(c.req.header('Accept')) ? c.text(traceText(packet), 200) : c.json(packet)
    }
  )
  return api
}
