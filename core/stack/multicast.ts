/**
 * Multicast of a stack: what its sockets have joined; and on CPU 0 the groups of all devices that come of it, who speaks of
 * them on the links (IGMP and MLD), and the routes that follow from what others say.
 */
import { AF_INET, AF_INET6, familyOf, V4_MAPPED } from '../base/family.ts'
import { createFlowi, FL_DADDR, FL_SADDR } from '../base/flowi.ts'
import { TIMER_WORDS } from '../base/timer-wheel.ts'
import { byFamily } from '../inet/af-ops.ts'
import { MC_CPU } from '../inet/mc/mc-constants.ts'
import { createMcGroups } from '../inet/mc/mc-groups.ts'
import { createMcHost } from '../inet/mc/mc-host.ts'
import { createMcMembers } from '../inet/mc/mc-members.ts'
import { createMcProxy } from '../inet/mc/mc-proxy.ts'
import { createMcQuerier } from '../inet/mc/mc-querier.ts'
import type { McWire } from '../inet/mc/mc-records.ts'
import { createForcedVersion } from '../inet/mc/mc-version.ts'
import { MFC_FOUND } from '../inet/mc/mfc-constants.ts'
import { createMfcWriter } from '../inet/mc/mfc-table.ts'
import { RT_SCOPE_LINK } from '../inet/fib/nexthop-constants.ts'
import { createSourceSelection } from '../inet/addr/source.ts'
import { createIgmp } from '../ipv4/igmp.ts'
import { Ipi } from '../shm/ipi.ts'
import type { Words } from '../wire/text.ts'
import type { createIpv4 } from './ipv4.ts'
import type { createIpv6 } from './ipv6.ts'
import type { Machine } from './machine.ts'
import type { Routing } from './routing.ts'

type MulticastDeps = {
  machine: Machine
  routing: Routing
  ipv4: ReturnType<typeof createIpv4>
  ipv6: ReturnType<typeof createIpv6>
}

const familyOfWords = (words: Words): number => familyOf(Int32Array.from(words), 0)

export const createMulticast = (deps: MulticastDeps) => {
  const { machine, routing, ipv4, ipv6 } = deps
  const { arena, thread, ipi } = machine
  const members = createMcMembers({ arena, thread, ipi })
  const igmp = createIgmp({ ...machine, ...routing, ...ipv4 })
  const resolve = (): void => {
    ipv4.mr.resolve()
    ipv6.mr.resolve()
  }
  ipi.on(Ipi.MFC_FOUND, resolve)
  const owner = thread === MC_CPU ? createOwner(deps, igmp) : null
  /** Takes over what control has changed. */
  const mcRefresh = (): void => {
    owner?.refresh()
    resolve()
  }
  return { members, igmp, mcRefresh, mcPoll: owner?.poll ?? (() => {}) }
}

/** Our address on a link, as queries of each family have it; null where there is none. */
const createAddressOf = ({ arena }: Machine) => {
  const { select4, select6 } = createSourceSelection(arena)
  const fl = createFlowi()
  return byFamily<(ifindex: number) => Words | null>(
    (ifindex) => {
      const addr = select4(ifindex, 0, RT_SCOPE_LINK)
      return addr === 0 ? null : [0, 0, V4_MAPPED, addr]
    },
    (ifindex) => {
      fl.set([0xff020000, 0, 0, 1], FL_DADDR)
      if (!select6(fl, ifindex)) return null
      return [fl[FL_SADDR], fl[FL_SADDR + 1], fl[FL_SADDR + 2], fl[FL_SADDR + 3]]
    }
  )
}

/** CPU 0's part. */
const createOwner = (
  { machine, routing: { routeOutput }, ipv6: { mld } }: MulticastDeps,
  igmp: ReturnType<typeof createIgmp>
) => {
  const { arena, ipi, words } = machine
  const timer = (): number => words(TIMER_WORDS)
  const { workers } = arena.layout.config
  const addressOf = createAddressOf(machine)
  const writer = createMfcWriter(arena, MFC_FOUND)
  const tellWaiting = (): void => {
    for (let cpu = 0; cpu < workers; cpu++) ipi.send(cpu, Ipi.MFC_FOUND)
  }
  const remake = (ifindex: number, group: Words): void => groups.changed(ifindex, ...group)

  /** Those of one family, by what puts their words on the wire. */
  const createFamily = (family: number, wire: McWire) => {
    const common = { ...machine, family, wire }
    const host = createMcHost({
      ...common,
      timer: timer(),
      groupsOf: (ifindex) =>
        groups.list(ifindex).filter((group) => familyOfWords(group.words) === family),
    })
    const querier = createMcQuerier({
      ...common,
      timer: timer(),
      addressOf: addressOf(family),
      forcedVersion: createForcedVersion(common),
      onWanted: (ifindex, group) => proxy.wantedChanged(ifindex, group),
    })
    const more = { timer: timer(), writer, querier, routeOutput, remake, tellWaiting }
    const proxy = createMcProxy({ ...common, ...more })
    return { host, querier, proxy }
  }
  const v4 = createFamily(AF_INET, igmp.wire)
  const v6 = createFamily(AF_INET6, mld.wire)
  const of = byFamily(v4, v6)
  const groups = createMcGroups({
    arena,
    onChange: (ifindex, group, before, after) =>
      of(familyOfWords(group)).host.onChange(ifindex, group, before, after),
    onDevice: (ifindex, isUp) => {
      v4.host.onDevice(ifindex, isUp)
      v6.host.onDevice(ifindex, isUp)
    },
    proxied: (ifindex, group) => of(familyOfWords(group)).proxy.proxied(ifindex, group),
    proxiedGroups: (ifindex) => [
      ...v4.proxy.proxiedGroups(ifindex),
      ...v6.proxy.proxiedGroups(ifindex),
    ],
  })
  igmp.listen(v4)
  mld.listen(v6)
  ipi.on(Ipi.MC_CHANGED, (_from, ifindex, a, b, c, d) => groups.changed(ifindex, a, b, c, d))
  ipi.on(Ipi.MFC_MISS, (_from, iif, s0, s1, s2, s3, g0, g1, g2, g3) => {
    const group: Words = [g0, g1, g2, g3]
    of(familyOfWords(group)).proxy.miss(iif, [s0, s1, s2, s3], group)
  })
  const refresh = (): void => {
    groups.refresh()
    v4.proxy.refresh()
    v6.proxy.refresh()
  }
  return { refresh, poll: groups.poll }
}
