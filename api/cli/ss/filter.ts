/** ss's filter language: states, and comparisons of addresses and ports joined by and, or, not and parentheses. */
import type { SockItem } from '../../../core/control/text/messages.ts'
import { networkOf, parsePrefix } from '../../../core/wire/text.ts'
import { SOCK_STATES } from '../../endpoints/sockets.ts'
import { incomplete, UsageError } from '../cli.ts'

type SockTest = (sock: SockItem) => boolean

const ALIASES: Readonly<Record<string, readonly string[]>> = {
  established: ['ESTAB'],
  'time-wait': ['TIME-WAIT'],
  listening: ['LISTEN'],
  listen: ['LISTEN'],
  closed: ['UNCONN'],
  unconnected: ['UNCONN'],
  all: SOCK_STATES,
  connected: SOCK_STATES.filter((state) => state !== 'LISTEN' && state !== 'UNCONN'),
  synchronized: SOCK_STATES.filter((state) => !['LISTEN', 'UNCONN', 'SYN-SENT'].includes(state)),
  bucket: ['SYN-RECV', 'TIME-WAIT'],
  big: SOCK_STATES.filter((state) => !['SYN-RECV', 'TIME-WAIT'].includes(state)),
}

const statesOf = (word: string): readonly string[] => {
  const found = ALIASES[word] ?? SOCK_STATES.filter((state) => state.toLowerCase() === word)
  if (found.length === 0) throw new UsageError(`ss: wrong state name: ${word}`)
  return found
}

/** Takes `state X` and `exclude X` off the words. */
export const readSsState = (args: readonly string[]): { states: string[]; words: string[] } => {
  const states: string[] = []
  const words: string[] = []
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!
    if (word !== 'state' && word !== 'exclude') {
      words.push(word)
      continue
    }
    const name = args[++i]
    if (name === undefined) throw incomplete()
    const named = statesOf(name.toLowerCase())
    if (word === 'state') states.push(...named)
    else states.push(...SOCK_STATES.filter((state) => !named.includes(state)))
  }
  return { states, words }
}

const OPERATORS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  eq: (a, b) => a === b,
  '!=': (a, b) => a !== b,
  ne: (a, b) => a !== b,
  neq: (a, b) => a !== b,
  '<': (a, b) => a < b,
  lt: (a, b) => a < b,
  '>': (a, b) => a > b,
  gt: (a, b) => a > b,
  '<=': (a, b) => a <= b,
  le: (a, b) => a <= b,
  leq: (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  ge: (a, b) => a >= b,
  geq: (a, b) => a >= b,
}

const isOr = (word: string): boolean => ['or', '|', '||'].includes(word)
const isEqualOperator = (word: string): boolean => ['=', '==', 'eq'].includes(word)

const readPort = (text: string): number => {
  const port = text.replace(/^.*:/, '')
  if (!/^\d{1,5}$/.test(port)) throw new UsageError(`Error: "${port}" does not look like a port.`)
  return Number(port)
}

/** ADDR, ADDR/LEN, ADDR:PORT, [ADDR]:PORT, *:PORT or :PORT. */
const addressTest = (text: string, end: 'local' | 'peer'): SockTest => {
  const found =
    /^(?:\[([^\]]+)\]|([^:[\]]+)|([^[\]]*:[^[\]]*:[^[\]]*))(\/\d+)?(?::(\d+|\*))?$/.exec(text)
  const addr = found?.[1] ?? found?.[2] ?? found?.[3]
  if (/^:\d+$/.test(text)) return (sock) => sock[end].port === readPort(text)
  if (found === null || addr === undefined)
    throw new UsageError(`Error: an inet prefix is expected rather than "${text}".`)
  const port = found[5] === undefined || found[5] === '*' ? null : Number(found[5])
  const isPort = (sock: SockItem): boolean => port === null || sock[end].port === port
  if (addr === '*') return isPort
  const prefix = parsePrefix(addr + (found[4] ?? ''))
  if (prefix === null)
    throw new UsageError(`Error: an inet prefix is expected rather than "${text}".`)
  const network = networkOf(prefix).words.join()
  return (sock) => {
    const own = parsePrefix(sock[end].addr)
    return (
      own !== null &&
      isPort(sock) &&
      networkOf({ ...own, prefixlen: prefix.prefixlen }).words.join() === network
    )
  }
}

/** A device that the socket is bound to. */
const deviceTest =
  (name: string): SockTest =>
  (sock) =>
    sock.dev === name
/** MARK or MARK/MASK. */
const markTest = (text: string): SockTest => {
  const [mark, mask = -1] = text.split('/').map((each) => (each === '' ? Number.NaN : Number(each)))
  if (!Number.isInteger(mark) || !Number.isInteger(mask))
    throw new UsageError(`Cannot parse mark ${text}.`)
  return (sock) => ((sock.mark ?? 0) & mask) === (mark! & mask)
}

/** One expression of all the words; none matches everything. */
export const parseSsFilter = (args: readonly string[]): SockTest => {
  // ss takes "( sport = :80 )" and "'sport = :80'" alike.
  const tokens =
    args
      .join(' ')
      .match(/[()!]|[<>=]=?|!=|[^\s()=<>!]+/g)
      ?.reduce<string[]>((all, token) => {
        if (token === '=' && all.at(-1) === '!') all[all.length - 1] = '!='
        else all.push(token)
        return all
      }, []) ?? []
  let at = 0
  const next = (): string => {
    const token = tokens[at++]
    if (token === undefined) throw new UsageError('ss: the filter is not complete')
    return token
  }
  const primary = (): SockTest => {
    const token = next()
    if (token === '(') {
      const inner = either()
      if (next() !== ')') throw new UsageError('ss: the filter lacks a ")"')
      return inner
    }
    if (token === 'not' || token === '!') {
      const inner = primary()
      return (sock) => !inner(sock)
    }
    if (token === 'dev' || token === 'fwmark') {
      const isNot = ['!=', 'ne', 'neq'].includes(tokens[at] ?? '')
      if (isNot || isEqualOperator(tokens[at] ?? '')) at++
      const test = token === 'dev' ? deviceTest(next()) : markTest(next())
      return isNot ? (sock) => !test(sock) : test
    }
    const end = { sport: 'local', src: 'local', dport: 'peer', dst: 'peer' }[token] as
      | 'local'
      | 'peer'
      | undefined
    if (end === undefined)
      throw new UsageError(
        `ss: bison bellows (while parsing filter): "syntax error!" near "${token}"`
      )
    if (token === 'src' || token === 'dst') {
      if (isEqualOperator(tokens[at] ?? '')) at++
      return addressTest(next(), end)
    }
    const operator = next()
    const compare = OPERATORS[operator]
    if (compare === undefined) throw new UsageError(`ss: "${operator}" is no comparison`)
    const port = readPort(next())
    return (sock) => compare(sock[end].port, port)
  }
  const both = (): SockTest => {
    let test = primary()
    while (at < tokens.length && tokens[at] !== ')' && !isOr(tokens[at]!)) {
      if (['and', '&', '&&'].includes(tokens[at]!)) at++
      const left = test
      const right = primary()
      test = (sock) => left(sock) && right(sock)
    }
    return test
  }
  const either = (): SockTest => {
    let test = both()
    while (isOr(tokens[at] ?? '')) {
      at++
      const left = test
      const right = both()
      test = (sock) => left(sock) || right(sock)
    }
    return test
  }
  if (tokens.length === 0) return () => true
  const test = either()
  if (at < tokens.length) throw new UsageError(`ss: unexpected "${tokens[at]}" in the filter`)
  return test
}
