/** What the endpoints need: the control plane, and the few things only the daemon knows. */
import type { Env, Hono } from 'hono'
import type { Control, StackConfig } from '../../core/control/text/messages.ts'
import type { Log } from '../../workers/log.ts'
import type { Scope } from '../schemas/config.ts'

export type BodyLimits = { readonly maxBytes: number; readonly withinMs: number }

/** A network namespace whose only way out is this daemon: one of the kernel, with the process that holds it, or one of the daemon's own. */
export type NetnsItem = {
  readonly name: string
  /** Its number in the default net (RTM_NEWNSID), when that has spoken of it. */
  readonly id?: number
  readonly pid?: number
  readonly addresses?: readonly string[]
}

type NetnsCall = {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The answer does not end by itself. */
  readonly isStream: boolean
}
/** What there is of an answer that goes on, as soon as there is something; null: that was all. */
export type Pieces = {
  readonly next: () => Promise<Uint8Array | null>
  readonly cancel: () => void
}
type NetnsAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Pieces
}

export type AppDeps = {
  readonly control: Control
  readonly version: string
  /** Bearer token with every scope. */
  readonly token?: string
  readonly tokens?: readonly { readonly token: string; readonly scope: Scope }[]
  /** What opens a change to somebody who may only look, for the refusal. */
  readonly howToChange?: string
  readonly bodyLimits?: BodyLimits
  readonly netns?: () => readonly NetnsItem[]
  /** Passes a request on to a namespace of the daemon's. */
  readonly askNetns?: (call: NetnsCall) => Promise<NetnsAnswer>
  /** Writes the state into the file that the daemon was started with; its name. */
  readonly saveConfig?: (state: StackConfig) => string
  /** null when ready; else what is still missing. */
  readonly notReady?: () => string | null
  /** Hears of each change, and of each that was refused (audit.ts). */
  readonly tellChange?: (line: AuditLine) => void
  /** Hears what there is to say: of errors that are ours, and of each request. */
  readonly log?: Log
  /** Adds endpoints that break things on purpose. */
  readonly debug?: boolean
  /** Makes a worker throw at its next turn; false when there is no such worker. For debug alone. */
  readonly throwInWorker?: (worker: number) => boolean
}

/** Where a request came in: the owner's socket, an address of this machine alone, one that others reach. */
export type ListenerKind = 'unix' | 'loopback' | 'network'

/** What is told of a change (audit.ts). */
export type AuditLine = {
  time: string
  /** The listener that it came by: unix, loopback, network; and whether with a token. */
  by: string
  token: boolean
  method: string
  /** With its query. */
  path: string
  status: number
  revision: number
}

/** What the server tells the app about a request. */
export type ServerBindings = {
  readonly listener?: ListenerKind
  /** The connection stays though nothing goes over it, until what is returned is called. */
  readonly keep?: () => () => void
}

export interface ApiEnv extends Env {
  Bindings: ServerBindings
}
export type Api = Hono<ApiEnv>
