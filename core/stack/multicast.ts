/**
 * Multicast of a stack: what its sockets have joined, and on CPU 0 the groups of all devices that come of it.
 */
import { MC_CPU } from '../inet/mc-constants.ts'
import { createMcGroups } from '../inet/mc-groups.ts'
import { createMcMembers } from '../inet/mc-members.ts'
import { Ipi } from '../shm/ipi.ts'
import type { Machine } from './machine.ts'

export const createMulticast = (machine: Machine) => {
  const { arena, thread, ipi } = machine
  const members = createMcMembers({ arena, thread, ipi })
  if (thread !== MC_CPU) return { members, mcRefresh: () => {}, mcPoll: () => {} }
  const groups = createMcGroups({ arena, onChange: () => {}, onDevice: () => {} })
  ipi.on(Ipi.MC_CHANGED, (_from, ifindex, a, b, c, d) => groups.changed(ifindex, a, b, c, d))
  return { members, mcRefresh: groups.refresh, mcPoll: groups.poll }
}
