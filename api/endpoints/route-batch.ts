/**
 * POST /tables/{table}/routes:batch: NDJSON in, one change a line; NDJSON out, one answer a line. With ?atomic=1 all of it
 * is one revision or nothing at all, and the answer is a single document.
 */
import { fullGC } from 'bun:jsc'
import type { Context } from 'hono'
import { z } from 'zod'
import { chunks } from '../../core/control/rtnl/answers.ts'
import type { Control, Message, Reply } from '../../core/control/text/messages.ts'
import { Problem, unreadable } from '../problem.ts'
import { check } from '../schemas/check.ts'
import { queryFlag } from '../schemas/common.ts'
import { batchLine, plainLine } from '../schemas/route.ts'
import { isDone, readIfMatch, refusal, requestChange } from './change.ts'
import type { ApiEnv } from './deps.ts'
import { etag, NDJSON } from './list.ts'

/**
 * So many lines leave behind what is worth a collection at once, of some 13 ms: the engine, which counts the arena in, would wait until it
 * is half a gigabyte, and giving that back then holds up the changes after it (bench/fib-load.ts).
 */
const MANY_LINES = 10_000

/** Lines that are read, or go to the control plane, in one turn: a change that somebody else asks for waits no longer. */
const LINES_AT_ONCE = 250

export const batchQuery = { atomic: queryFlag.optional() }

type Flags = Readonly<Record<'add' | 'replace' | 'change' | 'append', number>>

/** The same problem, saying which line it is about. */
const atLine = (line: number, problem: Problem): Problem =>
  problem.at(`line ${line}`, `[${line - 1}]`)

const readLine = (text: string, line: number, table: string | number, flags: Flags): Message => {
  try {
    const value: unknown = JSON.parse(text)
    const { op, route: spec } = plainLine(value) ?? check(batchLine, value)
    spec.table ??= table
    return op === 'del'
      ? { type: 'RTM_DELROUTE', route: spec }
      : { type: 'RTM_NEWROUTE', flags: flags[op], route: spec }
  } catch (error) {
    if (error instanceof Problem) throw atLine(line, error)
    throw unreadable(`line ${line}: Error: no JSON: ${(error as Error).message}.`)
  }
}

const answerLine = (reply: Reply, line: number): string => {
  if (isDone(reply)) return `{"line":${line},"status":200,"revision":${reply.revision}}\n`
  return `${JSON.stringify({ line, ...atLine(line, refusal(reply)).toDocument() })}\n`
}

/** A turn of the event loop. */
const otherWork = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const runBatch = async (
  c: Context<ApiEnv>,
  control: Control,
  table: string | number,
  flags: Flags
): Promise<Response> => {
  const { atomic } = check(z.strictObject(batchQuery), c.req.query(), 'unreadable')
  const lines = (await c.req.text()).split('\n')
  const messages: Message[] = []
  // Where a message's line is: empty lines are skipped.
  const lineOf: number[] = []
  for (const [i, text] of lines.entries()) {
    if (i % LINES_AT_ONCE === 0) await otherWork()
    if (text.trim() === '') continue
    messages.push(readLine(text, i + 1, table, flags))
    lineOf.push(i + 1)
  }
  if (atomic) return atomicBatch(c, control, messages, lineOf)

  let failed = 0
  let out = ''
  let at = 0
  // at a revision: nobody else's change comes between the lines
  const isOne = readIfMatch(c) !== undefined
  for (const part of isOne ? [messages] : chunks(messages, LINES_AT_ONCE)) {
    const reply = await requestChange(c, control, { type: 'BATCH', messages: part })
    if (!isDone(reply)) throw refusal(reply)
    for (const one of reply.item) {
      if (!isDone(one)) failed++
      out += answerLine(one, lineOf[at++]!)
    }
  }
  // in another turn, when all of it is garbage
  if (lines.length >= MANY_LINES) setTimeout(fullGC, 0)
  return c.body(out, failed === 0 ? 200 : 207, {
    'Content-Type': NDJSON,
    ETag: etag(control.revision()),
  })
}

const atomicBatch = async (
  c: Context<ApiEnv>,
  control: Control,
  messages: Message[],
  lineOf: readonly number[]
): Promise<Response> => {
  const reply = await requestChange(c, control, { type: 'BATCH', messages, atomic: true })
  if (!isDone(reply)) {
    const problem = refusal(reply)
    throw reply.index === undefined ? problem : atLine(lineOf[reply.index] ?? 0, problem)
  }
  const { revision, applied_by } = reply
  return c.json({ applied: messages.length, revision, applied_by }, 200, { ETag: etag(revision) })
}
