// A plan built of the kernel's namespaces, one a node, joined by veth pairs, and by a bridge where more than two meet.

import { readFileSync } from 'node:fs'
import { withRtnetlink } from '../../../workers/os/rtnetlink.ts'
import { createHost, type Host } from './host.ts'
import { devicesOf, type Lab, must } from './lab.ts'
import {
  addressLines,
  AS_ROUTER,
  BEFORE,
  isRouter,
  nodesOf,
  type Plan,
  quicklyIn,
  readNetworks,
} from './plan.ts'

const UP_WITHIN_MS = 3000

/** A link has its own address as soon as the kernel has seen that both of its ends are up. */
const untilUp = async (host: Host, devices: readonly { dev: string }[]): Promise<void> => {
  const deadline = performance.now() + UP_WITHIN_MS
  for (;;) {
    host.enter()
    const text = readFileSync('/proc/thread-self/net/if_inet6', 'latin1')
    const isUp = ({ dev }: { dev: string }) => new RegExp(`^fe80.* ${dev}$`, 'm').test(text)
    if (devices.every(isUp)) return
    if (performance.now() > deadline) throw new Error(`links that do not come up:\n${text}`)
    await Bun.sleep(1)
  }
}

export const buildKernelLab = async (plan: Plan): Promise<Lab> => {
  const networks = readNetworks(plan)
  const nodes = new Map(nodesOf(plan).map((node) => [node, createHost()]))
  const wires = createHost()
  const lab: Lab = {
    hosts: new Map([...nodes].filter(([node]) => !isRouter(node))),
    run: (node, line) => nodes.get(node)!.run(line),
    pump: () => {},
    close: () => {
      for (const host of [...nodes.values(), wires]) host.close()
    },
  }
  try {
    for (const node of nodes.keys())
      for (const line of ['ip link set lo up', ...BEFORE, ...(isRouter(node) ? AS_ROUTER : [])])
        await must(lab, node, line)
    for (const [k, members] of networks.entries()) {
      const end = (member: (typeof members)[number]) => ({
        name: member.dev,
        mac: member.mac,
        mtu: member.mtu,
        netnsFd: nodes.get(member.node)!.fd,
      })
      wires.enter()
      if (members.length === 2) {
        withRtnetlink((rtnl) => rtnl.addVeth(end(members[0]!), end(members[1]!)))
        continue
      }
      await wires.run(`ip link add br${k} up type bridge mcast_snooping 0`)
      for (const [n, member] of members.entries()) {
        wires.enter()
        withRtnetlink((rtnl) => rtnl.addVeth({ name: `p${k}-${n}` }, end(member)))
        await wires.run(`ip link set p${k}-${n} master br${k} up`)
      }
    }
    for (const node of nodes.keys()) {
      const devices = devicesOf(networks, node)
      for (const member of devices)
        for (const line of [...quicklyIn(member), `ip link set ${member.dev} up`])
          await must(lab, node, line)
      for (const line of addressLines(devices)) await must(lab, node, line)
    }
    for (const [node, host] of nodes) await untilUp(host, devicesOf(networks, node))
    return lab
  } catch (error) {
    lab.close()
    throw error
  }
}
