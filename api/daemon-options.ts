/**
 * What the command line asks of the daemon (workers/daemon.ts) and what it gets back. workers/ knows no api, so the daemon
 * is the stack and its threads alone: the HTTP API over its `control`, signals, pid file and readiness are
 * api/cli/run-daemon.ts's. Types only; workers/daemon.ts may import them.
 */
import type { Control } from '../core/control/text/messages.ts'
import type { Log } from '../workers/log.ts'
import type { AppDeps, NetnsItem } from './endpoints/deps.ts'
import type { Config } from './schemas/config.ts'
import type { Scene } from './schemas/scene.ts'

export type TapOption = {
  readonly name: string
  /** ADDR/LEN of the router's side of the tap. */
  readonly address?: string
}

export type DaemonOptions = {
  /** The TOML file's content, checked; {} when there is none. */
  readonly config: Config
  readonly workers: number
  readonly steering: 'rps' | 'multiqueue'
  readonly taps: readonly TapOption[]
  /** Hosts and traffic of the demo; null: none. */
  readonly demo: Scene | null
  /** Pins worker i to CPU i. */
  readonly pin: boolean
  /** Workers take the order to throw. */
  readonly debug: boolean
  /** Folder in which changes are kept before they are answered; null: they are not. */
  readonly state: string | null
  /** Absolute path of the folder in which links record and replay; null: none. */
  readonly files: string | null
  /** Hears what there is to say. */
  readonly log: Log
  /** Address of the module that exports createHostApp: threads load it themselves; null: no web servers. */
  readonly hostApp: string | null
  /** Address of the module that exports createHostApi, the API of a namespace; null: nobody asks. */
  readonly hostApi: string | null
}

export type Daemon = {
  readonly control: Control
  readonly netns: () => readonly NetnsItem[]
  readonly askNetns: NonNullable<AppDeps['askNetns']>
  /** null when every thread runs; else what is missing. */
  readonly notReady: () => string | null
  readonly throwInWorker: (worker: number) => boolean
  /** Lines for the user, under the API's address: commands to try, what could not be set up. */
  readonly hints: readonly string[]
  /** Resolves when the daemon cannot go on, with the reason. */
  readonly failed: Promise<string>
  readonly stop: () => Promise<void>
}

export type StartDaemon = (options: DaemonOptions) => Promise<Daemon>
