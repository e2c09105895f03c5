/**
 * Multicast of a stack: what its sockets have joined; and on CPU 0 the groups of all devices that come of it, with who
 * speaks of them on the links.
 */
import { AF_INET, familyOf } from '../base/family.ts'
import { TIMER_WORDS } from '../base/timer-wheel.ts'
import { MC_CPU } from '../inet/mc-constants.ts'
import { createMcGroups } from '../inet/mc-groups.ts'
import { createMcHost } from '../inet/mc-host.ts'
import { createMcMembers } from '../inet/mc-members.ts'
import { createIgmp } from '../ipv4/igmp.ts'
import { Ipi } from '../shm/ipi.ts'
import type { createIpv4 } from './ipv4.ts'
import type { Machine } from './machine.ts'
import type { Routing } from './routing.ts'

type MulticastDeps = {
  machine: Machine
  routing: Routing
  ipv4: ReturnType<typeof createIpv4>
}

export const createMulticast = ({ machine, routing, ipv4 }: MulticastDeps) => {
  const { arena, thread, ipi, words } = machine
  const members = createMcMembers({ arena, thread, ipi })
  const igmp = createIgmp({ ...machine, ...routing, ...ipv4 })
  if (thread !== MC_CPU) return { members, igmp, mcRefresh: () => {}, mcPoll: () => {} }
  const host = createMcHost({
    ...machine,
    family: AF_INET,
    timer: words(TIMER_WORDS),
    wire: igmp.wire,
    groupsOf: (ifindex) =>
      groups.list(ifindex).filter((group) => familyOf(Int32Array.from(group.words), 0) === AF_INET),
  })
  const groups = createMcGroups({
    arena,
    onChange: (ifindex, group, before, after) => {
      if (familyOf(Int32Array.from(group), 0) === AF_INET)
        host.onChange(ifindex, group, before, after)
    },
    onDevice: host.onDevice,
  })
  igmp.listen({ host })
  ipi.on(Ipi.MC_CHANGED, (_from, ifindex, a, b, c, d) => groups.changed(ifindex, a, b, c, d))
  return { members, igmp, mcRefresh: groups.refresh, mcPoll: groups.poll }
}
