/**
 * Changes and single reads: one message to the control plane, and its answer as HTTP. A refusal becomes a problem
 * document in iproute2's words; a change answers with the item, the revision it made and the workers that have it.
 */
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { z } from 'zod'
import { isRefused } from '../../core/control/text/names.ts'
import { Errno, errnoName } from '../../core/base/errno.ts'
import type {
  Control,
  Done,
  DumpItem,
  DumpOf,
  DumpType,
  Message,
  Refused,
  Reply,
  ReplyTo,
} from '../../core/control/text/messages.ts'
import { fieldError, Problem, unreadable } from '../problem.ts'
import { isErrnoKind } from '../problem-kinds.ts'
import { check } from '../schemas/check.ts'
import type { ApiEnv } from './deps.ts'
import { etag } from './list.ts'

/** A refusal's error may be any number but 0, which TypeScript cannot say. */
export const isDone = <T>(reply: Reply<T>): reply is Done<T> => reply.error === 0

export const refusal = (reply: Refused): Problem => {
  const name = errnoName(reply.error)
  const errors = reply.field === undefined ? [] : [fieldError(name, reply.field, reply.message)]
  return isErrnoKind(name)
    ? new Problem(name, reply.message, { errors })
    : new Problem('refused', reply.message, { errno: name, errors })
}

/** What the control plane lists, or the problem of a filter that names what is not there. */
export const dumpOf = <T extends DumpType>(
  control: Control,
  request: DumpOf<T>
): Iterable<DumpItem<T>[]> => {
  const dumped = control.dump(request)
  if (isRefused(dumped)) throw refusal(dumped)
  return dumped
}

/** If-Match as the revisions it names, of which none may be: `*` asks that the thing exists, which the message's flags say. */
export const readIfMatch = (c: Context<ApiEnv>): readonly number[] | undefined => {
  const wanted = c.req.header('If-Match')
  if (wanted === undefined || wanted.trim() === '*') return undefined
  return wanted.split(',').map((tag) => Number(/^(?:W\/)?"?(\d{1,15})"?$/.exec(tag.trim())?.[1]))
}

const stale = (c: Context<ApiEnv>, control: Control): Problem => {
  const now = control.revision()
  const wanted = c.req.header('If-Match')
  return new Problem('stale-revision', `Error: the state is at revision ${now}, not ${wanted}.`, {
    errors: [{ field: 'If-Match', message: 'read again, then change what you read' }],
    headers: { ETag: etag(now) },
  })
}
/** For what is no change of control's: call it where nothing else can come between. */
export const checkIfMatch = (c: Context<ApiEnv>, control: Control): void => {
  const ifAt = readIfMatch(c)
  if (ifAt !== undefined && !ifAt.includes(control.revision())) throw stale(c, control)
}

export const mustExist = (c: Context<ApiEnv>): boolean => c.req.header('If-Match') === '*'

const done = <T>(reply: Reply<T>): Done<T> => {
  if (!isDone(reply)) throw refusal(reply)
  return reply
}

/** A change, at one of the revisions that If-Match names. */
export const requestChange = async <M extends Message>(
  c: Context<ApiEnv>,
  control: Control,
  message: M
): Promise<ReplyTo<M>> => {
  const reply = await control.request(message, readIfMatch(c))
  if (reply.error === Errno.ESTALE) throw stale(c, control)
  return reply
}

/** A change, whose item is shown by `shown`. */
export const change = async (
  c: Context<ApiEnv>,
  control: Control,
  message: Message,
  shown: (item: unknown) => unknown,
  status: ContentfulStatusCode = 200
): Promise<Response> => {
  const { item, revision, applied_by } = done(await requestChange(c, control, message))
  return c.json({ item: shown(item), revision, applied_by } as object, status, {
    ETag: etag(revision),
  })
}
export const sendChange = (
  c: Context<ApiEnv>,
  control: Control,
  message: Message,
  status?: ContentfulStatusCode
): Promise<Response> => change(c, control, message, (item) => item, status)

/** One thing, as it is; `?format=iproute2` wraps it as the array that `ip -j` prints. */
export const showItem = <T>(
  c: Context<ApiEnv>,
  item: T,
  revision: number,
  iproute2: (item: T) => unknown = (item) => item
): Response => {
  const shown = c.req.query('format') === 'iproute2' ? [iproute2(item)] : item
  return c.json(shown as object, 200, { ETag: etag(revision) })
}
export const sendItem = async (
  c: Context<ApiEnv>,
  control: Control,
  message: Message,
  iproute2?: (item: never) => unknown
): Promise<Response> => {
  const { item, revision } = done(await control.request(message))
  return showItem(c, item as never, revision, iproute2)
}

/** The body as JSON, checked; an empty body is {}. */
export const readBody = async <S extends z.ZodType>(
  c: Context<ApiEnv>,
  schema: S
): Promise<z.infer<S>> => {
  const text = await c.req.text()
  if (text.trim() === '') return check(schema, {})
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw unreadable(`Error: the body is no JSON: ${(error as Error).message}.`, [
      { field: '', message: 'send a JSON object' },
    ])
  }
  return check(schema, value)
}

/** A part of the path, checked. */
export const readPath = <S extends z.ZodType>(schema: S, value: string): z.infer<S> =>
  check(schema, value, 'unreadable')
