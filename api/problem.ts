/**
 * Errors of the API as RFC 9457 problem documents: {type, title, status, detail, errno, errors[]}. An errno decides
 * the status; `detail` is iproute2's phrase, `errors` names the field and the fix. Thrown by endpoints, caught
 * once in app.ts.
 */
import { Errno } from '../core/base/errno.ts'
import type { FieldError, ProblemDocument } from './schemas/problem.ts'

type ErrnoName = keyof typeof Errno
export const STATUS: Readonly<Partial<Record<ErrnoName, number>>> = {
  EPERM: 403,
  EACCES: 403,
  ENOENT: 404,
  ESRCH: 404,
  ENODEV: 404,
  EEXIST: 409,
  EBUSY: 409,
  EADDRINUSE: 409,
  EINVAL: 422,
  ERANGE: 422,
  EADDRNOTAVAIL: 422,
  EAFNOSUPPORT: 422,
  ENETUNREACH: 422,
  EHOSTUNREACH: 422,
  ENETDOWN: 422,
  EMSGSIZE: 422,
  EPROTONOSUPPORT: 422,
  ENXIO: 422,
  E2BIG: 422,
  EOPNOTSUPP: 422,
  ENOBUFS: 503,
  ENOMEM: 503,
  ENOSPC: 503,
  EAGAIN: 503,
  ENFILE: 503,
  ETIMEDOUT: 503,
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
}

/** strerror(3)'s words, which iproute2 prints after "RTNETLINK answers: ". */
const STRERROR: Readonly<Partial<Record<ErrnoName, string>>> = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  ESRCH: 'No such process',
  EIO: 'Input/output error',
  ENXIO: 'No such device or address',
  E2BIG: 'Argument list too long',
  EAGAIN: 'Resource temporarily unavailable',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  ENODEV: 'No such device',
  EINVAL: 'Invalid argument',
  ENFILE: 'Too many open files in system',
  ENOSPC: 'No space left on device',
  ERANGE: 'Numerical result out of range',
  EMSGSIZE: 'Message too long',
  EPROTONOSUPPORT: 'Protocol not supported',
  EOPNOTSUPP: 'Operation not supported',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENETDOWN: 'Network is down',
  ENETUNREACH: 'Network is unreachable',
  ENOBUFS: 'No buffer space available',
  ETIMEDOUT: 'Connection timed out',
  EHOSTUNREACH: 'No route to host',
}

/** What to do about a refusal whose words do not say. */
const FIX: Readonly<Partial<Record<ErrnoName, string>>> = {
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
  message: (isErrnoName(errno) && FIX[errno]) || message,
})

export const isErrnoName = (name: string): name is ErrnoName => Object.hasOwn(Errno, name)

export const strerror = (errno: ErrnoName): string => STRERROR[errno] ?? errno

/** iproute2's phrase for a refusal that says nothing more. */
const rtnetlinkAnswers = (errno: ErrnoName): string => `RTNETLINK answers: ${strerror(errno)}`

export class Problem extends Error {
  override readonly name = 'Problem'
  readonly status: number
  readonly errno: ErrnoName | undefined
  readonly errors: readonly FieldError[]
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    detail: string,
    more: {
      errno?: ErrnoName
      errors?: readonly FieldError[]
      headers?: Readonly<Record<string, string>>
    } = {}
  ) {
    super(detail)
    this.status = status
    this.errno = more.errno
    this.errors = more.errors ?? []
    this.headers = status === 503 ? { 'Retry-After': '1', ...more.headers } : (more.headers ?? {})
  }

  toDocument(): ProblemDocument {
    return {
      type: 'about:blank',
      title: TITLES[this.status] ?? 'Error',
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

/** A refusal of the control plane: the errno decides the status. */
export const refused = (
  errno: ErrnoName,
  detail = rtnetlinkAnswers(errno),
  errors: readonly FieldError[] = []
): Problem => new Problem(STATUS[errno] ?? 500, detail, { errno, errors })

/** A request that cannot be read at all: bad JSON, an unknown field, a prefix that is none. */
export const unreadable = (detail: string, errors: readonly FieldError[] = []): Problem =>
  new Problem(400, detail, { errno: 'EINVAL', errors })

export const noSuchDevice = (ifname: string): Problem =>
  refused('ENODEV', `Cannot find device "${ifname}"`, [
    { field: 'dev', message: 'no link has this name; GET /v1/links lists them' },
  ])

/** Anything thrown becomes a problem; what is no Problem is our fault and says so. */
export const asProblem = (error: unknown): Problem =>
  error instanceof Problem
    ? error
    : new Problem(
        500,
        `softnet: internal error: ${error instanceof Error ? error.message : String(error)}`
      )
