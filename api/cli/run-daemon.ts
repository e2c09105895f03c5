/**
 * Runs the daemon in the foreground: the stack (workers/daemon.ts), the API over its control plane, and what a process
 * owes its caller: where the API is, readiness, a pid file, clean ends. Main thread; from `softnet up` and `demo`.
 */
import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { createApp } from '../app.ts'
import type { Daemon, StartDaemon } from '../daemon-options.ts'
import { type Config, stackPart } from '../schemas/config.ts'
import { ListenError, type Listener, listen } from '../server.ts'
import type { Cli } from './cli.ts'
import { Refused } from './cli.ts'
import { type DaemonArgs, readConfig } from './daemon-args.ts'
import { defaultListen } from './endpoint.ts'
import { tellReady, writePidFile } from './files.ts'
import { VERSION } from './version.ts'

const HOST_APP = fileURLToPath(new URL('../host-app.ts', import.meta.url))

/** Two at least, so that there is something to steer; beside them stand the threads of the devices and of control. */
const defaultWorkers = (): number => Math.max(2, Math.min(4, availableParallelism() - 1))

const reload = async (file: string, daemon: Daemon, cli: Cli): Promise<void> => {
  try {
    const reply = await daemon.control.request({
      type: 'CONFIG_SET',
      config: stackPart(readConfig(file, true)),
    })
    if (reply.error !== 0) cli.err(`softnet: reload: ${(reply as { message: string }).message}\n`)
    else cli.err(`softnet: reloaded ${file}, revision ${daemon.control.revision()}\n`)
  } catch (error) {
    cli.err(`${(error as Error).message}\n`)
  }
}

/** Resolves with why the daemon ends: a signal, its time, or a failure. */
const untilEnd = (args: DaemonArgs, daemon: Daemon, cli: Cli): Promise<string | null> =>
  new Promise((resolve) => {
    process.on('SIGINT', () => resolve(null))
    process.on('SIGTERM', () => resolve(null))
    process.on('SIGHUP', () => {
      if (args.configFile === undefined)
        cli.err('softnet: SIGHUP: there is no file to reload (-c)\n')
      else void reload(args.configFile, daemon, cli)
    })
    if (args.durationSec !== undefined) setTimeout(() => resolve(null), args.durationSec * 1000)
    void daemon.failed.then(resolve)
  })

const openApi = async (
  args: DaemonArgs,
  config: Config,
  daemon: Daemon,
  cli: Cli
): Promise<Listener[]> => {
  const { token, tokens } = config.api ?? {}
  const app = createApp({
    control: daemon.control,
    version: VERSION,
    ...(token !== undefined && { token }),
    ...(tokens !== undefined && { tokens }),
    netns: daemon.netns,
    notReady: daemon.notReady,
    debug: args.debug,
    throwInWorker: daemon.throwInWorker,
  })
  const addresses =
    args.api.length > 0
      ? args.api
      : (config.api?.listen ?? defaultListen(cli.env, process.getuid?.() ?? 0))
  return listen({ app, addresses, hasToken: token !== undefined || (tokens?.length ?? 0) > 0 })
}

const announce = (
  listeners: readonly Listener[],
  daemon: Daemon,
  args: DaemonArgs,
  cli: Cli
): void => {
  const dashboard = listeners.find((listener) => listener.address.startsWith('http'))
  for (const { address } of listeners)
    cli.out(`softnet: API at ${address}${address === dashboard?.address ? '/' : ''}\n`)
  for (const hint of daemon.hints) cli.out(`${hint}\n`)
  if (args.readyFd !== undefined) {
    tellReady(args.readyFd, `${listeners.map(({ address }) => address).join(' ')}\n`)
  }
}

export const runDaemon = async (
  startDaemon: StartDaemon,
  args: DaemonArgs,
  cli: Cli,
  demo: boolean
): Promise<number> => {
  const config = args.configFile === undefined ? {} : readConfig(args.configFile)
  const daemon = await startDaemon({
    config,
    workers: args.workers ?? config.workers ?? defaultWorkers(),
    steering: args.steering ?? config.steering ?? 'rps',
    taps: args.taps,
    demo,
    pin: args.pin || config.pin === true,
    debug: args.debug,
    hostApp: HOST_APP,
  })
  let listeners: Listener[] = []
  try {
    listeners = await openApi(args, config, daemon, cli)
    if (args.pidFile !== undefined) writePidFile(args.pidFile)
    const end = untilEnd(args, daemon, cli)
    announce(listeners, daemon, args, cli)
    const failure = await end
    if (failure !== null) throw new Refused(`softnet: ${failure}`)
    return 0
  } catch (error) {
    if (error instanceof ListenError) throw new Refused(`softnet: ${error.message}`)
    throw error
  } finally {
    await Promise.all(listeners.map((listener) => listener.stop()))
    await daemon.stop()
    if (args.pidFile !== undefined) rmSync(args.pidFile, { force: true })
  }
}
