/**
 * Declarative configuration: the running state as a StackConfig, and the messages that lead from it to a wanted
 * one. A section that the wanted configuration does not have is left alone; one that it has is made so, and
 * what is not in it goes (what the kernel makes by itself apart). Control thread.
 */
import type { LinkKind } from '../../../dev/kinds/link-kind.ts'
import type { ControlPlane } from '../../control.ts'
import { NO_STEPS, type NetnsSteps } from './config-netns.ts'
import type { ConfigStep, StackConfig } from '../messages.ts'
import { createLinkConfig } from './config-links.ts'
import { createMulticastConfig } from './config-multicast.ts'
import { createNeighConfig } from './config-neighs.ts'
import { createNexthopConfig } from './config-nexthops.ts'
import { createRouteConfig } from './config-routes.ts'
import { createRuleConfig } from './config-rules.ts'
import type { Dump, Steps } from './config-steps.ts'
import { createSysctlConfig } from './config-sysctls.ts'

const NONE: Steps = { gone: [], come: [] }

export const createConfig = (
  dump: Dump,
  kinds: readonly LinkKind[],
  plane: Pick<ControlPlane, 'steeringSet' | 'ifindexOf'>
) => {
  const links = createLinkConfig(dump, kinds, plane)
  const routes = createRouteConfig(dump)
  const nexthops = createNexthopConfig(dump)
  const rules = createRuleConfig(dump)
  const neighs = createNeighConfig(dump)
  const multicast = createMulticastConfig(dump)
  const sysctls = createSysctlConfig(dump)

  /** The running state; of sysctl what is not the default. */
  const get = (): StackConfig => {
    const [maddr, mroute, nexthop] = [multicast.maddrs(), multicast.mroutes(), nexthops.get()]
    return {
      link: links.get().filter((link) => !links.isAlways(link)),
      route: routes.get(),
      rule: rules.get(),
      ...(nexthop.length > 0 && { nexthop }),
      neigh: neighs.get(),
      ...(maddr.length > 0 && { maddr }),
      ...(mroute.length > 0 && { mroute }),
      sysctl: sysctls.get(),
    }
  }

  /** All of it, lo and what is the default too: what a configuration that is refused half-way goes back to. */
  const whole = (): StackConfig => ({
    ...get(),
    maddr: multicast.maddrs(),
    mroute: multicast.mroutes(),
    nexthop: nexthops.get(),
    link: links.get(true).map((link) => ({ netem: {}, ...link })),
    sysctl: sysctls.all(),
  })

  /** What leads from the running state to the wanted one: first what goes, then what comes, links before routes. */
  const diff = (wanted: StackConfig, netns: NetnsSteps = NO_STEPS): ConfigStep[] => {
    const link = wanted.link ? links.steps(wanted.link) : NONE
    const nexthop = wanted.nexthop
      ? nexthops.steps(wanted.nexthop)
      : { ...NONE, left: new Set<number>() }
    const route = wanted.route ? routes.steps(wanted.route, nexthop.left) : NONE
    const neigh = wanted.neigh ? neighs.steps(wanted.neigh) : NONE
    const rule = wanted.rule ? rules.steps(wanted.rule) : NONE
    const maddr = wanted.maddr ? multicast.maddrSteps(wanted.maddr) : NONE
    const mroute = wanted.mroute ? multicast.mrouteSteps(wanted.mroute) : NONE
    const sysctl = sysctls.steps(wanted.sysctl ?? {})
    return [
      ...mroute.gone,
      ...maddr.gone,
      ...neigh.gone,
      ...rule.gone,
      ...route.gone,
      ...nexthop.gone,
      ...link.gone,
      ...netns.gone,
      ...netns.come,
      ...sysctl.ofAll,
      ...link.come,
      ...sysctl.ofDevices,
      ...nexthop.come,
      ...route.come,
      ...rule.come,
      ...neigh.come,
      ...maddr.come,
      ...mroute.come,
      ...netns.inside,
    ]
  }
  return { get, whole, diff }
}
