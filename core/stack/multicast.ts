/**
 * Multicast of a stack: what its sockets have joined; and on CPU 0 the groups of all devices that come of it, who speaks of
 * them on the links, and the routes that follow from what others say.
 */
import { AF_INET, familyOf, V4_MAPPED } from '../base/family.ts'
import { TIMER_WORDS } from '../base/timer-wheel.ts'
import { MC_CPU } from '../inet/mc-constants.ts'
import { createMcGroups } from '../inet/mc-groups.ts'
import { createMcHost } from '../inet/mc-host.ts'
import { createMcMembers } from '../inet/mc-members.ts'
import { createMcProxy } from '../inet/mc-proxy.ts'
import { createMcQuerier } from '../inet/mc-querier.ts'
import { MFC_FOUND } from '../inet/mfc-constants.ts'
import { createMfcWriter } from '../inet/mfc-table.ts'
import { RT_SCOPE_LINK } from '../inet/nexthop-constants.ts'
import { createSourceSelection } from '../inet/source.ts'
import { createIgmp } from '../ipv4/igmp.ts'
import { Ipi } from '../shm/ipi.ts'
import type { Words } from '../wire/text.ts'
import type { createIpv4 } from './ipv4.ts'
import type { Machine } from './machine.ts'
import type { Routing } from './routing.ts'

type MulticastDeps = {
  machine: Machine
  routing: Routing
  ipv4: ReturnType<typeof createIpv4>
}

const isIpv4 = (words: Words): boolean => familyOf(Int32Array.from(words), 0) === AF_INET

export const createMulticast = (deps: MulticastDeps) => {
  const { machine, routing, ipv4 } = deps
  const { arena, thread, ipi } = machine
  const members = createMcMembers({ arena, thread, ipi })
  const igmp = createIgmp({ ...machine, ...routing, ...ipv4 })
  ipi.on(Ipi.MFC_FOUND, () => ipv4.mr.resolve())
  const owner = thread === MC_CPU ? createOwner(deps, igmp) : null
  /** Takes over what control has changed. */
  const mcRefresh = (): void => {
    owner?.refresh()
    ipv4.mr.resolve()
  }
  return { members, igmp, mcRefresh, mcPoll: owner?.poll ?? (() => {}) }
}

/** CPU 0's part. */
const createOwner = (
  { machine, routing: { routeOutput } }: MulticastDeps,
  igmp: ReturnType<typeof createIgmp>
) => {
  const { arena, ipi, words } = machine
  const timer = (): number => words(TIMER_WORDS)
  const { workers } = arena.layout.config
  const { select4 } = createSourceSelection(arena)
  const host = createMcHost({
    ...machine,
    family: AF_INET,
    timer: timer(),
    wire: igmp.wire,
    groupsOf: (ifindex) => groups.list(ifindex).filter((group) => isIpv4(group.words)),
  })
  const querier = createMcQuerier({
    ...machine,
    timer: timer(),
    wire: igmp.wire,
    addressOf: (ifindex) => {
      const addr = select4(ifindex, 0, RT_SCOPE_LINK)
      return addr === 0 ? null : [0, 0, V4_MAPPED, addr]
    },
    onWanted: (ifindex, group) => proxy.wantedChanged(ifindex, group),
  })
  const proxy = createMcProxy({
    ...machine,
    family: AF_INET,
    timer: timer(),
    writer: createMfcWriter(arena, MFC_FOUND),
    querier,
    routeOutput,
    remake: (ifindex, group) => groups.changed(ifindex, ...group),
    tellWaiting: () => {
      for (let cpu = 0; cpu < workers; cpu++) ipi.send(cpu, Ipi.MFC_FOUND)
    },
  })
  const groups = createMcGroups({
    arena,
    onChange: (ifindex, group, before, after) => {
      if (isIpv4(group)) host.onChange(ifindex, group, before, after)
    },
    onDevice: host.onDevice,
    proxied: (ifindex, group) => (isIpv4(group) ? proxy.proxied(ifindex, group) : []),
    proxiedGroups: proxy.proxiedGroups,
  })
  igmp.listen({ host, querier })
  ipi.on(Ipi.MC_CHANGED, (_from, ifindex, a, b, c, d) => groups.changed(ifindex, a, b, c, d))
  ipi.on(Ipi.MFC_MISS, (_from, iif, s0, s1, s2, s3, g0, g1, g2, g3) =>
    proxy.miss(iif, [s0, s1, s2, s3], [g0, g1, g2, g3])
  )
  const refresh = (): void => {
    groups.refresh()
    proxy.refresh()
  }
  return { refresh, poll: groups.poll }
}
