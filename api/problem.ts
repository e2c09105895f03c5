/**
 * Errors of the API as RFC 9457 problem documents: {type, title, status, detail, errno, errors[]}. The kind (problem-kinds.ts)
 * decides the type, the title and the status; `detail` is iproute2's phrase, `errors` names the field and the fix. Thrown by endpoints, caught
 * once in app.ts.
 */
import { Errno } from '../core/base/errno.ts'
import { strerror } from '../core/control/text/names.ts'
import { type ErrnoName, isErrnoKind, type KindName, KINDS, typeOf } from './problem-kinds.ts'
import type { FieldError, ProblemDocument } from './schemas/problem.ts'

/** What to do about a refusal whose words do not say. */
const FIX: Readonly<Partial<Record<KindName, string>>> = {
  EEXIST: 'exists already; replace changes it',
  ENOENT: 'there is none; add it, or list what there is',
  ESRCH: 'there is none; list what there is',
  ENODEV: 'no link has this name; "ip link" lists them',
  ENETUNREACH: 'no route leads there; add one first',
  EHOSTUNREACH: 'no route leads there; add one first',
  ENOBUFS: 'no room; remove some, or start with more',
}

/** The field at fault, with the fix. */
export const fieldError = (errno: string, field: string, message: string): FieldError => ({
  field,
  message: (isErrnoKind(errno) && FIX[errno]) || message,
})

type More = {
  readonly errors?: readonly FieldError[]
  readonly headers?: Readonly<Record<string, string>>
  /** Where it is not that of its kind. */
  readonly errno?: string
}

export class Problem extends Error {
  override readonly name = 'Problem'
  readonly kind: KindName
  readonly status: number
  readonly errno: string | undefined
  readonly errors: readonly FieldError[]
  readonly headers: Readonly<Record<string, string>>

  constructor(kind: KindName, detail: string, { errors = [], headers = {}, errno }: More = {}) {
    super(detail)
    this.kind = kind
    this.status = KINDS[kind].status
    this.errno = errno ?? KINDS[kind].errno
    this.errors = errors
    this.headers = this.status === 503 ? { 'Retry-After': '1', ...headers } : headers
  }

  /** The same, about a part of what was sent. */
  at(lead: string, field: string): Problem {
    const errors = this.errors.map((one) => ({ ...one, field: `${field}.${one.field}` }))
    return new Problem(this.kind, `${lead}: ${this.message}`, {
      errors,
      ...(this.errno !== undefined && { errno: this.errno }),
    })
  }

  toDocument(): ProblemDocument {
    return {
      type: typeOf(this.kind),
      title: KINDS[this.kind].title,
      status: this.status,
      detail: this.message,
      ...(this.errno === undefined ? {} : { errno: this.errno }),
      ...(this.errors.length === 0 ? {} : { errors: this.errors }),
    }
  }

  toResponse(): Response {
    return new Response(`${JSON.stringify(this.toDocument())}\n`, {
      status: this.status,
      headers: { 'Content-Type': 'application/problem+json', ...this.headers },
    })
  }
}

/** A refusal in words of the API's own, or in iproute2's where there are no others. */
export const refused = (
  errno: KindName & ErrnoName,
  detail = `RTNETLINK answers: ${strerror(Errno[errno])}`,
  errors: readonly FieldError[] = []
): Problem => new Problem(errno, detail, { errors })

/** A request that cannot be read at all: bad JSON, an unknown field, a prefix that is none. */
export const unreadable = (detail: string, errors: readonly FieldError[] = []): Problem =>
  new Problem('unreadable', detail, { errors })

export const noSuchDevice = (ifname: string): Problem =>
  refused('ENODEV', `Cannot find device "${ifname}"`, [
    { field: 'dev', message: 'no link has this name; GET /v1/links lists them' },
  ])

/** Anything thrown becomes a problem; what is no Problem is our fault and says so. */
export const asProblem = (error: unknown): Problem =>
  error instanceof Problem
    ? error
    : new Problem(
        'internal',
        `softnet: internal error: ${error instanceof Error ? error.message : String(error)}`
      )
