/**
 * A scene of `softnet demo`: what it asks of the router, and what the thread of the namespaces is to put on its links. Its file is read and
 * checked by api/schemas/scene.ts; the network around it is the same in all:
 *
 *   host, host ... --+                                +-- host, host ...
 *                    +-- LAN [router] LAN ------------+
 *                               | 10.0.0.1 user0
 *                     softnet exec: 10.0.0.2
 *
 * Control thread.
 */
import { isOneFile } from '../modules.ts'
import type { Control, StackConfig } from '../../core/control/text/messages.ts'
import { isRefused } from '../../core/control/text/names.ts'
import type { NamespaceOptions } from '../os/netns.ts'
import type { LabSpec, LanSpec, Traffic } from './lab-data.ts'

type Link = NonNullable<StackConfig['link']>[number]
type Wire = Omit<Link, 'ifname'>
type HostScene = Wire & Pick<StackConfig, 'route' | 'sysctl'> & { readonly name: string }

export type Scene = Omit<StackConfig, 'link'> & {
  readonly title: string
  readonly about: string
  readonly try: readonly { readonly run: string; readonly shows: string }[]
  readonly lan: readonly (Wire & { readonly name: string; readonly host: readonly HostScene[] })[]
  /** `to` may be the name of a host, `router`, or an address. */
  readonly traffic?: readonly Traffic[] | undefined
}

const NAMESPACE = 'user'
const USER_LINK = 'user0'
const ETH0 = 'eth0'

/** The namespace that `softnet exec` enters. */
export const namespaceOptions: NamespaceOptions = {
  name: NAMESPACE,
  address: '10.0.0.2/24',
  gateway: '10.0.0.1',
  mac: '02:00:0a:00:00:02',
}

const octet = (value: number): string => value.toString(16).padStart(2, '0')
const macOf = (lan: number, host: number): string =>
  `02:00:0a:00:${octet(lan + 1)}:${octet(host + 1)}`
const localOf = (address: NonNullable<Wire['addresses']>[number]): string =>
  typeof address === 'string' ? address.replace(/\/.*/, '') : address.local
const localsOf = ({ addresses = [] }: Wire): string[] => addresses.map(localOf)
const isV6 = (address: string): boolean => address.includes(':')

/** The router's links and what the scene says of it besides; `peer` is the thread of the namespaces. */
export const routerPart = (
  { title: _title, about: _about, try: _try, traffic: _traffic, lan, ...rest }: Scene,
  peer: number,
  hasNamespace: boolean
): StackConfig => {
  const user: Link = {
    ifname: USER_LINK,
    kind: 'tap',
    data: { netns: NAMESPACE },
    addresses: ['10.0.0.1/24'],
    up: true,
  }
  const lans = lan.map(({ name, host: _host, ...wire }) => ({
    up: true,
    ...wire,
    ifname: name,
    kind: 'port',
    data: { peer },
  }))
  return { ...rest, link: [...lans, ...(hasNamespace ? [user] : [])] }
}

/** A host's link, and a default route by each of the router's addresses where the scene says no routes. */
const hostConfig = (
  { name: _name, route, sysctl, ...wire }: HostScene,
  gateways: readonly string[],
  mac: string
): StackConfig => ({
  link: [{ up: true, address: mac, ...wire, ifname: ETH0, kind: 'wire' }],
  route:
    route ??
    gateways.map((gateway) => ({ dst: isV6(gateway) ? '::/0' : '0.0.0.0/0', gateway, dev: ETH0 })),
  sysctl: { 'net.ipv4.ip_forward': 0, ...sysctl },
})

/** What the lab is to put on the router's links, which must be there. */
export const labPart = async (control: Control, scene: Scene): Promise<LabSpec> => {
  const lans: LanSpec[] = []
  for (const [at, { name, host, ...wire }] of scene.lan.entries()) {
    const reply = await control.request({ type: 'RTM_GETLINK', ifname: name })
    if (isRefused(reply)) throw new Error(`scene: there is no link ${name}`)
    const { item } = reply
    lans.push({
      port: Number(item.linkinfo?.info_data?.['port']),
      near: { ifindex: item.ifindex, name },
      mac: item.address,
      hosts: host.map((one, k) => ({
        name: one.name,
        config: hostConfig(one, localsOf(wire), macOf(at, k)),
      })),
    })
  }
  return { lans, traffic: (scene.traffic ?? []).flatMap((flow) => trafficOf(scene, flow)) }
}

/** With addresses in place of names; the router has another on each LAN. */
const trafficOf = ({ lan: lans }: Scene, flow: Traffic): Traffic[] => {
  if (flow.kind === 'packets') return [flow]
  const addressOf = (name: string): string | undefined => {
    const host = lans.flatMap((lan) => lan.host).find((one) => one.name === name)
    return host && localsOf(host)[0]
  }
  return flow.from.map((from, k) => {
    const lan = lans.find(({ host }) => host.some(({ name }) => name === from))
    const rotated = [...flow.to.slice(k % flow.to.length), ...flow.to.slice(0, k % flow.to.length)]
    const to = rotated
      .filter((name) => name !== from)
      .map((name) => (name === 'router' && lan ? localsOf(lan)[0] : (addressOf(name) ?? name)))
    return { ...flow, from: [from], to }
  })
}

/** What there is, and what to try. `hasNamespace`: programs can be run in it. */
export const hints = (
  { title, about, lan, try: tries }: Scene,
  hasNamespace: boolean
): string[] => {
  const networks = lan.map(
    ({ name, host }) =>
      `${name}: ${host.map((one) => `${one.name} ${localsOf(one)[0]}`).join(', ')}`
  )
  const possible = tries.filter(({ run }) => hasNamespace || !run.includes('softnet exec'))
  return [
    `softnet: ${title}`,
    ...fold(about).map((line) => `  ${line}`),
    `  ${networks.join(' | ')}`,
    'softnet: try, from another terminal:',
    ...possible.flatMap(({ run, shows }) => [
      `  ${run.replaceAll(/\bsoftnet /g, isOneFile ? 'softnet ' : 'npx softnet ')}`,
      `      ${shows}`,
    ]),
  ]
}

const WIDTH = 96
/** Lines of words. */
const fold = (text: string): string[] => {
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last === undefined || last.length + word.length >= WIDTH) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}
