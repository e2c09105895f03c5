// A plan whose routers are softnet's: simulated hosts in this program, in the kernel's time. The plan's hosts are the kernel's
// namespaces as before, each link of theirs a TAP of which we have the other end; frames go from device to device here.

import { addressOf, libc } from '../../../workers/os/libc.ts'
import type { Carrier } from '../../../core/dev/kinds/link-kind.ts'
import { openTap, tapCarrier } from '../../../workers/os/tap.ts'
import { seeded } from '../../support/random.ts'
import { createSimCli } from '../../support/sim-cli.ts'
import { createSimHost, type SimHost } from '../../../sim/net/sim-host.ts'
import { createHost } from './host.ts'
import { devicesOf, type Lab, must } from './lab.ts'
import {
  addressLines,
  AS_ROUTER,
  BEFORE,
  isRouter,
  type Member,
  nodesOf,
  type Plan,
  QUICKLY,
  quicklyIn,
  readNetworks,
} from './plan.ts'

const START_US = 1_000_000_000
const MOST_FRAME = 66000

/** The end of a link: of a TAP, or of a simulated host's device. */
type Port = { mac: string; give: (frame: Uint8Array) => void }

/** A wire, or a switch that knows where each link address is. */
const createNetwork = () => {
  const ports: Port[] = []
  const carry = (from: Port, frame: Uint8Array): void => {
    const isGroup = (frame[0]! & 1) !== 0
    const dst = Buffer.from(frame.subarray(0, 6)).toString('hex')
    const isKnown = ports.some(({ mac }) => mac === dst)
    for (const port of ports)
      if (port !== from && (isGroup || !isKnown || port.mac === dst)) port.give(frame)
  }
  return { ports, carry }
}
const hexOf = (mac: string): string => mac.replaceAll(':', '')

const buffer = new Uint8Array(new ArrayBuffer(MOST_FRAME))
const bufferAt = addressOf(buffer)

/** Of a VRF's routes its table is told as well, and its device in the place of lo. */
const asRouter = (said: string, vrf: string, table: number): string => {
  if (!said.startsWith('[')) return said
  const answers = JSON.parse(said) as Record<string, unknown>[]
  for (const answer of answers) {
    if (answer['dev'] === vrf) answer['dev'] = 'lo'
    if (answer['table'] === String(table)) delete answer['table']
  }
  return JSON.stringify(answers)
}
/** Routes of a VRF are its own, and are looked up there. */
const inVrf = (line: string, vrf: string): string => {
  const isRoute = /^ip (-\w+ )*route (add|del|replace|get) /.test(line)
  return isRoute && !line.includes(' iif ') ? `${line} vrf ${vrf}` : line
}

const settingsOf = (lines: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    lines.map((line) => {
      const [name = '', value] = line.slice('sysctl '.length).split('=')
      return [name, Number(value)]
    })
  )

export const buildSoftnetLab = async (plan: Plan): Promise<Lab> => {
  const networks = readNetworks(plan)
  const names = nodesOf(plan)
  const routerOf = (node: string): string => plan.vrfs?.[node] ?? node
  const start = performance.now()
  const world = {
    nowUs: (): number => START_US + Math.floor((performance.now() - start) * 1000),
    random: seeded(1),
  }
  const hosts = new Map(names.filter((node) => !isRouter(node)).map((node) => [node, createHost()]))
  const routers = new Map<string, SimHost>()
  const carriers = new Map<string, () => Carrier>()
  const clis = new Map<string, (line: string) => Promise<string>>()
  const taps: { fd: number; port: Port; network: ReturnType<typeof createNetwork> }[] = []

  const readTaps = (): number => {
    let frames = 0
    for (const { fd, port, network } of taps)
      for (;;) {
        const n = libc.read(fd, bufferAt, MOST_FRAME)
        if (n <= 0) break
        frames++
        network.carry(port, buffer.slice(0, n))
      }
    return frames
  }
  const pump = (): void => {
    for (;;) {
      let work = readTaps()
      for (const router of routers.values()) work += router.turn()
      if (work === 0) break
    }
    for (const router of routers.values()) router.control.poll()
  }
  const lab: Lab = {
    hosts,
    run: async (node, line) => {
      const cli = clis.get(node)
      const said = cli === undefined ? await hosts.get(node)!.run(line) : await cli(line)
      pump()
      return said
    },
    pump,
    close: () => {
      for (const { fd } of taps) libc.close(fd)
      for (const host of hosts.values()) host.close()
    },
  }

  const plugTap = (
    member: Member,
    network: ReturnType<typeof createNetwork>,
    members: readonly Member[]
  ): void => {
    hosts.get(member.node)!.enter()
    const { dev, mac, mtu } = member
    const { fd } = openTap({ name: dev, vnetHdr: false, link: { mac, mtu, up: true } })
    const give = (frame: Uint8Array): void => {
      buffer.set(frame)
      libc.write(fd, bufferAt, frame.length)
    }
    const port = { mac: hexOf(mac), give }
    network.ports.push(port)
    taps.push({ fd, port, network })
    // a wire with two ends, which routers look at
    if (members.length === 2)
      for (const other of members)
        if (other !== member)
          carriers.set(`${routerOf(other.node)}.${other.dev}`, () => tapCarrier(fd))
  }
  const plugRouter = (member: Member, network: ReturnType<typeof createNetwork>): void => {
    const router = routers.get(routerOf(member.node))!
    const ifindex = router.ifindex(member.dev)
    const end = router.end(ifindex)
    const port = {
      mac: hexOf(member.mac),
      give: (frame: Uint8Array) => end.arrive(end.takeBytes(frame)),
    }
    network.ports.push(port)
    const filter = (frame: Uint8Array): boolean => {
      network.carry(port, frame.slice())
      return false
    }
    router.wires[ifindex] = { wire: { options: { filter }, send: () => {} }, side: 0 }
  }
  const nodesIn = (name: string): string[] => names.filter((node) => routerOf(node) === name)
  const startRouter = async (name: string): Promise<void> => {
    const vrfs = nodesIn(name).filter((node) => node !== name)
    const tableOf = (node: string): number => 10 + vrfs.indexOf(node)
    const router = await createSimHost(world, name, {
      carrier: (ifname) => carriers.get(`${name}.${ifname}`)?.() ?? 'up',
      config: { devices: 16, ifaddrs: 64, neighbours: 1024, fibTables: 16 },
      setup: {
        link: [
          { ifname: 'lo', up: true },
          ...vrfs.map((node) => ({
            ifname: node,
            kind: 'vrf',
            data: { table: tableOf(node) },
            up: true,
          })),
          ...nodesIn(name).flatMap((node) =>
            devicesOf(networks, node).map(({ dev, mac, mtu }) => ({
              ifname: dev,
              kind: 'pipe',
              address: mac,
              mtu,
              ...(node !== name && { master: node }),
              up: true,
            }))
          ),
        ],
        sysctl: settingsOf([...BEFORE, ...AS_ROUTER, ...QUICKLY]),
      },
    })
    const cli = createSimCli(router)
    routers.set(name, router)
    clis.set(name, cli)
    for (const node of vrfs)
      clis.set(node, async (line) => asRouter(await cli(inVrf(line, node)), node, tableOf(node)))
  }
  try {
    for (const name of new Set(names.filter(isRouter).map(routerOf))) await startRouter(name)
    for (const node of names)
      if (!isRouter(node))
        for (const line of ['ip link set lo up', ...BEFORE]) await must(lab, node, line)
    for (const members of networks) {
      const network = createNetwork()
      for (const member of members)
        if (isRouter(member.node)) plugRouter(member, network)
        else plugTap(member, network, members)
    }
    for (const node of hosts.keys())
      for (const member of devicesOf(networks, node))
        for (const line of quicklyIn(member)) await must(lab, node, line)
    for (const node of names)
      for (const line of addressLines(devicesOf(networks, node))) await must(lab, node, line)
    return lab
  } catch (error) {
    lab.close()
    throw error
  }
}
