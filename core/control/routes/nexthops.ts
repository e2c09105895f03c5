/**
 * RTM_*NEXTHOP: what the kernel checks of a nexthop object before it takes it, in its order and its words, and what a change
 * of one does to groups and routes: they follow it, at once. Control thread. Linux: net/ipv4/nexthop.c (rtm_to_nh_config,
 * nexthop_add, insert_nexthop, replace_nexthop, remove_nexthop, nh_netdev_event).
 */
import { Errno } from '../../base/errno.ts'
import { RTN_UNICAST } from '../../base/flowi.ts'
import { isUp } from '../../inet/fib/multipath/multipath.ts'
import { LOOPBACK_IFINDEX } from '../../inet/fib/nexthop-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import type { Outcome, Refused } from '../rtnl/answers.ts'
import { changed, chunks, isRefused, refuse, told } from '../rtnl/answers.ts'
import type { Links } from '../links/links.ts'
import type { Bucket, NexthopBuckets } from './nexthop-buckets.ts'
import { isResilient } from './nexthop-buckets.ts'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../nlm-flags.ts'
import type { NexthopObject, NexthopStore, SeenNexthop, WantedNexthop } from './nexthop-store.ts'
import { scopeFault } from './nexthop-store.ts'
import type { Rib } from '../rib/rib.ts'
import type { RibRoute } from '../rib/rib-route.ts'
import type { Notes } from '../rtnl/notes.ts'
import type { Routes } from './routes.ts'
import type { BucketFilter, MessageOf, NexthopFilter } from '../rtnetlink.ts'

/** As many objects as there may be: each is asked at every change of a device. */
const MAX_OBJECTS = 65_536

type NexthopsDeps = {
  arena: Arena
  objects: NexthopStore
  buckets: NexthopBuckets
  rib: Pick<Rib, 'usersOf' | 'turnOver' | 'tellOf' | 'flushBy'>
  onEvent: (event: 'new' | 'del', one: SeenNexthop) => void
} & Pick<Links, 'isDevice' | 'hasCarrier'> &
  Pick<Notes, 'isWatched'> &
  Pick<Routes, 'check'>

const invalid = (words: string, field: string): Refused => refuse(Errno.EINVAL, words, field)

export const createNexthopObjects = (deps: NexthopsDeps) => {
  const { arena, objects, buckets, rib, check, isDevice, hasCarrier, isWatched } = deps
  let count = 0
  let lastId = 0
  /** Are routes told of and shown as if they named no object, but what it says? */
  const isCompatible = (): boolean =>
    arena.i32[arena.layout.sysctl + Sysctl.nexthop_compat_mode] !== 0

  const seen = (one: NexthopObject): SeenNexthop =>
    one.resilient === null ? one : { ...one, unbalancedTimeMs: buckets.unbalancedMs(one.id) }
  const onEvent = (event: 'new' | 'del', one: NexthopObject): void => deps.onEvent(event, seen(one))

  // ---- what is asked for

  const checkGroup = (wanted: WantedNexthop, members: NonNullable<NexthopObject['members']>) => {
    const wrong = (words: string): Refused => invalid(words, 'group')
    if (wanted.family !== 0) return wrong('Invalid family for group')
    for (const [k, { id }] of members.entries())
      if (members.findIndex((other) => other.id === id) !== k)
        return wrong('Nexthop id can not be used twice in a group')
    for (const { id } of members) {
      const member = objects.get(id)
      if (member === undefined) return wrong('Invalid nexthop id')
      if (member.members !== null)
        return wrong(
          `${member.resilient === null ? 'Hash-threshold' : 'Resilient'} group can not be a nexthop within a group`
        )
      if (member.isBlackhole && members.length > 1)
        return wrong('Blackhole nexthop can not be used in a group with more than 1 path')
    }
    return wanted.resilient?.buckets === 0
      ? invalid('Number of buckets needs to be non-0', 'resilient_args.buckets')
      : wanted
  }
  const checkOne = (wanted: WantedNexthop): WantedNexthop | Refused => {
    const { family, dev, gateway, flags, isBlackhole } = wanted
    if (isBlackhole)
      return dev === 0 && gateway === null
        ? { ...wanted, dev: LOOPBACK_IFINDEX }
        : invalid(
            'Blackhole attribute can not be used with gateway, oif, encap or fdb',
            'blackhole'
          )
    if (family === 0) return invalid('Invalid address family', 'dev')
    if (dev === 0)
      return invalid('Device attribute required for non-blackhole and non-fdb nexthops', 'dev')
    if (!isDevice(dev)) return invalid('Invalid device index', 'dev')
    if (!isUp(arena, dev)) return refuse(Errno.ENETDOWN, 'Nexthop device is not up', 'dev')
    if (!hasCarrier(dev)) return refuse(Errno.ENETDOWN, 'Carrier for nexthop device is down', 'dev')
    const found = check({ ...BARE, family, dev, gateway, flags })
    return isRefused(found) ? found : wanted
  }
  const checked = (wanted: WantedNexthop): WantedNexthop | Refused =>
    wanted.members === null ? checkOne(wanted) : checkGroup(wanted, wanted.members)

  /** The next id that nobody has. */
  const freeId = (): number => {
    do lastId = (lastId + 1) >>> 0 || 1
    while (objects.get(lastId) !== undefined)
    return lastId
  }

  // ---- what a change of one does to others

  /** May `after` be in the place of `before`? Null: it may. */
  const replaceFault = (before: NexthopObject, after: WantedNexthop): Refused | null => {
    const groups = objects.groupsWith(before.id)
    const users = [before, ...groups].flatMap(({ id }) => rib.usersOf(id))
    const parts = objects.partsOf(after)
    for (const { family, scope } of users) {
      const fault = scopeFault(family, scope, after, parts)
      if (fault !== null) return invalid(fault, 'id')
    }
    if (before.members !== null && after.members === null)
      return invalid('Can not replace a nexthop group with a nexthop', 'id')
    if (before.members === null && after.members !== null)
      return invalid('Can not replace a nexthop with a nexthop group', 'id')
    if (after.isBlackhole && groups.some(({ members }) => members!.length > 1))
      return invalid(
        'Blackhole nexthop can not be a member of a group with more than one path',
        'blackhole'
      )
    if ((before.resilient === null) !== (after.resilient === null))
      return invalid('Can not replace a nexthop group with one of a different type', 'type')
    if ((after.resilient?.buckets ?? before.resilient?.buckets) !== before.resilient?.buckets)
      return invalid(
        'Can not change number of buckets of a resilient nexthop group',
        'resilient_args.buckets'
      )
    return null
  }
  /** Puts these in force together, with all routes by them and by the groups that have them; or nothing. */
  const put = (changes: readonly NexthopObject[], also: readonly number[] = []): boolean => {
    const before = changes.map(({ id }) => objects.get(id))
    for (const one of changes) objects.set(one)
    if (rib.turnOver([...changes.map(({ id }) => id), ...also])) {
      for (const one of changes) if (isResilient(one)) buckets.replace(one)
      return true
    }
    for (const [k, old] of before.entries())
      if (old === undefined) objects.delete(changes[k].id)
      else objects.set(old)
    return false
  }
  const noRoom = (): Refused => refuse(Errno.ENOBUFS, 'There is no room for more next hops')

  const replace = (before: NexthopObject, wanted: WantedNexthop): Outcome<SeenNexthop> => {
    const fault = replaceFault(before, wanted)
    if (fault !== null) return fault
    const after = {
      ...wanted,
      resilient: before.resilient && { ...before.resilient, ...wanted.resilient },
    }
    const groups = objects.groupsWith(after.id).map(({ id }) => id)
    if (!put([after], groups)) return noRoom()
    onEvent('new', after)
    if (isWatched('route') && isCompatible()) rib.tellOf([after.id, ...groups])
    return changed(seen(after))
  }

  /** With it go its routes, and the groups of which it was the last with theirs. */
  const remove = (one: NexthopObject): boolean => {
    const groups = objects.groupsWith(one.id)
    const emptied = groups.filter(({ members }) => members!.length === 1)
    const shrunk = groups
      .filter((group) => !emptied.includes(group))
      .map((group) => ({ ...group, members: group.members!.filter(({ id }) => id !== one.id) }))
    if (!put(shrunk)) return false
    const gone = [one, ...emptied]
    for (const { id } of gone) rib.flushBy(id, isCompatible())
    onEvent('del', one)
    for (const group of shrunk) onEvent('new', group)
    for (const group of emptied) onEvent('del', group)
    for (const { id } of gone) {
      objects.delete(id)
      buckets.remove(id)
    }
    count -= gone.length
    return true
  }

  // ---- requests

  /** With its buckets, if it is to have some. */
  const made = (wanted: WantedNexthop): NexthopObject | Refused => {
    const { id, members, resilient } = wanted
    if (members === null || resilient === null) return { ...wanted, resilient: null }
    if (resilient.buckets === undefined)
      return invalid(
        'Number of buckets not specified for nexthop group insertion',
        'resilient_args.buckets'
      )
    const given = buckets.add(id, members, { ...resilient, buckets: resilient.buckets })
    return given === null
      ? refuse(Errno.ENOBUFS, 'There is no room for more buckets', 'resilient_args.buckets')
      : { ...wanted, resilient: given }
  }
  const newNexthop = ({ nexthop, flags }: MessageOf<'RTM_NEWNEXTHOP'>): Outcome<SeenNexthop> => {
    const wanted = checked(nexthop)
    if (isRefused(wanted)) return wanted
    if (wanted.id === 0 && (flags & NLM_F_REPLACE) !== 0)
      return invalid('Replace requires nexthop id', 'id')
    const one = wanted.id === 0 ? { ...wanted, id: freeId() } : wanted
    const known = objects.get(one.id)
    if (known !== undefined)
      return (flags & NLM_F_EXCL) !== 0 || (flags & NLM_F_REPLACE) === 0
        ? refuse(Errno.EEXIST, null, 'id')
        : replace(known, one)
    if ((flags & NLM_F_CREATE) === 0) return refuse(Errno.ENOENT, 'Nexthop id does not exist', 'id')
    if (count >= MAX_OBJECTS) return noRoom()
    const object = made(one)
    if (isRefused(object)) return object
    objects.set(object)
    count++
    onEvent('new', object)
    return changed(seen(object))
  }
  const found = (id: number): NexthopObject | Refused =>
    id === 0
      ? invalid('Invalid nexthop id', 'id')
      : (objects.get(id) ?? refuse(Errno.ENOENT, null, 'id'))
  const delNexthop = ({ id }: MessageOf<'RTM_DELNEXTHOP'>): Outcome<SeenNexthop> => {
    const one = found(id)
    if (isRefused(one)) return one
    const last = seen(one)
    return remove(one) ? changed(last) : noRoom()
  }
  const getNexthop = ({ id }: MessageOf<'RTM_GETNEXTHOP'>): Outcome<SeenNexthop> => {
    const one = found(id)
    return isRefused(one) ? one : told(seen(one))
  }
  const dump = ({ family, id, dev, groups, protocol }: NexthopFilter = { family: 0 }) =>
    chunks(
      objects
        .list()
        .filter(
          (one) =>
            (family === 0 || one.family === family) &&
            (id === undefined || one.id === id) &&
            (dev === undefined || (one.members === null && one.dev === dev)) &&
            (protocol === undefined || one.protocol === protocol) &&
            (groups !== true || one.members !== null)
        )
        .map(seen)
    )

  // ---- buckets of resilient groups

  const foundResilient = (id: number): NexthopObject | Refused => {
    const one = found(id)
    if (isRefused(one)) return one
    if (one.members === null) return invalid('Not a nexthop group', 'id')
    return isResilient(one) ? one : invalid('Nexthop group not of type resilient', 'id')
  }
  const getBucket = ({ id, index }: MessageOf<'RTM_GETNEXTHOPBUCKET'>): Outcome<Bucket> => {
    const one = foundResilient(id)
    if (isRefused(one)) return one
    const bucket = buckets.bucketsOf(id)[index]
    return bucket === undefined
      ? refuse(Errno.ENOENT, 'Bucket index out of bounds', 'index')
      : told(bucket)
  }
  const dumpBuckets = (filter: BucketFilter = { family: 0 }): Iterable<Bucket[]> | Refused => {
    const { family, id, dev, nhid } = filter
    const one = id === undefined ? null : foundResilient(id)
    if (one !== null && isRefused(one)) return one
    const isWanted = (bucket: Bucket): boolean => {
      const member = objects.get(bucket.nhid)!
      return (
        (nhid === undefined || bucket.nhid === nhid) &&
        (family === 0 || member.family === family) &&
        (dev === undefined || member.dev === dev)
      )
    }
    const groups = one === null ? objects.list().filter(isResilient) : [one]
    return chunks(groups.flatMap((group) => buckets.bucketsOf(group.id)).filter(isWanted))
  }

  /** Those go whose device is down, has no carrier or is no more. */
  const devicesChanged = (): void => {
    for (const one of objects.list()) {
      const { id, dev, members, isBlackhole } = one
      if (members !== null || isBlackhole || objects.get(id) === undefined) continue
      if ((isUp(arena, dev) && hasCarrier(dev)) || remove(one)) continue
      // no room for what the groups would go by without it
      for (const group of objects.groupsWith(id)) rib.flushBy(group.id, isCompatible())
      remove(one)
    }
  }
  return { newNexthop, delNexthop, getNexthop, dump, getBucket, dumpBuckets, devicesChanged }
}

/** What a next hop that is checked by itself has of a route. */
const BARE: Omit<RibRoute, 'family' | 'dev' | 'gateway' | 'flags'> = {
  table: 0,
  words: [0, 0, 0, 0],
  plen: 0,
  tos: 0,
  metric: 0,
  type: RTN_UNICAST,
  protocol: 0,
  scope: 0,
  prefsrc: null,
  metrics: null,
}
