/** The ways in which Node's net may be called, read as options; what cannot be right throws as it does there. */
import type {
  ListenOptions as NodeListenOptions,
  NetConnectOpts,
  TcpNetConnectOpts,
} from 'node:net'
import { nodeError } from './errors.ts'

export type Listener = () => void

/** Node's ways to call connect(): a path names what is not here, a pipe of the system's. */
export type ConnectArgs =
  | [options: NetConnectOpts & FastOpen, connected?: Listener]
  | [port: number, host?: string, connected?: Listener]
  | [port: number, connected?: Listener]
  | [path: string, connected?: Listener]
/** TCP Fast Open: what is written first goes with the SYN, once the server has given a cookie (RFC 7413). */
type FastOpen = { fastOpen?: boolean }
export type ConnectOptions = TcpNetConnectOpts & FastOpen & { path?: string }

const lastFunction = (args: readonly unknown[]): Listener | undefined =>
  args.findLast((arg) => typeof arg === 'function') as Listener | undefined
const isPath = (text: unknown): text is string => typeof text === 'string' && !/^\d+$/.test(text)

export const readConnect = (args: ConnectArgs): [ConnectOptions, Listener | undefined] => {
  const [first, second] = args
  const connected = lastFunction(args)
  if (typeof first === 'object') return [first as ConnectOptions, connected]
  if (isPath(first)) return [{ path: first, port: 0 }, connected]
  const host = typeof second === 'string' ? { host: second } : {}
  return [{ port: Number(first), ...host }, connected]
}

export type ListenOptions = Pick<
  NodeListenOptions,
  'port' | 'host' | 'backlog' | 'path' | 'ipv6Only' | 'signal'
>
/** Node's ways to call listen(): options, or a port, a host and a backlog, of which all may be left out. */
export type ListenArgs = [
  first?: ListenOptions | number | string | Listener,
  ...rest: (string | number | Listener | undefined)[],
]
export const readListen = (args: ListenArgs): [ListenOptions, Listener | undefined] => {
  const [first, ...rest] = args
  const listening = lastFunction(args)
  if (typeof first === 'object') return [first, listening]
  if (isPath(first)) return [{ path: first }, listening]
  const host = rest.find((arg) => typeof arg === 'string')
  const backlog = rest.find((arg) => typeof arg === 'number')
  const port = first === undefined || typeof first === 'function' ? 0 : Number(first)
  return [{ port, ...(host && { host }), ...(backlog !== undefined && { backlog }) }, listening]
}

/** A port as a number; throws what Node throws when it is none. */
export const portOf = (port: unknown, name = 'Port'): number => {
  const number = typeof port === 'string' && port.trim() !== '' ? Number(port) : port
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number < 65536)
    return number
  const what = `type ${typeof port} (${port})`
  const message = `${name} should be >= 0 and < 65536. Received ${what}.`
  throw nodeError('ERR_SOCKET_BAD_PORT', message, RangeError)
}
