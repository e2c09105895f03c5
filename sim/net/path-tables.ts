// The tables of a host under test (path-host.ts), written as control writes them but in one turn: devices, addresses,
// routes, sysctls, and neighbours by the calls that control makes to CPU 0.

import { withHops } from '../../core/control/rib/rib-route.ts'
import { AF_INET6, familyOf } from '../../core/base/family.ts'
import { NLM_F_CREATE, NLM_F_REPLACE } from '../../core/control/nlm-flags.ts'
import { createPneighs } from '../../core/control/address/pneighs.ts'
import { createTables } from '../../core/control/tables.ts'
import { kindNumbers, SOFT_KINDS } from '../../core/dev/kinds/kinds.ts'
import { IFA_F_NODAD } from '../../core/inet/addr/ifaddr-constants.ts'
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
} from '../../core/inet/fib/nexthop-constants.ts'
import { scopeOf6 } from '../../core/inet/addr/source.ts'
import { FR_ACT_PROHIBIT } from '../../core/inet/fib/rules/fib-rule-constants.ts'
import type { FibRule } from '../../core/inet/fib/rules/fib-rule.ts'
import * as neigh from '../../core/neigh/neigh-constants.ts'
import * as netdev from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { createIpi, Ipi, Notify } from '../../core/shm/ipi.ts'
import { confRow } from '../../core/shm/devconf.ts'
import { NEIGH_WORDS } from '../../core/shm/layout.ts'
import { setSysctlDefaults } from '../../core/shm/sysctl.ts'
import { isLoopbackAddr } from '../../core/wire/ipv4.ts'
import { networkOf, parseAddr, parsePrefix, type Words } from '../../core/wire/text.ts'
import { mac, macText } from './packets.ts'

export const V4 = 0xffff
/** DEV_KIND of its devices: lo, and what is sent is recorded. */
const KIND = kindNumbers([...SOFT_KINDS, { name: 'pipe' }] as const)
const LO_FLAGS = netdev.IFF_UP | netdev.IFF_LOOPBACK

export type DeviceOptions = {
  mac?: string
  mtu?: number
  flags?: number
  features?: number
  gsoMax?: number
  kind?: number
}
type RouteOptions = {
  type?: number
  via?: string
  mtu?: number
  /** All of them, by RTAX_*. */
  metrics?: number[]
  hops?: readonly { dev: number; via: string }[]
}

/** An address of either family. */
export const words = (text: string): Words => parseAddr(text)!.words
const familyOfWords = (address: Words): number => familyOf(Int32Array.from(address), 0)

/** `settle` lets the workers run. */
export const createPathTables = (arena: Arena, settle: () => void) => {
  const { i32, u8, layout } = arena
  setSysctlDefaults(arena)
  const deviceRow = (dev: number): number => netdev.deviceRow(arena, dev)
  const addDevice = (dev: number, options: DeviceOptions = {}): void => {
    const row = deviceRow(dev)
    i32[row + netdev.DEV_IFINDEX] = dev
    i32[row + netdev.DEV_FLAGS] =
      options.flags ?? netdev.IFF_UP | netdev.IFF_BROADCAST | netdev.IFF_MULTICAST
    i32[row + netdev.DEV_MTU] = options.mtu ?? 1500
    i32[row + netdev.DEV_KIND] = options.kind ?? KIND.pipe
    i32[row + netdev.DEV_FEATURES] = options.features ?? 0
    i32[row + netdev.DEV_GSO_MAX] = options.gsoMax ?? 65536
    i32[row + netdev.DEV_TXQLEN] = 100
    u8.set(mac(options.mac ?? `02:00:00:00:00:0${dev}`), (row + netdev.DEV_MAC) << 2)
  }
  addDevice(1, { kind: KIND.lo, flags: LO_FLAGS, mtu: 65536, mac: '00:00:00:00:00:00' })
  const control = createIpi(arena, layout.controlThread, () => {})
  const { rib, fibRules, ifaddrs, answerFor, mcJoin, mcLeave } = createTables({
    arena,
    ipi: control,
    retire: (reclaim) => reclaim(),
    reclaim: () => {},
    onRoute: () => {},
    onAddress: () => {},
  })
  /** A route, in the place of the one that its prefix has. */
  const addRoute = (
    to: string,
    dev: number,
    { type = 1, via, mtu = 0, metrics: given, hops = [] }: RouteOptions = {}
  ): void => {
    const gatewayOf = (text: string) => ({ family: familyOfWords(words(text)), words: words(text) })
    const gateway = via === undefined ? null : gatewayOf(via)
    const metrics = given ?? (mtu === 0 ? null : [0, 0, mtu])
    const scope = gateway === null ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
    const none = { tos: 0, metric: 0, protocol: 0, prefsrc: null, flags: 0 }
    const { words: network, prefixlen: plen } = networkOf(parsePrefix(to)!)
    const place = { family: familyOfWords(network), table: RT_TABLE_MAIN, words: network, plen }
    const route = { ...none, ...place, type, scope, dev, gateway, metrics }
    const several = hops.map((hop) => ({
      dev: hop.dev,
      gateway: gatewayOf(hop.via),
      flags: 0,
      weight: 1,
    }))
    const error = rib.add(
      hops.length === 0 ? route : withHops(route, several),
      NLM_F_CREATE | NLM_F_REPLACE
    )
    if (error !== 0) throw new Error(`route ${to}: ${error}`)
  }
  /** A rule before the usual ones: it refuses what it is for (prohibit). */
  const prohibit = (family: number, of: Partial<FibRule>): void => {
    const any = { isInverted: false, src: null, dst: null, iif: '', oif: '', mark: 0, markMask: 0 }
    const none = { tos: 0, proto: 0, sport: null, dport: null, table: 0, target: 0, protocol: 0 }
    const refusal = {
      family,
      priority: 0,
      action: FR_ACT_PROHIBIT,
      suppressPlen: -1,
      isL3mdev: false,
    }
    const error = fibRules.insert(netdev.INIT_NET, { ...any, ...none, ...refusal, ...of })
    if (error !== 0) throw new Error(`rule: ${error}`)
  }
  /** An address with the routes that it brings; of IPv6 one that is not tried before. */
  const addAddress = (ifindex: number, cidr: string, flags = IFA_F_NODAD): void => {
    const { words: address, prefixlen } = parsePrefix(cidr)!
    const family = familyOfWords(address)
    const scope4 = isLoopbackAddr(address[3]) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE
    const scope = family === AF_INET6 ? scopeOf6(...address) : scope4
    const none = { scope, flags, broadcast: 0 }
    const error = ifaddrs.add({ ...none, ifindex, family, words: address, prefixlen })
    if (error !== 0) throw new Error(`address ${cidr}: ${error}`)
  }
  const setSysctl = (index: number, value: number): void => {
    i32[layout.sysctl + index] = value
  }

  /** A device's setting, or that of CONF_ALL. */
  const setConf = (dev: number, word: number, value: number): void => {
    i32[confRow(arena, dev) + word] = value
  }

  // ---- neighbours, as control sees and sets them

  const replies: number[] = []
  control.on(Ipi.REPLY, (_from, _request, result) => void replies.push(result))
  /** What watchers were told: the neighbour's state by then. */
  const notified: { isGone: boolean; state: number }[] = []
  control.on(Ipi.NOTIFY, (_from, kind, isGone, dev, ...address) => {
    if (kind !== Notify.NEIGH) return
    const row = rowOf(dev, address)
    notified.push({ isGone: isGone === 1, state: row === 0 ? -1 : i32[row + neigh.NEIGH_STATE]! })
  })
  const rowOf = (dev: number, address: readonly number[]): number => {
    const isAddress = (row: number): boolean =>
      [0, 1, 2, 3].every((w) => i32[row + neigh.NEIGH_ADDR + w] === address[w])
    for (let n = 1; n < layout.config.neighbours; n++) {
      const row = layout.neighbours + n * NEIGH_WORDS
      if (i32[row + neigh.NEIGH_IFINDEX] === dev && isAddress(row)) return row
    }
    return 0
  }
  const neighRow = (dev: number, addr: string): number => rowOf(dev, words(addr))
  const neighState = (dev: number, addr: string): number => {
    const row = neighRow(dev, addr)
    return row === 0 ? -1 : i32[row + neigh.NEIGH_STATE]!
  }
  const neighMac = (dev: number, addr: string): string =>
    macText(u8, (neighRow(dev, addr) << 2) + neigh.NEIGH_LLADDR_BYTE)
  const ask = (op: number, dev: number, addr: string, ...rest: number[]): number => {
    control.send(0, op, dev, ...words(addr), ...rest)
    settle()
    return replies.pop()!
  }
  const setNeigh = (
    dev: number,
    addr: string,
    lladdr: string | null,
    state: number = neigh.NUD_PERMANENT
  ): number => {
    const m = lladdr === null ? null : mac(lladdr)
    const hi = m === null ? -1 : (m[0]! << 8) | m[1]!
    const low = m === null ? 0 : (m[2]! << 24) | (m[3]! << 16) | (m[4]! << 8) | m[5]!
    return ask(Ipi.NEIGH_SET, dev, addr, state, 7, hi, low)
  }
  const pneighs = createPneighs({ arena, answerFor })
  /** ip neigh add proxy ADDR dev DEV */
  const addProxy = (ifindex: number, addr: string, flags = 0): void =>
    void pneighs.set({ ifindex, words: words(addr), flags })
  const delNeigh = (dev: number, addr: string): number => ask(Ipi.NEIGH_DEL, dev, addr, 0, 8)

  return {
    control,
    notified,
    addDevice,
    addAddress,
    addRoute,
    prohibit,
    deviceRow,
    neighRow,
    neighState,
    neighMac,
    setNeigh,
    addProxy,
    delNeigh,
    setSysctl,
    setConf,
    mcJoin,
    mcLeave,
  }
}
