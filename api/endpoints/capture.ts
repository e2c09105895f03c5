/**
 * /capture: frames as they go by, as pcapng (`curl -N .../v1/capture | tshark -r -`), or a line of JSON each for who asks for
 * application/x-ndjson. It ends with `limit` frames, or when its reader goes. A reader who is too slow loses frames, which
 * are counted: it never slows the path, nor holds more than a bound.
 */
import { Hono } from 'hono'
import { z } from 'zod'
import type { CaptureItem, CaptureSpec, Capturing } from '../../core/control/text/messages.ts'
import { isRefused } from '../../core/control/text/names.ts'
import { dumpFrame } from '../../core/wire/dump.ts'
import { check } from '../schemas/check.ts'
import { queryFlag, queryNumber } from '../schemas/common.ts'
import { refusal } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { NDJSON } from './list.ts'
import { createPcapng } from './pcapng.ts'

/** How often frames are fetched: a ring has room for what comes meanwhile. */
const POLL_MS = 5
/** Octets that may wait for a reader. */
const MAX_WAITING = 4 * 1024 * 1024
const MAX_SNAPLEN = 262144
/** As often a line without a frame tells a reader of lines that all is well; and how many frames were lost. */
const NEWS_MS = 1000

const query = {
  dev: z.string().max(15).optional(),
  filter: z.string().max(4096).optional(),
  snaplen: queryNumber.pipe(z.int().min(1).max(MAX_SNAPLEN)).optional(),
  limit: queryNumber.pipe(z.int().min(1)).optional(),
  direction: z.enum(['in', 'out', 'inout']).optional(),
  drops: queryFlag.optional(),
  octets: queryFlag.optional(),
}

const captureItem = z.strictObject({
  dev: z.string().optional(),
  filter: z.string().optional(),
  snaplen: z.int().optional(),
  direction: query.direction,
  drops: z.boolean().optional(),
  captured: z.int(),
  lost: z.int(),
})

const captures = z.strictObject({ items: z.array(captureItem) })
/** A line: a frame, or how many were lost until now. */
const line = z.union([
  z.strictObject({
    time: z.number(),
    dev: z.string(),
    cpu: z.int(),
    direction: z.enum(['in', 'out']),
    drop: z.string().nullable(),
    length: z.int(),
    frame: z.string(),
  }),
  z.strictObject({ lost: z.int() }),
])

/** What is written of the frames: `news` stands for a moment without any. */
type Writer = {
  add: (item: CaptureItem) => void
  news: (lost: number) => void
  take: () => Uint8Array<ArrayBuffer>
}
type MakeWriter = (snapLen: number, startUs: number) => Writer

const pcapngWriter: MakeWriter = (snapLen, startUs) => ({
  ...createPcapng(snapLen, startUs, Date.now() * 1000),
  news: () => {},
})
/** `octets`: each line has what was captured of the frame, in base64. */
const lineWriter =
  (octets: boolean): MakeWriter =>
  (_snapLen, startUs) => {
    const encoder = new TextEncoder()
    const epochUs = Date.now() * 1000
    let lines: string[] = []
    return {
      add: ({ timeUs, dev, cpu, direction, drop, length, bytes }) => {
        const time = (epochUs + timeUs - startUs) / 1e6
        const frame = dumpFrame(bytes, 0, bytes.length)
        const item = {
          ...{ time, dev, cpu, direction, drop, length, frame },
          ...(octets && { octets: Buffer.from(bytes).toString('base64') }),
        }
        lines.push(`${JSON.stringify(item)}\n`)
      },
      news: (lost) => void lines.push(`${JSON.stringify({ lost })}\n`),
      take: () => {
        const text = lines.join('')
        lines = []
        return encoder.encode(text)
      },
    }
  }

export const createCaptureEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()
  /** Those that are open: what was asked, and how it goes. */
  const open = new Set<() => CaptureSpec & { captured: number; lost: number }>()

  const stream = (
    spec: CaptureSpec,
    limit: number,
    makeWriter: MakeWriter,
    keep: () => () => void
  ): ReadableStream<Uint8Array> => {
    let writer: Writer
    let waiting = 0
    let taken = 0
    let lostHere = 0
    // begun before the answer is: what is wrong with it is an answer of its own
    const capturing = control.capture(spec, (item) => {
      if (taken === limit) return
      if (waiting > MAX_WAITING) {
        lostHere++
        return
      }
      taken++
      waiting += item.bytes.length
      writer.add(item)
    })
    if (isRefused(capturing)) throw refusal(capturing)
    writer = makeWriter(spec.snaplen ?? MAX_SNAPLEN, capturing.startUs)
    const lost = (): number => capturing.lost() + lostHere
    const item = () => ({ ...spec, captured: taken, lost: lost() })
    open.add(item)
    const sent = (): void => {
      waiting = 0
    }
    const close = (): void => {
      open.delete(item)
      capturing.close()
    }
    return flowing({ ...capturing, lost, close }, writer, keep, sent, () => taken === limit)
  }
  const flowing = (
    capturing: Capturing,
    writer: Writer,
    keep: () => () => void,
    sent: () => void,
    isOver: () => boolean
  ): ReadableStream<Uint8Array> => {
    let stop = (): void => {}
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          const release = keep()
          let quietMs = 0
          const turn = (): void => {
            capturing.poll()
            // what cannot be sent now waits in the writer, within its bound
            if (controller.desiredSize! <= 0) return
            quietMs += POLL_MS
            if (quietMs >= NEWS_MS || isOver()) writer.news(capturing.lost())
            const bytes = writer.take()
            sent()
            if (bytes.length > 0) {
              quietMs = 0
              controller.enqueue(bytes)
            }
            if (!isOver()) return
            stop()
            controller.close()
          }
          const timer = setInterval(turn, POLL_MS)
          stop = () => {
            clearInterval(timer)
            capturing.close()
            release()
          }
          turn()
        },
        cancel() {
          stop()
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING })
    )
  }

  api.get('/captures', doc('Captures that are open', { tag: 'capture', answer: captures }), (c) =>
    c.json({ items: [...open].map((item) => item()) })
  )
  api.get(
    '/capture',
    doc('Frames as they go by: pcapng, or lines of JSON', {
      tag: 'capture',
      like: 'tcpdump -i DEV -s SNAPLEN -c LIMIT -Q DIRECTION -w - FILTER',
      query,
      media: { 'application/x-pcapng': z.string(), [NDJSON]: line },
    }),
    (c) => {
      const {
        limit = Number.POSITIVE_INFINITY,
        octets = false,
        ...spec
      } = check(z.strictObject(query), c.req.query(), 'unreadable')
      const wantsLines = c.req.header('Accept')?.includes('application/x-ndjson') ?? false
      const keep = c.env?.keep ?? (() => () => {})
      const body = stream(spec, limit, wantsLines ? lineWriter(octets) : pcapngWriter, keep)
      return c.body(body, 200, {
        'Content-Type': wantsLines ? 'application/x-ndjson' : 'application/x-pcapng',
        'Cache-Control': 'no-store',
      })
    }
  )
  return api
}
