// A control plane over an arena of its own, with workers that do nothing but pass quiescent points: each pause is
// one turn of theirs. `ip` reads the words that iproute2's users type.

import { NUD_FAILED, NUD_REACHABLE } from '../../core/neigh/neigh-constants.ts'
import { createFibReader } from '../../core/inet/fib/fib.ts'
import { createRoute } from '../../core/inet/fib/route.ts'
import { createTime, setTime } from '../../core/base/time.ts'
import { isRefused } from '../../core/control/text/names.ts'
import { Errno } from '../../core/base/errno.ts'
import type { Nets } from '../../core/control/netns.ts'
import { createTextControl } from '../../core/control/text/control.ts'
import { SOFT_KINDS } from '../../core/dev/kinds/kinds.ts'
import { createPorts } from '../../core/dev/kinds/ports.ts'
import type { KindEnv, LinkKind, LinkOps } from '../../core/dev/kinds/link-kind.ts'
import { createDryRun } from '../../core/stack/dry-run.ts'
import type {
  AddressSpec,
  Control,
  DumpItem,
  DumpOf,
  DumpType,
  Reply,
  RouteItem,
  RouteSpec,
} from '../../core/control/text/messages.ts'
import {
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../../core/control/nlm-flags.ts'
import { INIT_NET, NETDEV_TX_BUSY } from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { createArena } from '../../core/shm/arena.ts'
import { Conf6, confDefault, confRow } from '../../core/shm/devconf.ts'
import { createIpi } from '../../core/shm/ipi.ts'
import type { ArenaConfig } from '../../core/shm/layout.ts'
import {
  G_GENERATION,
  SMALL_ARENA,
  THREAD_ACK,
  THREAD_RUNNING,
  THREAD_WORDS,
} from '../../core/shm/layout.ts'

export const FLAGS = {
  add: NLM_F_CREATE | NLM_F_EXCL,
  replace: NLM_F_CREATE | NLM_F_REPLACE,
  change: NLM_F_REPLACE,
  append: NLM_F_CREATE | NLM_F_APPEND,
  prepend: NLM_F_CREATE,
}

/** "10.0.0.0/8 via 10.1.0.1 dev eth0 metric 5" as a RouteSpec. */
const parseRouteWords = (text: string): RouteSpec => {
  const words = text.split(/\s+/)
  const types = ['local', 'broadcast', 'throw', 'blackhole', 'unreachable', 'prohibit', 'unicast']
  const spec: Record<string, unknown> = {}
  if (types.includes(words[0]!)) spec.type = words.shift()
  spec.dst = words.shift()
  const names: Record<string, string> = { via: 'gateway', proto: 'protocol', src: 'prefsrc' }
  while (words.length > 0) {
    const word = words.shift()!
    if (word === 'onlink') spec.flags = ['onlink']
    else if (word === 'mtu') {
      const isLocked = words[0] === 'lock'
      if (isLocked) words.shift()
      spec.metrics = [{ mtu: Number(words.shift()), ...(isLocked && { lock: ['mtu'] }) }]
    } else if (word === 'metric') spec.metric = Number(words.shift())
    else spec[names[word] ?? word] = words.shift()
  }
  return spec as RouteSpec
}

/** A route as `ip route` prints it, short of what is the default. */
export const routeLine = (r: RouteItem): string =>
  [
    r.type === 'unicast' ? '' : r.type,
    r.dst,
    r.gateway && `via ${r.gateway}`,
    r.dev && `dev ${r.dev}`,
    r.protocol !== 'boot' && `proto ${r.protocol}`,
    r.scope && r.scope !== 'global' && `scope ${r.scope}`,
    r.prefsrc && `src ${r.prefsrc}`,
    r.metric !== undefined && `metric ${r.metric}`,
    ...r.flags,
  ]
    .filter(Boolean)
    .join(' ')

/** A kind whose devices the test is; nothing is sent on them. */
export const kindOf = (name: string, ops: LinkOps): LinkKind => ({
  name,
  data: [],
  linkOps: () => ops,
  startXmit: () => () => NETDEV_TX_BUSY,
})

/** What control gives its half of a kind, where nothing else is. */
export const kindEnv = (arena: Arena): KindEnv => ({
  arena,
  hasEnded: () => false,
  isUp: () => false,
  checkName: () => undefined,
  freeName: (stem) => `${stem}0`,
  reserve: () => 0,
  l3MasterMade: () => {},
  nameOf: (ifindex) => `if${ifindex}`,
  ports: createPorts(arena),
  part: () => {},
  pair: () => {},
})

/** Nets that are names and nothing else; there is room for two. */
export const fakeNets = (): Nets => {
  const names = new Set<string>()
  return {
    names: () => [...names],
    gone: () => [],
    add: async (name) => {
      if (names.has(name)) return Errno.EEXIST
      if (names.size === 2) return Errno.ENOSPC
      names.add(name)
      return 0
    },
    del: async (name) => (names.delete(name) ? 0 : Errno.ENOENT),
  }
}

export const makeControl = (
  config: Partial<ArenaConfig> = {},
  drivers: Record<string, LinkOps> = {},
  acceptDad = 0,
  nets?: Nets
) => {
  const arena: Arena = createArena({ ...SMALL_ARENA, workers: 2, ...config })
  const { i32, layout } = arena
  const block = (t: number): number => layout.threadBlocks + t * THREAD_WORDS
  const stuck = new Set<number>()
  const workers = Array.from({ length: layout.config.workers }, (_, w) => w)
  for (const w of workers) i32[block(w) + THREAD_RUNNING] = 1
  const workerIpi = workers.map((w) => createIpi(arena, w, () => {}))
  let pauses = 0
  const clock = { us: 1e6 }
  const turn = (): void => {
    for (const w of workers) {
      if (stuck.has(w)) continue
      workerIpi[w]!.run()
      i32[block(w) + THREAD_ACK] = i32[G_GENERATION]!
    }
  }
  const pause = async (): Promise<void> => {
    pauses++
    clock.us += 1000
    turn()
  }
  let seed = 1
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) | 0)
  const kinds = [...SOFT_KINDS, ...Object.entries(drivers).map(([name, ops]) => kindOf(name, ops))]
  const nowUs = (): number => clock.us
  const control = createTextControl({
    arena,
    nowUs,
    wake: () => {},
    kinds,
    random,
    pause,
    dryRun: createDryRun({ arena, kinds, nowUs }),
    ...(nets && { nets }),
  })
  // no worker here tries addresses (dad.ts): they are ours at once, where a test does not ask for more
  for (let row = 1; row <= confDefault(arena); row++)
    i32[confRow(arena, row) + Conf6.accept_dad] = acceptDad
  const time = createTime()
  /** Devices whose neighbours do not answer the router. */
  const unanswering = new Set<number>()
  const router = createRoute({
    arena,
    time,
    thread: 0,
    neighState: (dev) => (unanswering.has(dev) ? NUD_FAILED : NUD_REACHABLE),
    fib: createFibReader(arena, INIT_NET),
  })

  const routes = (filter: { table?: string; family?: 'inet' | 'inet6' } = {}): string[] =>
    dumped(control, { type: 'RTM_GETROUTE', filter: { family: 'inet', ...filter } }).map(routeLine)
  const ip = {
    /** ip link add NAME type veth peer name NAMEp; both up. */
    veth: async (name: string, up = true): Promise<void> => {
      const link = { ifname: name, kind: 'veth', up, data: { peer: `${name}p` } }
      const made = await control.request({ type: 'RTM_NEWLINK', flags: FLAGS.add, link })
      if (made.error !== 0) throw new Error(refusal(made))
      if (up) await ip.link(`${name}p`, { up })
    },
    link: (ifname: string, set: object): Promise<Reply> =>
      control.request({ type: 'RTM_NEWLINK', flags: 0, link: { ifname, ...set } }),
    /** ip addr add 10.0.0.1/24 dev NAME */
    addr: (text: string, dev: string, more: Partial<AddressSpec> = {}): Promise<Reply> => {
      const [local = '', length] = text.split('/')
      const address = { dev, local, prefixlen: Number(length), ...more }
      return control.request({ type: 'RTM_NEWADDR', flags: FLAGS.add, address })
    },
    addrDel: (text: string, dev: string): Promise<Reply> => {
      const [local = '', length] = text.split('/')
      return control.request({
        type: 'RTM_DELADDR',
        address: { dev, local, prefixlen: Number(length) },
      })
    },
    /** ip route add|replace|change|append|prepend|del WORDS */
    route: (verb: keyof typeof FLAGS | 'del', words: string): Promise<Reply> => {
      const route = parseRouteWords(words)
      if (verb === 'del') return control.request({ type: 'RTM_DELROUTE', route })
      return control.request({ type: 'RTM_NEWROUTE', flags: FLAGS[verb], route })
    },
    get: (dst: string, more: { src?: string; iif?: string; oif?: string } = {}) =>
      control.request({ type: 'RTM_GETROUTE', dst, ...more }),
    routes,
  }
  /** The time of control, and of who routes here. */
  const setClock = (us: number): void => {
    clock.us = us
    setTime(time, us)
  }
  return {
    arena,
    control,
    ip,
    router,
    unanswering,
    time,
    setClock,
    turn,
    stuck,
    clock,
    workerIpi,
    pauses: () => pauses,
  }
}

/** What a refused reply says; throws on one that is not. */
export const refusal = (reply: Reply): string => {
  if (!isRefused(reply)) throw new Error('not refused')
  return reply.message
}

/** What is listed; throws on a refusal. */
export const dumped = <T extends DumpType>(
  control: Pick<Control, 'dump'>,
  request: DumpOf<T>
): DumpItem<T>[] => {
  const chunks = control.dump(request)
  if (isRefused(chunks)) throw new Error(chunks.message)
  return [...chunks].flat()
}

/** The item of a reply; throws on a refusal. */
export const itemOf = <Item>(reply: Reply<Item>): Item => {
  if (isRefused(reply)) throw new Error(reply.message)
  return reply.item
}
