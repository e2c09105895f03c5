/**
 * Settings of devices: net.ipv4.conf.* and net.ipv6.conf.*, a row for each device, one for `all` and one for `default`, from
 * which new devices take theirs. Words in shared memory, written by control; any thread reads
 * `i32[confRow(arena, dev) + Conf4.rp_filter]` and joins it with the row of `all` as Linux does for that setting. To add one is
 * to write its row here, and to read it. Linux: struct ipv4_devconf, struct ipv6_devconf, include/linux/inetdevice.h.
 */
import type { Arena } from './arena.ts'
import { numbered } from './counters.ts'
import { DEV_CONF_WORDS } from './layout.ts'

/** A setting: what it is at first in `all` and in `default`, and its bounds. */
type Setting = { all: number; otherwise: number; min: number; max: number }
const number = (otherwise: number, max: number, all = otherwise): Setting => ({
  all,
  otherwise,
  min: 0,
  max,
})
const onOff = (otherwise: 0 | 1, all: 0 | 1 = otherwise): Setting => number(otherwise, 1, all)

const MAX = 2147483647

/** In the comments how a device's is joined with that of `all`; without one the device's alone counts. */
const IPV4 = {
  forwarding: onOff(1),
  /** The greater: 0 is off, 1 strict, 2 loose (RFC 3704). */
  rp_filter: number(0, 2),
  /** Either. */
  send_redirects: onOff(1),
  /** Either: hosts of several networks share the link. */
  shared_media: onOff(1),
  /** A host: either, a router: both; whether redirects are honoured. `all` is turned with forwarding. */
  accept_redirects: onOff(1, 0),
  /** Either: only to gateways that we have, where hosts of one network are alone on the link. */
  secure_redirects: onOff(1),
  /** Either: our own addresses may come in as sources. */
  accept_local: onOff(0),
  /** Either: 127/8 is not kept to this host. */
  route_localnet: onOff(0),
  /** Either: martians are counted (martians_logged of `ethtool -S`). */
  log_martians: onOff(0),
  /** Both: what is for all of another of our networks is sent on there (RFC 2644 has it off). */
  bc_forwarding: onOff(0),
  /** Either: what came to a group's link address is not for one host (RFC 1122 section 3.3.6). */
  drop_unicast_in_l2_multicast: onOff(0),
  /** Either, as proxy_arp_pvlan: we answer for hosts that we reach by another device, or by the same. */
  proxy_arp: onOff(0),
  proxy_arp_pvlan: onOff(0),
  /** Either: only the device answers by which the answer's way leads. */
  arp_filter: onOff(0),
  /** The greater: which source asks (0 any, 1 one that the target knows, 2 the best). */
  arp_announce: number(0, 2),
  /** The greater: for which of our addresses requests are answered (ipv4/arp.ts). */
  arp_ignore: number(0, 8),
  /** The greater: entries are made for who was not asked, 1 for all, 2 for those of our networks. */
  arp_accept: number(0, 2),
  /** The greater: neighbours are told when the device comes up or has another link address. */
  arp_notify: onOff(0),
  /** Both: neighbours are forgotten with the carrier. */
  arp_evict_nocarrier: onOff(1),
  /** Either. */
  drop_gratuitous_arp: onOff(0),
  /** Either's; 0 is as old as the oldest querier. */
  force_igmp_version: number(0, 3),
  /** Milliseconds between two tellings of a change. */
  igmpv2_unsolicited_report_interval: { all: 10000, otherwise: 10000, min: 1, max: MAX },
  igmpv3_unsolicited_report_interval: { all: 1000, otherwise: 1000, min: 1, max: MAX },
} as const satisfies Record<string, Setting>

const IPV6 = {
  /** Of `all`: whether packets are sent on. */
  forwarding: onOff(1),
  /** Sends packets on though `all` does not. */
  force_forwarding: onOff(0),
  hop_limit: { all: 64, otherwise: 64, min: 1, max: 255 },
  /** The largest packet sent by the device; 0 is the device's own. */
  mtu: number(0, 65536),
  disable_ipv6: onOff(0),
  /** Either: what leaves by a device has an address of it. */
  use_oif_addrs_only: onOff(0),
  /** Either: neighbours are told when the device comes up or has another link address. */
  ndisc_notify: onOff(0),
  /** What was sent to many by a link's address, but to one by its IP, is dropped (RFC 7042 has no use for it). */
  drop_unicast_in_l2_multicast: onOff(0),
  /** Either: an address is tried before it is ours (RFC 4862 section 5.4); 2: IPv6 ends where the MAC's is taken. */
  accept_dad: number(1, 2, 0),
  /** How often it is asked for. */
  dad_transmits: number(1, MAX),
  /** Either: by a number of our own, which tells our question from another's (RFC 7527). */
  enhanced_dad: onOff(1),
  /** Either, on a host: addresses are used while they are tried (RFC 4429), and preferred as others are. */
  optimistic_dad: onOff(0),
  use_optimistic: onOff(0),
  /** How the address of the link is made: 0 of the MAC (RFC 4291 appendix A), 1 not at all. */
  addr_gen_mode: number(0, 1),
  /** Seconds, at most, until the first word on a link. */
  router_solicitation_delay: number(1, MAX),
  /** Either's, as force_igmp_version. */
  force_mld_version: number(0, 2),
  mldv1_unsolicited_report_interval: { all: 10000, otherwise: 10000, min: 1, max: MAX },
  mldv2_unsolicited_report_interval: { all: 1000, otherwise: 1000, min: 1, max: MAX },
} as const satisfies Record<string, Setting>

type Settings = Readonly<Record<string, Setting>>
export type ConfFamily = 'ipv4' | 'ipv6'
export const SETTINGS: Readonly<Record<ConfFamily, Settings>> = { ipv4: IPV4, ipv6: IPV6 }

// A row is a half for each family: the settings, and behind them a bit for each that somebody has set on this device.
const HALF = DEV_CONF_WORDS / 2
const FIRST: Readonly<Record<ConfFamily, number>> = { ipv4: 0, ipv6: HALF }
const SET_BITS = HALF - 2
const names = <S extends Settings>(settings: S): (keyof S & string)[] => Object.keys(settings)

/** Where a setting lies in a row. */
export const Conf4 = numbered(names(IPV4), FIRST.ipv4)
export const Conf6 = numbered(names(IPV6), FIRST.ipv6)
for (const settings of Object.values(SETTINGS))
  if (names(settings).length > SET_BITS)
    throw new Error(`devconf: more settings than there is room for (${SET_BITS})`)

/** The row of `all` is that of no device, the row of `default` that behind the last. */
export const CONF_ALL = 0
export const confDefault = (arena: Arena): number => arena.layout.config.devices
export const confRow = (arena: Arena, ifindex: number): number =>
  arena.layout.devConf + ifindex * DEV_CONF_WORDS

/** The word of a setting, or -1. */
export const confWord = (family: ConfFamily, name: string): number =>
  Object.hasOwn(SETTINGS[family], name) ? FIRST[family] + names(SETTINGS[family]).indexOf(name) : -1

/** Has somebody set it on this device? Then a change of `default` passes the device by. */
export const isConfSet = (arena: Arena, ifindex: number, family: ConfFamily, word: number) => {
  const k = word - FIRST[family]
  const bits = arena.i32[confRow(arena, ifindex) + FIRST[family] + SET_BITS + (k >> 5)]
  return ((bits >> (k & 31)) & 1) !== 0
}
export const noteConfSet = (
  arena: Arena,
  ifindex: number,
  family: ConfFamily,
  word: number
): void => {
  const k = word - FIRST[family]
  arena.i32[confRow(arena, ifindex) + FIRST[family] + SET_BITS + (k >> 5)] |= 1 << (k & 31)
}

/** Writes what everything is at first; control, once. */
export const setConfDefaults = (arena: Arena): void => {
  const { i32 } = arena
  for (const family of ['ipv4', 'ipv6'] as const)
    for (const [name, { all, otherwise }] of Object.entries(SETTINGS[family])) {
      const word = confWord(family, name)
      i32[confRow(arena, CONF_ALL) + word] = all
      for (let row = 1; row <= confDefault(arena); row++)
        i32[confRow(arena, row) + word] = otherwise
    }
}
/** What a new device begins with; control. */
export const initConf = (arena: Arena, ifindex: number): void => {
  const from = confRow(arena, confDefault(arena))
  arena.i32.copyWithin(confRow(arena, ifindex), from, from + DEV_CONF_WORDS)
}
