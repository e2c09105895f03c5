/** What there is of each kind that can be watched, and which device an item is about. */
import type {
  Control,
  DumpOf,
  DumpType,
  Notification,
  WatchKind,
} from '../../core/control/text/messages.ts'
import { dumpOf } from './change.ts'

/** Of a kind that is watched, one of its items. */
type Watched = Notification extends infer One
  ? One extends Notification
    ? Pick<One, 'kind' | 'item'>
    : never
  : never

/** Is it about this device? Without one, everything is. */
export const concerns = ({ kind, item }: Watched, dev: string | undefined): boolean => {
  if (dev === undefined) return true
  switch (kind) {
    case 'route':
      return [item, ...(item.nexthops ?? [])].some((hop) => hop.dev === dev)
    case 'rule':
      return item.iif === dev || item.oif === dev
    case 'link':
    case 'address':
      return item.ifname === dev
    case 'nexthop':
    case 'neigh':
    case 'socket':
      return item.dev === dev
    case 'drop':
      return item.devices.some((one) => one.dev === dev)
    case 'nexthop_bucket':
    case 'netns':
    case 'worker':
      return false
  }
}

const DUMPS: Readonly<Record<WatchKind, DumpOf<DumpType>>> = {
  route: { type: 'RTM_GETROUTE', filter: { table: 'all' } },
  rule: { type: 'RTM_GETRULE' },
  nexthop: { type: 'RTM_GETNEXTHOP' },
  nexthop_bucket: { type: 'RTM_GETNEXTHOPBUCKET' },
  neigh: { type: 'RTM_GETNEIGH' },
  link: { type: 'RTM_GETLINK' },
  address: { type: 'RTM_GETADDR' },
  netns: { type: 'NETNS' },
  socket: { type: 'SOCK_DIAG' },
  worker: { type: 'WORKER' },
  drop: { type: 'DROPS' },
}

/** What there is of a kind about this device, piece by piece. */
export function* present(
  control: Control,
  kind: WatchKind,
  dev: string | undefined
): Generator<object[]> {
  for (const items of dumpOf(control, DUMPS[kind])) {
    const wanted = items.filter((item) => concerns({ kind, item } as Watched, dev))
    if (wanted.length > 0) yield wanted
  }
}
