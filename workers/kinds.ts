/**
 * The link kinds of the daemon: core's soft ones, and those of the operating system. To add one of these is to write its
 * files in devices/ and drivers/ and its line here. Every thread takes its half from this one list: control on the main
 * thread (kindsOf), stacks on the workers, the nic thread.
 */
import { kindNumbers, softKindsOf } from '../core/dev/kinds/kinds.ts'
import type { LinkKind, PathKind } from '../core/dev/kinds/link-kind.ts'
import type { Far } from '../core/dev/kinds/veth.ts'
import type { HostEnv } from './devices/host-kind.ts'
import { packet } from './devices/packet.ts'
import { pcap } from './devices/pcap.ts'
import { tap } from './devices/tap.ts'
import { PORT_FAR } from './netns/port-far.ts'

const HOST_KINDS = [tap, packet, pcap] as const
const noNets: Far['nets'] = () => {
  throw new Error('a path has no control')
}
const ALL = [...softKindsOf({ nets: noNets, ...PORT_FAR }), ...HOST_KINDS] as const

/** The path's halves. */
export const KINDS: readonly PathKind[] = ALL
/** DEV_KIND of each. */
export const DevKind = kindNumbers(ALL)

/** With control's halves, for a daemon that has these, and namespaces that a veth can lead to. */
export const kindsOf = (host: HostEnv, far: Far | null = null): readonly LinkKind[] => [
  ...softKindsOf(far),
  ...HOST_KINDS.map((kind) => ({
    ...kind,
    linkOps: (env: Parameters<LinkKind['linkOps']>[0]) => kind.linkOps({ ...env, ...host }),
  })),
]
