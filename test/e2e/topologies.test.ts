// The same lab built from the kernel's namespaces and with softnet's routers in it, of one plan: the same packets get
// through, the same errors come back octet for octet, and `ip -j route get` says the same.

import { expect, test } from 'bun:test'
import { describeE2e } from './support/inside.ts'
import { buildKernelLab } from './topologies/kernel-lab.ts'
import { IPV4 } from './topologies/plans-ipv4.ts'
import { IPV6 } from './topologies/plans-ipv6.ts'
import { VRF } from './topologies/plans-vrf.ts'
import { playPlan } from './topologies/play.ts'
import { buildSoftnetLab } from './topologies/softnet-lab.ts'

describeE2e(import.meta.path, 'topologies', () => {
  test.each([...IPV4, ...IPV6, ...VRF].map((plan) => [plan.title, plan] as const))(
    '%s',
    async (_, plan) => {
      const kernel = await buildKernelLab(plan)
      const softnet = await buildSoftnetLab(plan)
      try {
        expect(await playPlan(plan, kernel, softnet)).toEqual([])
      } finally {
        kernel.close()
        softnet.close()
      }
    }
  )
})
