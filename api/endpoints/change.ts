/**
 * Changes and single reads: one message to the control plane, and its answer as HTTP. A refusal becomes a problem
 * document in iproute2's words; a change answers with the item, the revision it made and the workers that have it.
 */
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { z } from 'zod'
import { isRefused } from '../../core/control/text/names.ts'
import { errnoName } from '../../core/base/errno.ts'
import type {
  Control,
  Done,
  DumpItem,
  DumpOf,
  DumpType,
  Message,
  Refused,
  Reply,
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

/** If-Match: * asks that the thing exists, which the message's flags say; a revision must be the present one. */
export const checkIfMatch = (c: Context<ApiEnv>, control: Control): void => {
  const wanted = c.req.header('If-Match')
  if (wanted === undefined || wanted === '*') return
  const now = etag(control.revision())
  const tags = wanted.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  if (tags.includes(now) || tags.includes(String(control.revision()))) return
  throw new Problem(
    'stale-revision',
    `Error: the state is at revision ${control.revision()}, not ${wanted}.`,
    {
      errors: [{ field: 'If-Match', message: 'read again, then change what you read' }],
      headers: { ETag: now },
    }
  )
}

export const mustExist = (c: Context<ApiEnv>): boolean => c.req.header('If-Match') === '*'

const ask = async (control: Control, message: Message) => {
  const reply: Reply = await control.request(message)
  if (!isDone(reply)) throw refusal(reply)
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
  checkIfMatch(c, control)
  const { item, revision, applied_by } = await ask(control, message)
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
  const { item, revision } = await ask(control, message)
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
