/**
 * Runs the daemon in the foreground: the stack (workers/daemon.ts), the API over its control plane, and what a process
 * owes its caller: where the API is, readiness (--ready-fd, sd_notify), a pid file, clean ends. Main thread; from `softnet up` and `demo`.
 */
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { StackConfig } from '../../core/control/text/messages.ts'
import { createLog, isJournal, type Log } from '../../workers/log.ts'
import { moduleUrl } from '../../workers/modules.ts'
import { createApp } from '../app.ts'
import type { AuditLine } from '../endpoints/deps.ts'
import { saveConfig } from '../config-file.ts'
import type { Daemon, StartDaemon } from '../daemon-options.ts'
import type { Config } from '../schemas/config.ts'
import type { Scene } from '../schemas/scene.ts'
import { ListenError } from '../listen-error.ts'
import type { App } from '../server.ts'
import { tokenLink } from '../token-file.ts'
import type { Cli } from './cli.ts'
import { Refused } from './cli.ts'
import { type DaemonArgs, readConfig } from './daemon-args.ts'
import { openLines, removePidFile, tellReady, writePidFile } from './files.ts'
import { type DaemonApi, openApi } from './open-api.ts'
import { reload, type Running } from './reload.ts'
import { VERSION } from './version.ts'

const HOST_APP = moduleUrl('api/host-app.ts')
const HOST_API = moduleUrl('api/host-api.ts')

/** Two at least, so that there is something to steer; beside them stand the threads of the devices and of control. */
const defaultWorkers = (): number => Math.max(2, Math.min(4, availableParallelism() - 1))

/** Heard from the first moment on, so that a daemon that is told to end while it starts cleans up as well. */
const untilSignal = (): Promise<null> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve(null))
  })

/** Resolves with why the daemon ends: its time, or a failure. */
const untilEnd = (args: DaemonArgs, daemon: Daemon): Promise<string | null> =>
  new Promise((resolve) => {
    if (args.durationSec !== undefined) setTimeout(() => resolve(null), args.durationSec * 1000)
    void daemon.failed.then(resolve)
  })

/** A folder is named as seen from the file that names it. */
const filesFolder = ({ files }: Config, configFile: string | undefined): string | null =>
  files === undefined || configFile === undefined ? null : resolve(dirname(configFile), files)

/** Where the daemon was started, whatever becomes of its folder. */
const saveIn = (file: string) => {
  const path = resolve(file)
  return (state: StackConfig): string => {
    saveConfig(path, state)
    return path
  }
}

/** Each change has a line in a file, or in the log. */
const teller = (path: string, log: Log): ((line: AuditLine) => void) => {
  if (path === '-')
    return ({ time: _time, method, path: what, ...line }) =>
      log('notice', `${method} ${what}`, line)
  const write = openLines(path)
  return (line) => write(JSON.stringify(line))
}

/**
 * SIGHUP is heard from the first moment on as well: while the daemon starts it has read its file, perhaps before that was changed.
 */
const onHangUp = () => {
  let hasCome = false
  let take = (): void => {
    hasCome = true
  }
  process.on('SIGHUP', () => take())
  return (fn: () => void): void => {
    take = fn
    if (hasCome) fn()
  }
}

const createDaemonApp = (
  api: DaemonApi,
  { token, tokens = [] }: NonNullable<Config['api']>,
  daemon: Daemon,
  args: DaemonArgs,
  { log, tellChange }: Pick<Running, 'log' | 'tellChange'>
): App =>
  createApp({
    control: daemon.control,
    version: VERSION,
    ...(token !== undefined && { token }),
    tokens: [...tokens, { token: api.token, scope: 'capture' }],
    howToChange: api.howToChange,
    netns: daemon.netns,
    askNetns: daemon.askNetns,
    notReady: daemon.notReady,
    ...(args.configFile !== undefined && { saveConfig: saveIn(args.configFile) }),
    ...(tellChange && { tellChange }),
    log,
    debug: args.debug,
    throwInWorker: daemon.throwInWorker,
  })

/** The demo's link opens its dashboard with every right; a daemon's output may go into a log that others read. */
const announce = (
  { listeners, token, tokenFile }: DaemonApi,
  daemon: Daemon,
  args: DaemonArgs,
  cli: Cli,
  demo: boolean
): void => {
  const dashboard = listeners.find(({ endpoint }) => endpoint.kind === 'tcp')
  for (const { address } of listeners) {
    if (address !== dashboard?.address) cli.out(`softnet: API at ${address}\n`)
    else if (demo) cli.out(`softnet: dashboard at ${tokenLink(address, token)}\n`)
    else cli.out(`softnet: API at ${address}/\n`)
  }
  if (!demo && tokenFile !== null) cli.out(`softnet: the token for changes is in ${tokenFile}\n`)
  for (const hint of daemon.hints) cli.out(`${hint}\n`)
  if (args.readyFd !== undefined) {
    tellReady(args.readyFd, `${listeners.map(({ address }) => address).join(' ')}\n`)
  }
}

/** Nobody who comes by the network is to have more than it takes. */
const goOnAs = async (user: string): Promise<void> => {
  const { becomeUser } = await import('../../workers/os/privileges.ts')
  try {
    becomeUser(user)
  } catch (error) {
    throw new Refused(`softnet: --user: ${(error as Error).message}`)
  }
}

type RunOptions = {
  readonly startDaemon: StartDaemon
  readonly config: Config
  readonly args: DaemonArgs
  readonly cli: Cli
  /** The scene of a demo; null: there is none. */
  readonly scene: Scene | null
}

const runOn = async (
  api: DaemonApi,
  { startDaemon, config, args, cli, scene }: RunOptions
): Promise<number> => {
  const signalled = untilSignal()
  const hangUp = onHangUp()
  const log = createLog({
    level: args.logLevel,
    format: args.logFormat,
    journal: isJournal(cli.env.JOURNAL_STREAM),
  })
  const tellChange = args.audit === undefined ? undefined : teller(args.audit, log)
  // loaded here alone, as the daemon is
  const { notifyManager } = await import('../../workers/os/notify.ts')
  const notify = (state: string): void => notifyManager(state, cli.env.NOTIFY_SOCKET)
  let daemon: Daemon | undefined
  try {
    daemon = await startDaemon({
      config,
      workers: args.workers ?? config.workers ?? defaultWorkers(),
      steering: args.steering ?? config.steering ?? 'rps',
      taps: args.taps,
      demo: scene,
      pin: args.pin || config.pin === true,
      debug: args.debug,
      state: args.state ?? null,
      files: filesFolder(config, args.configFile),
      log,
      hostApp: HOST_APP,
      hostApi: HOST_API,
    })
    // what the start left behind is given back; the engine's own threads for that begin here, and not with what is kept below
    Bun.gc(true)
    Bun.shrink()
    if (args.pidFile !== undefined) writePidFile(args.pidFile)
    if (args.user !== undefined) await goOnAs(args.user)
    api.serve(createDaemonApp(api, config.api ?? {}, daemon, args, { log, tellChange }))
    const running: Running = { config, daemon, log, notify, tellChange }
    hangUp(() => {
      if (args.configFile === undefined) log('warning', 'SIGHUP: there is no file to reload (-c)')
      else void reload(args.configFile, running)
    })
    const end = untilEnd(args, daemon)
    announce(api, daemon, args, cli, scene !== null)
    notify(`READY=1\nMAINPID=${process.pid}`)
    log('info', 'ready', { pid: process.pid, version: VERSION })
    const failure = await Promise.race([signalled, end])
    if (failure !== null) throw new Refused(`softnet: ${failure}`)
    return 0
  } finally {
    notify('STOPPING=1')
    log('info', 'stopping')
    await api.close()
    await daemon?.stop()
    if (args.pidFile !== undefined) removePidFile(args.pidFile)
  }
}

export const runDaemon = async (
  startDaemon: StartDaemon,
  args: DaemonArgs,
  cli: Cli,
  scene: Scene | null
): Promise<number> => {
  const config = args.configFile === undefined ? {} : readConfig(args.configFile)
  try {
    const api = await openApi(args.api, config.api ?? {}, cli.env)
    return await runOn(api, { startDaemon, config, args, cli, scene })
  } catch (error) {
    if (error instanceof ListenError) throw new Refused(`softnet: ${error.message}`)
    throw error
  }
}
