/**
 * Settings of devices: net.ipv4.conf.*, net.ipv6.conf.* and net.*.neigh.*, a row for each device, one for `all` and one for `default`, from
 * which new devices take theirs. Words in shared memory, written by control; any thread reads
 * `i32[confRow(arena, dev) + Conf4.rp_filter]` and joins it with the row of `all` as Linux does for that setting. To add one is
 * to write its row here, and to read it. Linux: struct ipv4_devconf, struct ipv6_devconf, include/linux/inetdevice.h.
 */
import type { Arena } from './arena.ts'
import { DEV_CONF_WORDS } from './layout.ts'

/** A setting: what it is at first in `all` and in `default`, and its bounds. */
export type Setting = {
  all: number
  otherwise: number
  min: number
  max: number
  isAddress?: true
  tree?: 'neigh'
}
const number = (otherwise: number, max: number, all = otherwise): Setting => ({
  all,
  otherwise,
  min: 0,
  max,
})
const onOff = (otherwise: 0 | 1, all: 0 | 1 = otherwise): Setting => number(otherwise, 1, all)

/** An IPv6 address: four words from there on, `::` at first. */
const address = (): Setting => ({ all: 0, otherwise: 0, min: 0, max: 0, isAddress: true })

const MAX = 2147483647

const neigh = (otherwise: number, max: number, min = 0) =>
  ({ all: otherwise, otherwise, min, max, tree: 'neigh' }) as const
/** Of neighbours: the device's alone counts, and there is no `all`. */
const NEIGH = {
  /** How long an answer is believed: half to one and a half times that. */
  base_reachable_time_ms: neigh(30000, 0x3fffffff, 1),
  /** From one question to the next. */
  retrans_time_ms: neigh(1000, 0x3fffffff, 1),
  /** Seconds that something above may say that it answers, before it is asked. */
  delay_first_probe_time: neigh(5, 3600),
  /** How often it is asked: at the address that it had, then all are, who had none or (resolicit) had that. */
  ucast_solicit: neigh(3, 100),
  mcast_solicit: neigh(3, 100),
  mcast_resolicit: neigh(0, 100),
  unres_qlen_bytes: neigh(212992, MAX),
  /** Seconds that a STALE entry lives that nobody uses, when there are more than gc_thresh1. */
  gc_stale_time: neigh(60, 2147483, 1),
  /** Hundredths of a second, at most, that questions about others wait for whom we answer; 0: none waits. */
  proxy_delay: neigh(80, 214748364),
  /** More of them are not answered. */
  proxy_qlen: neigh(64, MAX),
} as const satisfies Record<string, Setting>

/** In the comments how a device's is joined with that of `all`; without one the device's alone counts. */
const IPV4 = {
  forwarding: onOff(1),
  /** The greater: 0 is off, 1 strict, 2 loose (RFC 3704). */
  rp_filter: number(0, 2),
  /** Either. */
  send_redirects: onOff(1),
  /** Either: a secondary address takes the place of the primary one of its subnet that goes. */
  promote_secondaries: onOff(0),
  /** Either: hosts of several networks share the link. */
  shared_media: onOff(1),
  /** A host: either, a router: both; whether redirects are honoured. `all` is turned with forwarding. */
  accept_redirects: onOff(1, 0),
  /** Either: only to gateways that we have, where hosts of one network are alone on the link. */
  secure_redirects: onOff(1),
  /** Both: packets go the way that their sender has named (RFC 7126 has them dropped). */
  accept_source_route: onOff(1, 0),
  /** Either: our own addresses may come in as sources. */
  accept_local: onOff(0),
  /** Either: 127/8 is not kept to this host. */
  route_localnet: onOff(0),
  /** Either: martians are counted (martians_logged of `ethtool -S`). */
  log_martians: onOff(0),
  /** Either: nobody goes by what leads by a device without a carrier. */
  ignore_routes_with_linkdown: onOff(0),
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
  /** The greater: for which of our addresses requests are answered (ipv4/arp/arp.ts). */
  arp_ignore: number(0, 8),
  /** The greater: entries are made for who was not asked, 1 for all, 2 for those of our networks. */
  arp_accept: number(0, 2),
  /** The greater: neighbours are told when the device comes up or has another link address. */
  arp_notify: onOff(0),
  /** Both: neighbours are forgotten with the carrier. */
  arp_evict_nocarrier: onOff(1),
  /** Either. */
  drop_gratuitous_arp: onOff(0),
  /** The greater: how often an address is asked for before it is ours (RFC 5227 has 3); 0: it is ours at once, as in Linux. */
  dad_transmits: number(0, 16),
  /** Either's; 0 is as old as the oldest querier. */
  force_igmp_version: number(0, 3),
  /** Milliseconds between two tellings of a change. */
  igmpv2_unsolicited_report_interval: { all: 10000, otherwise: 10000, min: 1, max: MAX },
  igmpv3_unsolicited_report_interval: { all: 1000, otherwise: 1000, min: 1, max: MAX },
  ...NEIGH,
  /** Hundredths of a second in which a second answer does not take the place of a first. */
  locktime: neigh(100, 214748364),
} as const satisfies Record<string, Setting>

const IPV6 = {
  /** Of `all`: whether packets are sent on. */
  forwarding: onOff(1),
  /** Sends packets on though `all` does not. */
  force_forwarding: onOff(0),
  hop_limit: { all: 64, otherwise: 64, min: 1, max: 255 },
  /** The largest packet sent by the device, whose own is 0 here; `all` and `default` say nothing of it (ipv6_add_dev). */
  mtu: { all: 1280, otherwise: 1280, min: 1280, max: MAX },
  ignore_routes_with_linkdown: onOff(0),
  disable_ipv6: onOff(0),
  /** That of all, or where it is 0 the device's: above 0 addresses without an end stay while it is down. */
  keep_addr_on_down: { all: 0, otherwise: 0, min: -MAX - 1, max: MAX },
  /** Either: what leaves by a device has an address of it. */
  use_oif_addrs_only: onOff(0),
  /** Either: neighbours are told when the device comes up or has another link address. */
  ndisc_notify: onOff(0),
  /** Either, of a router: it answers for the addresses that `ip neigh add proxy` names. */
  proxy_ndp: onOff(0),
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
  /** Of what addresses are made that tell nothing of the device (RFC 7217); `::` is none. Of `default`, for devices without. */
  stable_secret: address(),
  /** How that of the link and those of prefixes are made: 0, 1 of the MAC (RFC 4291 appendix A), at 1 none of the link, 2 of the secret, 3 of one that is drawn. */
  addr_gen_mode: number(0, 3),
  /** Seconds, at most, until the first word on a link. */
  router_solicitation_delay: number(1, MAX),
  /** How often routers are asked for (-1: until one answers), and seconds from the first to the second time, and at most. */
  router_solicitations: { all: -1, otherwise: -1, min: -1, max: MAX },
  router_solicitation_interval: number(4, MAX),
  router_solicitation_max_interval: number(3600, MAX),
  /** Routers are believed: 1 by a host, 2 by a router too. */
  accept_ra: number(1, 2),
  /** Of them: that they are default routers, by which metric, how much they are worth (RFC 4191), for at least so many seconds. */
  accept_ra_defrtr: onOff(1),
  ra_defrtr_metric: { all: 1024, otherwise: 1024, min: 1, max: MAX },
  accept_ra_rtr_pref: onOff(1),
  accept_ra_min_lft: number(0, MAX),
  /** What they say of the hops of packets, unless it is less, of prefixes, and of the link's MTU. */
  accept_ra_min_hop_limit: number(1, MAX),
  accept_ra_pinfo: onOff(1),
  accept_ra_mtu: onOff(1),
  /** Routes to prefixes of these lengths (RFC 4191). */
  accept_ra_rt_info_min_plen: number(0, 128),
  accept_ra_rt_info_max_plen: number(0, 128),
  /** Also from an address of our own. */
  accept_ra_from_local: onOff(0),
  /** Redirects are believed, by a host. */
  accept_redirects: onOff(1),
  /** Addresses are made of what routers say of prefixes, while there are fewer than max_addresses (0: any number). */
  autoconf: onOff(1),
  max_addresses: number(16, MAX),
  /** Beside them stand temporary ones (RFC 8981): 1 on demand, 2 as the usual source; -1 where none was to be had. */
  use_tempaddr: { all: 0, otherwise: 0, min: -MAX - 1, max: MAX },
  /** Seconds that they live and are preferred, less what is drawn for each device. */
  temp_valid_lft: number(604800, MAX),
  temp_prefered_lft: number(86400, MAX),
  max_desync_factor: number(600, MAX),
  /** How many are tried, and how many seconds the next one comes earlier than all of those need. */
  regen_max_retry: number(3, MAX),
  regen_min_advance: number(2, MAX),
  /**
   * Of a router, what it advertises (RFC 4861 section 6.2.1 has these names in capitals): whether it does, and seconds from
   * one advertisement to the next, at most and at least (0: a third of that).
   */
  adv_send_advertisements: onOff(0),
  max_rtr_adv_interval: { all: 600, otherwise: 600, min: 4, max: 1800 },
  min_rtr_adv_interval: number(0, 1350),
  adv_managed_flag: onOff(0),
  adv_other_config_flag: onOff(0),
  /** What is 0 is not said. */
  adv_link_mtu: number(0, 65535),
  adv_reachable_time: number(0, 3600000),
  adv_retrans_timer: number(0, MAX),
  adv_cur_hop_limit: number(64, 255),
  /** Seconds; -1: three times the interval; 0: no default router. And what it is worth (RFC 4191). */
  adv_default_lifetime: { all: -1, otherwise: -1, min: -1, max: 9000 },
  adv_default_preference: { all: 0, otherwise: 0, min: -1, max: 1 },
  /** Of the prefixes of its addresses: seconds, as long as the address itself has them, and whether hosts make addresses of them. */
  adv_valid_lifetime: number(2592000, MAX),
  adv_preferred_lifetime: number(604800, MAX),
  adv_autonomous_flag: onOff(1),
  /** A DNS server (RFC 8106), unless it is `::`. */
  adv_rdnss: address(),
  /** Either's, as force_igmp_version. */
  force_mld_version: number(0, 2),
  mldv1_unsolicited_report_interval: { all: 10000, otherwise: 10000, min: 1, max: MAX },
  mldv2_unsolicited_report_interval: { all: 1000, otherwise: 1000, min: 1, max: MAX },
  ...NEIGH,
} as const satisfies Record<string, Setting>

type Settings = Readonly<Record<string, Setting>>
export type ConfFamily = 'ipv4' | 'ipv6'
export const SETTINGS: Readonly<Record<ConfFamily, Settings>> = { ipv4: IPV4, ipv6: IPV6 }

// A row is a half for each family: the settings, and behind them a bit for each that somebody has set on this device.
const HALF = DEV_CONF_WORDS / 2
const FIRST: Readonly<Record<ConfFamily, number>> = { ipv4: 0, ipv6: HALF }
const SET_BITS = HALF - HALF / 32
const sizeOf = ({ isAddress }: Setting): number => (isAddress ? 4 : 1)
/** Where each setting lies in a row, from `first` on. */
const placed = <S extends Settings>(
  settings: S,
  first: number
): Record<keyof S & string, number> => {
  let next = first
  const at: Record<string, number> = {}
  for (const [name, setting] of Object.entries(settings)) {
    at[name] = next
    next += sizeOf(setting)
  }
  if (next - first > SET_BITS)
    throw new Error(`devconf: more settings than there is room for (${SET_BITS})`)
  return at as Record<keyof S & string, number>
}
export const Conf4 = placed(IPV4, FIRST.ipv4)
export const Conf6 = placed(IPV6, FIRST.ipv6)
const PLACES: Readonly<Record<ConfFamily, Readonly<Record<string, number>>>> = {
  ipv4: Conf4,
  ipv6: Conf6,
}

/** The row of `all` is that of no device, the row of `default` that behind the last. */
export const CONF_ALL = 0
export const confDefault = (arena: Arena): number => arena.layout.config.devices
export const confRow = (arena: Arena, ifindex: number): number =>
  arena.layout.devConf + ifindex * DEV_CONF_WORDS

/** The word of a setting, or -1. */
export const confWord = (family: ConfFamily, name: string): number =>
  Object.hasOwn(PLACES[family], name) ? PLACES[family][name] : -1

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

/** IPv6 goes by the device's own MTU (addrconf_notify, ipv6_add_dev); control. */
export const takeOwnMtu6 = (arena: Arena, ifindex: number): void => {
  arena.i32[confRow(arena, ifindex) + Conf6.mtu] = 0
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
  for (let ifindex = 1; ifindex < confDefault(arena); ifindex++) takeOwnMtu6(arena, ifindex)
}
/** What a new device begins with; control. */
export const initConf = (arena: Arena, ifindex: number): void => {
  const from = confRow(arena, confDefault(arena))
  arena.i32.copyWithin(confRow(arena, ifindex), from, from + DEV_CONF_WORDS)
  takeOwnMtu6(arena, ifindex)
}
