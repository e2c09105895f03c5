/**
 * The kinds of problems, in one table: what the `type` of an answer names (RFC 9457 section 3.1.1), what /openapi.json lists, and
 * what the pages below /problems say. What the control plane refuses is named by its errno, in strerror(3)'s words.
 */
import { Errno } from '../core/base/errno.ts'
import { strerror } from '../core/control/text/names.ts'

export type ErrnoName = keyof typeof Errno
export type Kind = {
  readonly status: number
  readonly title: string
  readonly errno?: ErrnoName
  /** What it means, and what to do about it. */
  readonly means: string
  readonly todo: string
}

type Row = readonly [status: number, means: string, todo: string]
const BY_ERRNO = {
  EPERM: [
    403,
    'The daemon may not do this: to open a TAP takes CAP_NET_ADMIN, and some state is not to be changed by anybody.',
    'The detail has the words of who refused: give the daemon the capability, or leave the thing as it is.',
  ],
  EACCES: [
    403,
    'It may be read and not written: a file of another user, a list among the sysctls, addresses of IPv6 on a device where it is off.',
    'Look at the field at fault: make it writable, switch on what it needs, or leave it as it is.',
  ],
  EIO: [
    500,
    'The change is in force, and could not be written where changes are kept: a start would forget it.',
    "Look after the disk that the daemon's state lies on, then make the change once more.",
  ],
  ENOENT: [404, 'There is none of that name.', 'Add it, or list what there is.'],
  ESRCH: [404, 'No such thing exists in the table that was named.', 'List what there is.'],
  ENODEV: [404, 'No link has this name.', 'GET /v1/links, or "ip link", lists them.'],
  EEXIST: [
    409,
    'What was to be added is there already. POST adds, and changes nothing that exists.',
    'PUT, or "replace" in place of "add", makes it what you want whether it exists or not.',
  ],
  EBUSY: [
    409,
    'Something else holds it: another change that waits for its confirmation, or what was made of it.',
    'End that first, or wait for it; the detail says what it is.',
  ],
  EINVAL: [
    422,
    'The request can be read, and what it asks for makes no sense here.',
    'errors[] names the fields at fault and what each may be; /openapi.json has the schemas.',
  ],
  ERANGE: [422, 'A number is outside of what it may be.', 'errors[] names the field.'],
  EXDEV: [
    422,
    'The address would come from a device on which such packets do not come (rp_filter).',
    'Name the device that leads there, or loosen net.ipv4.conf.DEV.rp_filter.',
  ],
  EADDRNOTAVAIL: [
    422,
    'The address is none of those of this host, or of the device that was named.',
    'GET /v1/addresses, or "ip addr", lists them; add it first.',
  ],
  EAFNOSUPPORT: [
    422,
    'Addresses of one family stand where those of the other belong.',
    'Use one family throughout, or say which with "family".',
  ],
  ENETUNREACH: [
    422,
    'No route leads to where the next hop is to be.',
    'Add a route to it first, or an address of its network, or say "onlink".',
  ],
  EHOSTUNREACH: [
    422,
    'No route leads there, or the one that does says unreachable.',
    'Add a route to it first.',
  ],
  ENETDOWN: [
    422,
    'The device is down, or the worker that would have to do it does not run.',
    'Set the link up ("ip link set DEV up"), or look at /readyz for the worker.',
  ],
  EMSGSIZE: [422, 'The frame is longer than a buffer.', 'Send a shorter one.'],
  EOPNOTSUPP: [
    422,
    'This kind of thing cannot do that; a dummy has no rings, for one.',
    'The detail says what cannot; /openapi.json says what can.',
  ],
  ENOBUFS: [
    503,
    'A table of the daemon is full.',
    'Remove some of what it holds, or start the daemon with a larger one; then try again.',
  ],
  ENOMEM: [503, 'There is no memory for it.', 'Remove some of what is there; then try again.'],
  ENOSPC: [
    503,
    'The table that it belongs in is full.',
    'Remove some of what it holds, or start the daemon with a larger one; then try again.',
  ],
  ETIMEDOUT: [
    503,
    'A worker or a device did not answer in time.',
    'Try again; GET /v1/workers says whether they run.',
  ],
} as const satisfies Partial<Record<ErrnoName, Row>>

const BY_NAME = {
  unreadable: {
    status: 400,
    title: 'Unreadable',
    errno: 'EINVAL',
    means:
      'The request cannot be read: no JSON, an unknown word in the query, a prefix that is none.',
    todo: 'errors[] names the place; /openapi.json says what is understood.',
  },
  'token-needed': {
    status: 401,
    title: 'Token Needed',
    errno: 'EACCES',
    means:
      'Over loopback anybody may look; to change anything or to see what is in packets needs a bearer token, and on other addresses everything does. There was none, or a wrong one.',
    todo: 'Send "Authorization: Bearer TOKEN" (the detail says where the token lies), or use the unix socket.',
  },
  'scope-too-small': {
    status: 403,
    title: 'Scope Too Small',
    errno: 'EPERM',
    means:
      'The token is known, and is for less: one that reads does not write, one that writes does not capture.',
    todo: 'Use a token with the scope that the detail names.',
  },
  'foreign-page': {
    status: 403,
    title: 'Foreign Page',
    errno: 'EPERM',
    means:
      'A browser asked in the name of a page that is not the daemon’s, or by a name that is not this machine’s. Such pages are not answered, whatever they know.',
    todo: 'Open the daemon’s own page, by the address that it printed.',
  },
  'no-such-path': {
    status: 404,
    title: 'No Such Path',
    means: 'The API has no such path.',
    todo: 'GET /openapi.json, or /docs, lists what there is.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method Not Allowed',
    means: 'The path is there, and understands other methods.',
    todo: 'The header Allow has them.',
  },
  'body-too-slow': {
    status: 408,
    title: 'Body Too Slow',
    errno: 'ETIMEDOUT',
    means: 'The body did not come as fast as a request may take.',
    todo: 'Send it in one go, or in smaller parts.',
  },
  'stale-revision': {
    status: 412,
    title: 'Stale Revision',
    errno: 'ESTALE',
    means:
      'If-Match named a revision of the state, and the state has changed since, perhaps by somebody else. Nothing was changed.',
    todo: 'Read again, look whether your change still makes sense, and send it with the ETag of what you read.',
  },
  'body-too-large': {
    status: 413,
    title: 'Body Too Large',
    errno: 'EMSGSIZE',
    means: 'The body has more bytes than one may have.',
    todo: 'Send it in parts: routes:batch takes any number of lines, a request at a time.',
  },
  'media-type': {
    status: 415,
    title: 'Unsupported Media Type',
    means: 'The body does not say that it is JSON, which is all that is understood here.',
    todo: 'Send the Content-Type that the header Accept of this answer has.',
  },
  refused: {
    status: 422,
    title: 'Refused',
    means: 'The system refused it; the detail has its words.',
    todo: 'What to do follows from the errno.',
  },
  internal: {
    status: 500,
    title: 'Internal Error',
    means: 'The fault is the daemon’s. Its log says where.',
    todo: 'Please report it, with the lines of the log.',
  },
  'not-in-a-namespace': {
    status: 501,
    title: 'Not In A Namespace',
    means: 'The namespace is one of the kernel, whose stack is not ours.',
    todo: '"softnet exec --netns NAME" enters it.',
  },
  starting: {
    status: 503,
    title: 'Starting',
    errno: 'EAGAIN',
    means: 'The daemon has its addresses, and has not yet made its stack.',
    todo: 'Try again in a second, or wait until /readyz answers 200.',
  },
} as const satisfies Record<string, Kind>

export type KindName = keyof typeof BY_ERRNO | keyof typeof BY_NAME

const ofErrno = ([name, [status, means, todo]]: [string, Row]): [string, Kind] => {
  const errno = name as ErrnoName
  return [name, { status, title: strerror(Errno[errno]), errno, means, todo }]
}

export const KINDS: Readonly<Record<KindName, Kind>> = {
  ...(Object.fromEntries(Object.entries(BY_ERRNO).map(ofErrno)) as Record<
    keyof typeof BY_ERRNO,
    Kind
  >),
  ...BY_NAME,
}

const BASE = '/problems'
/** A path without a host: whoever reads it asks the daemon that answered, by whichever address. */
export const typeOf = (name: KindName): string => `${BASE}/${name}`
export const isErrnoKind = (name: string): name is keyof typeof BY_ERRNO =>
  Object.hasOwn(BY_ERRNO, name)
