/**
 * The namespaces of the daemon: each a whole stack with an arena of its own (library/host.ts), all in the event loop of one
 * thread. Requests make them, and scenes of the demo. Thread of the namespaces.
 */
import type {
  Done,
  Message,
  NetnsConfig,
  Reply,
  StackConfig,
} from '../../core/control/text/messages.ts'
import { DEFAULT_NETNS } from '../../core/control/text/link.ts'
import { noSuchNetns } from '../../core/control/text/names.ts'
import { createRtnl } from '../../core/control/rtnl/rtnl.ts'
import type { ArenaConfig } from '../../core/shm/layout.ts'
import type { ServicesConfig } from '../../core/socket/services/services.ts'
import { serveHttp } from '../app/http.ts'
import type { HttpOptions } from '../app/http.ts'
import { createHost, type Host } from '../library/host.ts'
import { monotonicUs, realtimeUs } from '../os/clock.ts'
import { random } from '../random.ts'
import { createNsids } from './nsids.ts'
import type { Pairs } from './pairs.ts'
import { createStreams } from './streams.ts'
import type { Wires } from './wires.ts'

/** Memory is taken as it is used: some 4 MB for one that has just begun. */
const MEMORY: Partial<ArenaConfig> = {
  devices: 64,
  ifaddrs: 128,
  nexthops: 4096,
  fibTables: 16,
  fibNodes: 8192,
  fibRules: 128,
  neighbours: 1024,
  socks: 1024,
  flows: 256,
  members: 128,
  mroutes: 64,
}
const HTTP_PORT = 80

/** What its API is asked, and answers. */
export type NetCall = {
  readonly name: string
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The answer does not end by itself. */
  readonly isStream: boolean
}
export type NetAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Of one that goes on, its number (streams.ts). */
  readonly body: string | number
}

export type Net = Host & {
  /** A request has made it, and not a scene: it is configuration. */
  isConfigured: boolean
  /** Calls `fn` again and again, until the namespace ends. */
  every: (ms: number, fn: () => void) => void
  isOver: () => boolean
  /** control.request, for whoever holds the default net's lock. */
  requestHere: Host['control']['request']
  nsids: ReturnType<typeof createNsids>
}

/** A device is to be the default net's. */
const isForDefault = (message: Message): boolean =>
  message.type === 'RTM_NEWLINK' && message.link.netns === DEFAULT_NETNS

type NetsDeps = {
  wires: Wires
  pairs: Pairs
  /** Asks the loop for another turn. */
  schedule: () => void
  services: Partial<ServicesConfig>
  /** What its web server answers; null: it has none. */
  serve: ((hostname: string) => HttpOptions['fetch']) | null
  /** Where changes in those that requests have made are kept before they are answered; null: they are not. */
  keep: ((name: string, messages: readonly Message[]) => Promise<void>) | null
  /** A namespace's stack is over, and another begins. */
  onError: (name: string, error: unknown) => void
  /** What one is asked and the default net's control has to begin. */
  askDefault: (name: string, message: Message) => Promise<Reply>
  /** Makes the API over a control plane. */
  createApi: (control: Host['control']) => Promise<(request: Request) => Promise<Response>>
}

export type Nets = ReturnType<typeof createNets>

export const createNets = (deps: NetsDeps) => {
  const { wires, pairs, schedule, services, serve, keep, onError, askDefault, createApi } = deps
  const nets = new Map<string, Net>()
  const apis = new WeakMap<Net, Promise<(request: Request) => Promise<Response>>>()
  /** One for all, as Linux has it: what is done in one may reach into another. */
  const rtnl = createRtnl()
  const streams = createStreams()

  const make = (name: string, isConfigured: boolean): Net => {
    const timers: Timer[] = []
    let isOver = false
    const host: Host = createHost({
      name,
      nowUs: monotonicUs,
      realtimeUs,
      random,
      schedule,
      rtnl,
      services,
      onError: (error) => onError(name, error),
      memory: MEMORY,
      transmit: (skb, ifindex) => wires.transmit(net, skb, ifindex),
      farNets: pairs.netsOf(() => net),
    })
    const { close: closeHost } = host
    const close = async (): Promise<void> => {
      isOver = true
      for (const timer of timers) clearInterval(timer)
      await closeHost()
    }
    const every = (ms: number, fn: () => void): void => void timers.push(setInterval(fn, ms))
    const { control } = host
    const request = ((message, ifAt) => {
      const isStale = ifAt !== undefined && !ifAt.includes(control.revision())
      return isForDefault(message) && !isStale
        ? askDefault(name, message)
        : control.request(message, ifAt)
    }) as Host['control']['request']
    const more = {
      isConfigured,
      every,
      isOver: () => isOver,
      control: { ...control, request },
      requestHere: control.request,
      nsids: createNsids(),
      close,
    }
    const net: Net = Object.assign(host, more)
    return net
  }
  /** Its name is free; a scene says what is in it. */
  const add = async (name: string, config?: StackConfig): Promise<Net> => {
    const net = make(name, config === undefined)
    nets.set(name, net)
    try {
      await net.configure(config ?? {})
    } catch (error) {
      await del(name)
      throw error
    }
    if (serve !== null) serveHttp({ net: net.app.net, port: HTTP_PORT, fetch: serve(name) })
    if (keep === null || !net.isConfigured) return net
    const append = (messages: readonly Message[]) => keep(name, messages)
    // all is kept in one place, where it is said when there is much of it
    await net.control.keepIn({ append, isLong: () => false, replace: () => {} }, false)
    return net
  }
  const find = (name: string): Net | undefined => nets.get(name)
  /** What reaches into several, when what is being changed is done. */
  const { run } = rtnl
  /** With all that it has. */
  const del = (name: string): Promise<void> =>
    run(async () => {
      const net = nets.get(name)
      if (net === undefined) return
      nets.delete(name)
      await streams.end(net)
      await pairs.endNet(net)
      await net.close()
      for (const { nsids } of nets.values()) nsids.forget(name)
    })
  const request = async (name: string, message: Message): Promise<Reply> =>
    nets.get(name)?.requestHere(message) ?? noSuchNetns(name)
  /** What there is to configure, at one moment. */
  const configs = (whole: boolean): Promise<NetnsConfig[]> =>
    run(() =>
      Promise.all(
        [...nets.values()]
          .filter(({ isConfigured }) => isConfigured)
          .map(async ({ name, control }) => {
            const reply = await control.request({ type: 'CONFIG_GET', whole })
            return { name, ...(reply as Done<StackConfig>).item }
          })
      )
    )
  /** The API is loaded when the first one asks. */
  const ask = async (call: NetCall): Promise<NetAnswer> => {
    const { name, method, path, headers, body, isStream } = call
    const net = nets.get(name)
    if (net === undefined) return { status: 404, headers: {}, body: '' }
    const known = apis.get(net) ?? createApi(net.control)
    apis.set(net, known)
    const response = await (await known)(
      new Request(`http://${name}${path}`, { method, headers, ...(body !== '' && { body }) })
    )
    const answer = { status: response.status, headers: Object.fromEntries(response.headers) }
    if (!isStream || response.body === null) return { ...answer, body: await response.text() }
    return { ...answer, body: streams.add(net, response.body) }
  }

  const tick = (): void => {
    for (const net of nets.values()) net.tick()
  }
  const poll = (): number => {
    let done = 0
    for (const net of nets.values()) done += net.poll()
    return done
  }
  const nextDelay = (limitMs: number): number => {
    let delay = limitMs
    for (const net of nets.values()) delay = Math.min(delay, net.nextDelay(delay))
    return delay
  }
  return { add, del, find, run, request, configs, ask, streams, tick, poll, nextDelay }
}
