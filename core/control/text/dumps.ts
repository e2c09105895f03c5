/** Lists: what a filter says in numbers, and each item in words. */
import * as answers from '../rtnl/answers.ts'
import { chunks } from '../rtnl/answers.ts'
import type { ControlPlane } from '../control.ts'
import type * as numbers from '../rtnetlink.ts'
import { readAddressFilter, writeAddresses } from './addr.ts'
import { readIfname } from './codecs.ts'
import { writeLink } from './link.ts'
import { writeMaddr } from './maddr.ts'
import { writeMroute, writeMvif } from './mroute.ts'
import type { AddressItem, DumpItem, DumpOf, DumpType, LinkItem, Refused } from './messages.ts'
import { writeDrops } from './drops.ts'
import { explain, familyNumber, isRefused } from './names.ts'
import { readNeighFilter, writeNeigh } from './neigh.ts'
import { readBucketFilter, readNexthopFilter, writeBucket, writeNexthop } from './nexthop.ts'
import { readRouteFilter, writeRoute } from './route.ts'
import { writeRule } from './rule.ts'
import { readSockFilter, writeFlow, writeSock } from './sock.ts'

type Plane = Pick<ControlPlane, 'dump' | 'ifindexOf' | 'nameOf'>

/** A dump that is never refused. */
export const plainDump = <T extends numbers.DumpType>(
  plane: Plane,
  request: numbers.DumpOf<T>
): Iterable<numbers.DumpItem<T>[]> => {
  const dumped = plane.dump(request)
  if (answers.isRefused(dumped)) throw new Error(`${request.type} was refused`)
  return dumped
}

function* mapChunks<In, Out>(from: Iterable<In[]>, write: (item: In) => Out): Generator<Out[]> {
  for (const chunk of from) yield chunk.map(write)
}

export const createDumps = (plane: Plane) => {
  const linksNow = (): Map<number, LinkItem> =>
    new Map(
      [...plainDump(plane, { type: 'RTM_GETLINK' })]
        .flat()
        .map((link) => [link.ifindex, writeLink(link, plane.nameOf)])
    )
  /** Links with their addresses; a filter leaves out addresses, and links that then have none. */
  const addresses = (filter: numbers.AddressFilter): Iterable<AddressItem[]> => {
    const { ifindex, ...rest } = filter
    const isFiltered = Object.keys(rest).length > 0
    const all = [...plainDump(plane, { type: 'RTM_GETADDR', filter })].flat()
    const items = [...linksNow().values()]
      .filter((link) => ifindex === undefined || link.ifindex === ifindex)
      .map((link) =>
        writeAddresses(
          link,
          all.filter((at) => at.ifindex === link.ifindex)
        )
      )
    return chunks(items.filter(({ addr_info }) => !isFiltered || addr_info.length > 0))
  }
  type Dumped<T extends DumpType> = Iterable<DumpItem<T>[]> | Refused
  const dumps: { [T in DumpType]: (filter: NonNullable<DumpOf<T>['filter']>) => Dumped<T> } = {
    RTM_GETROUTE: (filter) => {
      const wanted = readRouteFilter(filter, plane)
      if (isRefused(wanted)) return wanted
      const routes = plane.dump({ type: 'RTM_GETROUTE', filter: wanted })
      return answers.isRefused(routes)
        ? explain(routes)
        : mapChunks(routes, (one) => writeRoute(one, plane))
    },
    RTM_GETLINK: ({ ifname, kind, up, master }) => {
      const ifindex = ifname === undefined ? {} : readIfname(ifname, plane)
      if (isRefused(ifindex)) return ifindex
      const of = master === undefined ? undefined : readIfname(master, plane)
      if (isRefused(of)) return { ...of, field: 'master' }
      const wanted = {
        ...ifindex,
        ...(kind && { kind }),
        ...(up !== undefined && { isUp: up }),
        ...(of && { master: of.ifindex }),
      }
      const links = plainDump(plane, { type: 'RTM_GETLINK', filter: wanted })
      return mapChunks(links, (link) => writeLink(link, plane.nameOf))
    },
    RTM_GETADDR: (filter) => {
      const wanted = readAddressFilter(filter, plane)
      return isRefused(wanted) ? wanted : addresses(wanted)
    },
    RTM_GETNEIGH: (filter) => {
      const wanted = readNeighFilter(filter, plane)
      if (isRefused(wanted)) return wanted
      const neighs = plainDump(plane, { type: 'RTM_GETNEIGH', filter: wanted })
      return mapChunks(neighs, (neigh) => writeNeigh(neigh, plane))
    },
    RTM_GETMULTICAST: ({ dev, family }) => {
      const ifindex = dev === undefined ? {} : readIfname(dev, plane)
      if (isRefused(ifindex)) return ifindex
      const wanted = family === undefined ? undefined : familyNumber(family)
      const maddrs = plainDump(plane, { type: 'RTM_GETMULTICAST', filter: ifindex })
      return mapChunks(maddrs, (one) => writeMaddr(one, plane, wanted))
    },
    RTM_GETMROUTE: ({ family }) => {
      const filter = family === undefined ? {} : { family: familyNumber(family) }
      return mapChunks(plainDump(plane, { type: 'RTM_GETMROUTE', filter }), (one) =>
        writeMroute(one, plane)
      )
    },
    MVIF: ({ family }) => {
      const filter = family === undefined ? {} : { family: familyNumber(family) }
      return mapChunks(plainDump(plane, { type: 'MVIF', filter }), (one) => writeMvif(one, plane))
    },
    RTM_GETRULE: ({ family }) => {
      const wanted = family === undefined ? 0 : familyNumber(family)
      const rules = plainDump(plane, { type: 'RTM_GETRULE', filter: { family: wanted } })
      return mapChunks(rules, (rule) => writeRule(rule, plane.ifindexOf))
    },
    RTM_GETNEXTHOP: (filter) => {
      const wanted = readNexthopFilter(filter, plane)
      if (isRefused(wanted)) return wanted
      return mapChunks(plainDump(plane, { type: 'RTM_GETNEXTHOP', filter: wanted }), (one) =>
        writeNexthop(one, plane)
      )
    },
    RTM_GETNEXTHOPBUCKET: (filter) => {
      const wanted = readBucketFilter(filter, plane)
      if (isRefused(wanted)) return wanted
      const buckets = plane.dump({ type: 'RTM_GETNEXTHOPBUCKET', filter: wanted })
      return answers.isRefused(buckets) ? explain(buckets) : mapChunks(buckets, writeBucket)
    },
    SOCK_DIAG: (filter) => {
      const wanted = readSockFilter(filter)
      if (isRefused(wanted)) return wanted
      const socks = plainDump(plane, { type: 'SOCK_DIAG', filter: wanted })
      return mapChunks(socks, (sock) => writeSock(sock, plane.nameOf))
    },
    SYSCTL: (filter) => plainDump(plane, { type: 'SYSCTL', filter }),
    WORKER: () => plainDump(plane, { type: 'WORKER' }),
    DROPS: () =>
      mapChunks(plainDump(plane, { type: 'DROPS' }), (one) => writeDrops(one, plane.nameOf)),
    FLOWS: (filter) =>
      mapChunks(plainDump(plane, { type: 'FLOWS', filter }), (flow) =>
        writeFlow(flow, plane.nameOf)
      ),
    NETNS: (filter) => plainDump(plane, { type: 'NETNS', filter }),
    SKBS: () => plainDump(plane, { type: 'SKBS' }),
  }
  const dump = <T extends DumpType>({ type, filter = {} }: DumpOf<T>): Dumped<T> =>
    dumps[type](filter as never)
  return dump
}
