/**
 * A device row as `ip -s -d -j link` prints it, and the row's name and MAC written from text. Control thread.
 */
import {
  ARPHRD_LOOPBACK,
  DEV_ALLMULTI,
  DEV_CORRUPT,
  DEV_DELAY,
  DEV_DUPLICATE,
  DEV_FLAGS,
  DEV_GSO_MAX,
  DEV_IFINDEX,
  DEV_IMPAIRED,
  DEV_JITTER,
  DEV_LIMIT,
  DEV_LOSS,
  DEV_MAC,
  DEV_MTU,
  DEV_NAME,
  DEV_OPERSTATE,
  DEV_PEER,
  DEV_PROMISCUITY,
  DEV_REORDER,
  DEV_RX_QUEUES,
  DEV_TX_QUEUES,
  DEV_TXQLEN,
  DEV_TYPE,
  DevStat,
  deviceName,
  deviceRow,
  IF_OPER_DOWN,
  IF_OPER_NOTPRESENT,
  IF_OPER_UP,
  IFF_ALLMULTI,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_UP,
  sumDeviceStat,
} from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import type { Mac } from '../wire/text.ts'
import { formatMacAt } from '../wire/text.ts'
import type { Impairment, LinkItem } from './messages.ts'

const GSO_MAX_SIZE = 65536
export const IF_OPER_LOWERLAYERDOWN = 3

/** In ip's order. */
const FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [IFF_LOOPBACK, 'LOOPBACK'],
  [IFF_BROADCAST, 'BROADCAST'],
  [IFF_POINTOPOINT, 'POINTOPOINT'],
  [IFF_MULTICAST, 'MULTICAST'],
  [IFF_NOARP, 'NOARP'],
  [IFF_ALLMULTI, 'ALLMULTI'],
  [IFF_PROMISC, 'PROMISC'],
  [IFF_UP, 'UP'],
  [IFF_LOWER_UP, 'LOWER_UP'],
]
const OPERSTATES: Record<number, string> = {
  [IF_OPER_NOTPRESENT]: 'NOTPRESENT',
  [IF_OPER_DOWN]: 'DOWN',
  [IF_OPER_LOWERLAYERDOWN]: 'LOWERLAYERDOWN',
  [IF_OPER_UP]: 'UP',
}

/** netem's words, the row's word of each, and what one unit is there: percent are parts per million. */
export const IMPAIRMENTS: readonly (readonly [
  name: keyof Impairment,
  word: number,
  unit: number,
])[] = [
  ['loss', DEV_LOSS, 10_000],
  ['duplicate', DEV_DUPLICATE, 10_000],
  ['reorder', DEV_REORDER, 10_000],
  ['corrupt', DEV_CORRUPT, 10_000],
  ['delay', DEV_DELAY, 1],
  ['jitter', DEV_JITTER, 1],
  ['limit', DEV_LIMIT, 1],
]

export const writeName = ({ u8 }: Arena, row: number, name: string): void => {
  const at = (row + DEV_NAME) << 2
  u8.fill(0, at, at + 16)
  for (let k = 0; k < name.length; k++) u8[at + k] = name.charCodeAt(k)
}

export const writeMac = ({ u8 }: Arena, row: number, { hi, lo }: Mac): void => {
  const at = (row + DEV_MAC) << 2
  u8.set([hi >> 8, hi, lo >> 24, lo >> 16, lo >> 8, lo], at)
}

/** netem as it was set, or nothing when the link is not impaired. */
export const impairmentOf = ({ i32 }: Arena, row: number): Impairment | undefined => {
  if (i32[row + DEV_IMPAIRED] === 0) return undefined
  const set = IMPAIRMENTS.filter(([, word]) => i32[row + word] !== 0)
  return Object.fromEntries(set.map(([name, word, unit]) => [name, i32[row + word] / unit]))
}

const statsOf = (arena: Arena, ifindex: number): LinkItem['stats64'] => {
  const sum = (stat: number): number => sumDeviceStat(arena, ifindex, stat)
  return {
    rx: {
      bytes: sum(DevStat.rx_bytes),
      packets: sum(DevStat.rx_packets),
      errors: sum(DevStat.rx_errors),
      dropped: sum(DevStat.rx_dropped),
      over_errors: sum(DevStat.rx_over_errors),
      multicast: sum(DevStat.multicast),
    },
    tx: {
      bytes: sum(DevStat.tx_bytes),
      packets: sum(DevStat.tx_packets),
      errors: sum(DevStat.tx_errors),
      dropped: sum(DevStat.tx_dropped),
      carrier_errors: sum(DevStat.tx_carrier_errors),
      collisions: sum(DevStat.collisions),
    },
  }
}

/** `kind` and `data` are the registry's: the row knows only the driver. */
export const formatLink = (
  arena: Arena,
  ifindex: number,
  kind: string,
  data: Record<string, unknown> | undefined,
  xstats?: Record<string, unknown>
): LinkItem => {
  const { i32, u8 } = arena
  const row = deviceRow(arena, ifindex)
  const flags = i32[row + DEV_FLAGS]
  const isLoopback = i32[row + DEV_TYPE] === ARPHRD_LOOPBACK
  const named = FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)
  const noCarrier = (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) === 0
  const peer = i32[row + DEV_PEER]
  const netem = impairmentOf(arena, row)
  return {
    ifindex: i32[row + DEV_IFINDEX],
    ifname: deviceName(arena, ifindex),
    ...(peer !== 0 && { link: deviceName(arena, peer) }),
    flags: noCarrier ? ['NO-CARRIER', ...named] : named,
    mtu: i32[row + DEV_MTU],
    qdisc: netem === undefined ? 'noqueue' : 'netem',
    operstate: OPERSTATES[i32[row + DEV_OPERSTATE]] ?? 'UNKNOWN',
    linkmode: 'DEFAULT',
    group: 'default',
    txqlen: i32[row + DEV_TXQLEN],
    link_type: isLoopback ? 'loopback' : 'ether',
    address: formatMacAt(u8, (row + DEV_MAC) << 2),
    broadcast: isLoopback ? '00:00:00:00:00:00' : 'ff:ff:ff:ff:ff:ff',
    promiscuity: i32[row + DEV_PROMISCUITY],
    allmulti: i32[row + DEV_ALLMULTI],
    num_tx_queues: i32[row + DEV_TX_QUEUES],
    num_rx_queues: i32[row + DEV_RX_QUEUES],
    gso_max_size: i32[row + DEV_GSO_MAX] || GSO_MAX_SIZE,
    ...(kind !== 'lo' && {
      linkinfo: {
        info_kind: kind,
        ...(data && { info_data: data }),
        ...(xstats && { info_xstats: xstats }),
      },
    }),
    ...(netem && { netem }),
    stats64: statsOf(arena, ifindex),
  }
}
