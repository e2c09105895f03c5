/**
 * The daemon: makes the arena, starts the threads one by one, applies the configuration, and stops it all cleanly. Its
 * control plane is what the HTTP API and the command line talk to. Main thread; called by api/cli/run-daemon.ts.
 */
import { NLM_F_CREATE } from '../core/control/nlm-flags.ts'
import { isRefused } from '../core/control/text/names.ts'
import { createTextControl, type TextControl } from '../core/control/text/control.ts'
import type {
  ConfigStep,
  Control,
  Done,
  Message,
  Reply,
  StackConfig,
} from '../core/control/text/messages.ts'
import { IPPROTO_TCP } from '../core/wire/ipproto.ts'
import { tcpInfo } from '../core/transport/tcp/sock/tcp-info.ts'
import { createArena } from '../core/shm/arena.ts'
import type { Arena } from '../core/shm/arena.ts'
import { createIpi, Ipi } from '../core/shm/ipi.ts'
import type { ArenaConfig } from '../core/shm/layout.ts'
import {
  DEFAULT_ARENA,
  G_SERVICES,
  G_SHUTDOWN,
  THREAD_RUNNING,
  THREAD_WORDS,
} from '../core/shm/layout.ts'
import { computeLayout } from '../core/shm/compute-layout.ts'
import { servicesMask } from '../core/socket/services/services.ts'
import type { DryRun, DryRunDeps } from '../core/stack/dry-run.ts'
import { createBell } from './app/doorbell.ts'
import type { EngineDeps } from './app/engine.ts'
import { type AppThreadData, STOP } from './app/thread-data.ts'
import { KINDS, kindsOf } from './kinds.ts'
import { hints, labPart, namespaceOptions, routerPart, type Scene } from './lab/scene.ts'
import { monotonicUs } from './os/clock.ts'
import type { Log } from './log.ts'
import { moduleUrl } from './modules.ts'
import { createNamespaces } from './netns/control.ts'
import type { NetnsData } from './netns/netns-data.ts'
import { probeRing } from './os/io-uring.ts'
import { errnoName, errnoText, libc } from './os/libc.ts'
import type { Namespace, NamespaceOptions } from './os/netns.ts'
import { createNamespace } from './os/netns.ts'
import { random } from './random.ts'
import { openState, type State } from './state.ts'
import type { ThreadData } from './thread-data.ts'
import type { Thread } from './threads.ts'
import { startThread } from './threads.ts'
import { createWake } from './wake.ts'

export type DaemonOptions = {
  readonly config: StackConfig & {
    services?: Partial<Record<'echo' | 'discard' | 'chargen' | 'http', boolean>>
  }
  readonly workers: number
  readonly steering: 'rps' | 'multiqueue'
  readonly taps: readonly { readonly name: string; readonly address?: string }[]
  /** A scene of the demo; null: none. */
  readonly demo: Scene | null
  readonly pin: boolean
  readonly debug: boolean
  /** Folder in which changes are kept; null: they are not. */
  readonly state: string | null
  /** Absolute path of the folder in which links record and replay; null: none. */
  readonly files: string | null
  /** Hears what there is to say. */
  readonly log: Log
  /** Address of the module that exports createHostApp, for the web servers of the default net and of the namespaces; null: none. */
  readonly hostApp: string | null
  /** Address of the module that exports createHostApi, the API of a namespace; null: nobody asks. */
  readonly hostApi: string | null
}

/** Applications: the daemon's own web server; the thread of the namespaces; the program that has started it all. */
const APP_HTTP = 0
const APP_NETNS = 1
const APP_PROGRAM = 2

const HTTP_PORT = 80
const WASM_PAGE = 65536

/**
 * A memory of WebAssembly is a mapping of its own, of which what nobody writes takes nothing. The runtime's arrays are that only
 * where their place was never used before; elsewhere it fills them with zeros: 34, 48 or 72 MB more, at some starts and not at others.
 */
const mapped = (bytes: number, shared: boolean): ArrayBuffer => {
  const pages = Math.ceil(bytes / WASM_PAGE)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared }).buffer
}
/** The arena's buffer is one as well so that SIMD kernels can run over it. */
const arenaBuffer = (config: ArenaConfig): SharedArrayBuffer =>
  mapped(computeLayout(config).totalBytes, true) as unknown as SharedArrayBuffer

const check = (reply: Reply, what: string): void => {
  if (isRefused(reply))
    throw new Error([what, reply.field, reply.message].filter(Boolean).join(': '))
}

export const startDaemon = async (options: DaemonOptions) => {
  const config: ArenaConfig = { ...DEFAULT_ARENA, workers: options.workers }
  const buffer = arenaBuffer(config)
  const arena = createArena(config, buffer)
  const { layout } = arena
  const state = options.state === null ? null : openState(options.state)
  const id = crypto.randomUUID()
  const wake = createWake(arena, id, layout.controlThread)
  const secret = crypto.getRandomValues(new Int32Array(2))
  const namespaces = new Map<string, Namespace>()
  const failed = Promise.withResolvers<string>()
  const threads: Thread[] = []
  const stopping = { now: false }
  const { log } = options
  const refused = probeRing()
  if (refused !== 0)
    log(
      'notice',
      `io_uring: ${errnoText(refused)} (${errnoName(refused)}): frames are read and written one in a call`
    )
  const ended = new Set<number>()
  const { services: wanted = {} } = options.config
  const services = { echo: true, discard: true, chargen: true, http: true, ...wanted }
  const { hostApp, hostApi } = options
  const netns = createNamespaces({
    start: () => {
      const data: NetnsData = {
        ...dataFor(layout.appThread + APP_NETNS),
        services,
        isKept: state !== null,
        hostApp: services.http ? hostApp : null,
        hostApi,
      }
      return start(moduleUrl('workers/netns/main.ts'), data)
    },
    thread: layout.appThread + APP_NETNS,
    isTaken: (name) => namespaces.has(name),
    onError: (name, error) => log('err', `namespace ${name}: ${error}`, { netns: name }),
  })

  /** One of the kernel's, for programs (`softnet exec`). */
  const openNamespace = async (asked: NamespaceOptions): Promise<Namespace> => {
    const { name } = asked
    if (namespaces.has(name) || netns.nets.names().includes(name))
      throw new Error(`there is a network namespace "${name}" already`)
    const namespace = await createNamespace(asked)
    const close = async (): Promise<void> => {
      namespaces.delete(name)
      await namespace.close()
    }
    const held = { ...namespace, close }
    namespaces.set(name, held)
    return held
  }
  const queues = options.steering === 'multiqueue' ? options.workers : null
  const ipi = createIpi(arena, layout.controlThread, wake)
  const control = createTextControl({
    arena,
    allocate: (bytes) => mapped(bytes, false),
    nowUs: monotonicUs,
    wake,
    ipi,
    sockInfo: { [IPPROTO_TCP]: (sk) => tcpInfo(arena, sk, Math.floor(monotonicUs() / 1000) | 0) },
    random,
    pause: () => {
      // a worker that was woken may be waiting for this very CPU; until the next tick it would see control spin
      libc.sched_yield()
      return new Promise((resolve) => setImmediate(resolve))
    },
    kinds: kindsOf({ queues, namespaces, openNamespace, files: options.files, log }, netns.far),
    hasEnded: (thread) => ended.has(thread),
    nets: netns.nets,
    otherNets: netns.otherNets,
    dryRun: dryRunWhenAsked({ arena, kinds: KINDS, nowUs: monotonicUs }),
  })

  netns.attach(control)
  // what the threads have to tell: neighbours that changed, answers
  const stopLooking = lookNowAndThen(control.poll)

  const dataFor = (thread: number): ThreadData => ({
    config,
    buffer,
    id,
    thread,
    secret,
    cpu: options.pin ? thread : -1,
  })
  const onError = (thread: number, error: string): void => {
    log('err', `thread ${thread}: ${error}`, { thread })
    if (thread >= layout.config.workers && !stopping.now)
      failed.resolve(`thread ${thread} has died`)
  }
  const start = async (entry: string, data: ThreadData): Promise<Thread> => {
    const thread = await startThread(entry, data, onError)
    threads.push(thread)
    void thread.stopped.then(() => ended.add(data.thread))
    return thread
  }

  const stop = async (): Promise<void> => {
    stopping.now = true
    Atomics.store(arena.i32, G_SHUTDOWN, 1)
    for (let thread = 0; thread < layout.controlThread; thread++) wake(thread)
    const patience = Bun.sleep(STOP_WITHIN_MS)
    for (const { worker } of threads) worker.postMessage(STOP)
    await Promise.race([Promise.all(threads.map((thread) => thread.stopped)), patience])
    stopLooking()
    await Promise.all([...namespaces.values()].map((namespace) => namespace.close()))
    state?.close()
  }

  try {
    for (let worker = 0; worker < options.workers; worker++)
      await start(moduleUrl('workers/net.ts'), dataFor(worker))
    for (let nic = 0; nic < config.nics; nic++)
      await start(moduleUrl('workers/nic.ts'), dataFor(layout.nicThread + nic))
    const peer = layout.appThread + APP_NETNS
    const refusal = options.demo === null ? null : await whyNot(openNamespace(namespaceOptions))
    const scene = options.demo && routerPart(options.demo, peer, refusal === null)
    const begin = { ...options, config: joined(options.config, scene ?? {}) }
    if (state === null) await configure(control, begin)
    else await restore(control, state, begin)
    // what they listen with is configured by now
    arena.i32[G_SERVICES] = servicesMask(services)
    await control.publish()
    if (options.demo !== null) await netns.addLab(await labPart(control, options.demo))
    if (services.http && hostApp !== null) {
      const data: AppThreadData = {
        ...dataFor(layout.appThread + APP_HTTP),
        port: HTTP_PORT,
        module: hostApp,
        factory: 'createHostApp',
        options: { hostname: 'softnet' },
      }
      await start(moduleUrl('workers/app/main.ts'), data)
    }
    /** What the calling thread, the one that has started the daemon, needs to be an application of it. */
    const attach = (): EngineDeps => {
      const thread = layout.appThread + APP_PROGRAM
      return { arena, thread, wake, bell: createBell(id, thread, layout.threads) }
    }
    return {
      control: control as Control,
      attach,
      hints: [
        ...(options.demo === null ? [] : hints(options.demo, refusal === null)),
        ...(refusal === null ? [] : [`softnet: no namespace to run programs in: ${refusal}`]),
      ],
      failed: failed.promise,
      stop,
      netns: () => [
        ...[...namespaces.values()].map(({ name, pid }) => ({ name, pid })),
        ...netns.list(),
      ],
      askNetns: netns.ask,
      notReady: () => missingThread(arena),
      throwInWorker: (worker: number): boolean =>
        options.debug &&
        worker >= 0 &&
        worker < options.workers &&
        ipi.send(worker, Ipi.DEBUG_THROW),
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The stack's own code, 4 MB of it, is the workers': this thread loads it when somebody asks for a dry run. */
const dryRunWhenAsked = (deps: DryRunDeps): DryRun => {
  let made: DryRun | undefined
  return async (...asked) => {
    const { createDryRun } = await import('../core/stack/dry-run.ts')
    made ??= createDryRun(deps)
    return made(...asked)
  }
}

/** A thread that has work blocks no longer than its batch. */
const STOP_WITHIN_MS = 500
/** How often the control thread looks at what the threads have to tell. */
const LOOK_MS = 100
/** And once nothing has happened in so many looks: waking up costs a CPU that sleeps a millisecond. */
const CALM_LOOKS = 50
const CALM_LOOK_MS = 500
/** `look` answers whether anything has happened. The function ends it. */
const lookNowAndThen = (look: () => boolean): (() => void) => {
  let calm = 0
  const turn = (): void => {
    calm = look() ? 0 : calm + 1
    timer = setTimeout(turn, calm < CALM_LOOKS ? LOOK_MS : CALM_LOOK_MS)
  }
  let timer = setTimeout(turn, LOOK_MS)
  return () => clearTimeout(timer)
}

const missingThread = ({ i32, layout }: Arena): string | null => {
  for (let thread = 0; thread <= layout.nicThread; thread++)
    if (i32[layout.threadBlocks + thread * THREAD_WORDS + THREAD_RUNNING] === 0)
      return thread < layout.nicThread ? `worker ${thread}` : 'nic thread'
  return null
}

/** The taps of the command line, and what the file says. */
const configure = async (control: Control, { config, taps }: DaemonOptions): Promise<void> => {
  const { services: _services, link = [], ...rest } = config
  // what the file says keeps its place: errors name it by its index
  const links = [
    ...link,
    ...taps.map(({ name, address }) => ({
      ifname: name,
      kind: 'tap',
      up: true,
      ...(address === undefined ? {} : { addresses: [address] }),
    })),
  ]
  const reply = await control.request({
    type: 'CONFIG_SET',
    config: { ...rest, link: links },
  })
  check(reply, 'configuration')
}

/**
 * What was kept, as far as it can be had again; the file's configuration is where a state begins. What is refused now stays in
 * the file, for a time when it is not.
 */
const restore = async (
  control: TextControl,
  state: State,
  options: DaemonOptions
): Promise<void> => {
  const kept = state.load()
  if (kept === null) await configure(control, options)
  /** What is refused may be about what a later one makes: of two threads' changes the earlier may stand behind. */
  let refused: Message[] = []
  const again = async (message: Message, isLast = false): Promise<void> => {
    const reply = await control.request(message)
    if (!isRefused(reply)) return
    refused.push(message)
    if (isLast) options.log('warning', `state: ${message.type} was refused: ${reply.message}`)
  }
  if (kept !== null) {
    const { config, changes } = kept
    await take(control, config, again)
    for (const message of changes) await again(message)
    const more = refused
    refused = []
    for (const message of more) await again(message, true)
  }
  await control.keepIn(state.keep, refused.length === 0)
}
/** A configuration step by step: what one of them can not have again the others can. */
const take = async (
  control: TextControl,
  { netns = [], ...ofDefault }: StackConfig,
  again: (message: Message) => Promise<void>
): Promise<void> => {
  const set = (config: StackConfig): Message => ({ type: 'CONFIG_SET', config, dry_run: true })
  const stepsOf = async (message: Message): Promise<Message[]> => {
    const steps: Reply = await control.request(message)
    if (isRefused(steps)) throw new Error(`state: ${steps.message}`)
    return (steps as Done<ConfigStep[]>).item.map((step) => step.message)
  }
  // links of the default net may lead into any of them
  for (const { name } of netns) await again({ type: 'NETNS_NEW', flags: NLM_F_CREATE, name })
  for (const message of await stepsOf(set(ofDefault))) await again(message)
  for (const { name, ...config } of netns)
    for (const message of await stepsOf({ type: 'NETNS', name, message: set(config) }))
      await again({ type: 'NETNS', name, message })
}

/** null, or why it could not be done. */
const whyNot = (done: Promise<unknown>): Promise<string | null> =>
  done.then(
    () => null,
    (error: Error) => error.message
  )

/** One configuration after the other. */
const joined = <Config extends StackConfig>(config: Config, more: StackConfig): Config => ({
  ...config,
  ...more,
  link: [...(config.link ?? []), ...(more.link ?? [])],
  route: [...(config.route ?? []), ...(more.route ?? [])],
  rule: [...(config.rule ?? []), ...(more.rule ?? [])],
  sysctl: { ...config.sysctl, ...more.sysctl },
})
