/**
 * A link kind of the operating system: like core's soft ones (core/dev/kinds/link-kind.ts), but control's half is given what
 * the daemon has besides the arena. workers/kinds.ts lists them.
 */
import type { KindEnv, LinkKind, LinkOps } from '../../core/dev/kinds/link-kind.ts'
import type { Log } from '../log.ts'
import type { Namespace, NamespaceOptions } from '../os/netns.ts'

export type HostEnv = {
  /** Workers that read a queue of each new device themselves; null: the nic thread reads its only one. */
  queues: number | null
  /** Network namespaces of the kernel that the daemon holds, by name. */
  namespaces: ReadonlyMap<string, Namespace>
  /** Makes another, which is among them until it is closed. */
  openNamespace: (options: NamespaceOptions) => Promise<Namespace>
  /** The folder in which files lie that a link names; null: none may be named. */
  files: string | null
  /** Hears what there is to say. */
  log: Log
}
export type HostKind<Name extends string = string> = Omit<LinkKind<Name>, 'linkOps'> & {
  readonly linkOps: (env: KindEnv & HostEnv) => LinkOps
}
