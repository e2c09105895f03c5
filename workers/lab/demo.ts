/**
 * The network of `softnet demo`: a router, two LANs of simulated hosts, and a namespace for the user's own programs.
 *
 *   shop 10.1.0.10 --+                                +-- mail 10.2.0.10
 *                    +-- lan0 10.1.0.1 [router] 10.2.0.1 lan1 --+
 *   desk 10.1.0.11 --+             |                  +-- disk 10.2.0.11
 *                             10.0.0.1 user
 *                                  |
 *                     softnet exec: 10.0.0.2
 *
 * Control thread.
 */
import type { Control, LinkSpec, Reply } from '../../core/control/text/messages.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../../core/control/nlm-flags.ts'
import type { NamespaceOptions } from '../os/netns.ts'
import type { LanSpec } from './lab-data.ts'

const ADD = NLM_F_CREATE | NLM_F_EXCL
const NAMESPACE = 'user'

/** The namespace that `softnet exec` enters. */
export const namespaceOptions: NamespaceOptions = {
  name: NAMESPACE,
  address: '10.0.0.2/24',
  gateway: '10.0.0.1',
  mac: '02:00:0a:00:00:02',
}

const LANS = [
  {
    ifname: 'lan0',
    router: '10.1.0.1',
    hosts: [
      ['shop', '10.1.0.10'],
      ['desk', '10.1.0.11'],
    ],
  },
  {
    ifname: 'lan1',
    router: '10.2.0.1',
    hosts: [
      ['mail', '10.2.0.10'],
      ['disk', '10.2.0.11'],
    ],
  },
] as const

const macOf = (address: string): string =>
  `02:00:${address
    .split('.')
    .map((octet) => Number(octet).toString(16).padStart(2, '0'))
    .join(':')}`

const must = <Item>(reply: Reply<Item>, what: string): Item => {
  if (reply.error === 0) return (reply as { item: Item }).item
  throw new Error(`${what}: ${(reply as { message: string }).message}`)
}

/** A link with one address, up. */
const addLink = async (control: Control, link: LinkSpec, local: string, prefixlen: number) => {
  const item = must(
    await control.request({ type: 'RTM_NEWLINK', flags: ADD, link: { ...link, up: true } }),
    link.ifname
  )
  const address = { dev: link.ifname, local, prefixlen }
  must(await control.request({ type: 'RTM_NEWADDR', flags: ADD, address }), `${local}/${prefixlen}`)
  return item
}

/** Makes the router's side of the LANs; `peer` is the lab's thread. Returns what the lab is to put on them. */
export const addLans = async (control: Control, peer: number): Promise<LanSpec[]> => {
  const lans: LanSpec[] = []
  for (const { ifname, router, hosts } of LANS) {
    const link = await addLink(control, { ifname, kind: 'port', data: { peer } }, router, 24)
    lans.push({
      port: Number(link.linkinfo?.info_data?.['port']),
      hosts: hosts.map(([name, address]) => ({
        name,
        address: `${address}/24`,
        gateway: router,
        mac: macOf(address),
      })),
    })
  }
  return lans
}

/** The router's side of the user's namespace, which must be there. */
export const addUserLink = (control: Control) =>
  addLink(control, { ifname: 'user0', kind: 'tap', data: { netns: NAMESPACE } }, '10.0.0.1', 24)

/** What to try, for the user who just started it. */
export const hints = (hasNamespace: boolean): string[] => [
  'softnet: a router with two LANs: shop 10.1.0.10, desk 10.1.0.11 | mail 10.2.0.10, disk 10.2.0.11',
  'softnet: try, from another terminal:',
  ...(hasNamespace
    ? ['  npx softnet exec -- curl http://10.1.0.10/', '  npx softnet exec -- ping -c 3 10.2.0.10']
    : ['  npx softnet ip neigh']),
  '  npx softnet ss -ti        npx softnet softnet-stat        npx softnet ethtool -x lan0',
]
