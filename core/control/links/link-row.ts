/**
 * A device row as the numbers of RTM_GETLINK, and its name, MAC and impairment written. Control thread.
 */
import {
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
  DEV_MASTER,
  DEV_MTU,
  DEV_NAME,
  DEV_OPERSTATE,
  DEV_PEER,
  DEV_PROMISCUITY,
  DEV_REORDER,
  DEV_RX_QUEUES,
  DEV_STAT_ROWS,
  deviceStats,
  DEV_TX_QUEUES,
  DEV_TXQLEN,
  DEV_TYPE,
  DevStat,
  deviceName,
  deviceRow,
  sumDeviceStat,
  l3TableOf,
} from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'
import type { Mac } from '../../wire/text.ts'
import type { LinkInfo, LinkStats, Netem, QdiscStats } from '../rtnetlink.ts'

const NETEM: readonly (readonly [name: keyof Netem, word: number])[] = [
  ['loss', DEV_LOSS],
  ['duplicate', DEV_DUPLICATE],
  ['reorder', DEV_REORDER],
  ['corrupt', DEV_CORRUPT],
  ['delay', DEV_DELAY],
  ['jitter', DEV_JITTER],
  ['limit', DEV_LIMIT],
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
/** Locally administered, unicast. */
export const drawMac = (random: () => number): Mac => ({
  hi: (random() & 0xfcff) | 0x0200,
  lo: random(),
})
const readMac = ({ u8 }: Arena, row: number): Mac => {
  const at = (row + DEV_MAC) << 2
  return {
    hi: (u8[at] << 8) | u8[at + 1],
    lo: (u8[at + 2] << 24) | (u8[at + 3] << 16) | (u8[at + 4] << 8) | u8[at + 5],
  }
}

/** A limit alone does nothing. A device that had none gets a new qdisc, which has counted nothing. */
export const writeNetem = (arena: Arena, row: number, netem: Netem): void => {
  const { i32 } = arena
  if (i32[row + DEV_IMPAIRED] === 0) forgetQdisc(arena, i32[row + DEV_IFINDEX])
  for (const [name, word] of NETEM) i32[row + word] = netem[name]
  const { limit: _, ...rest } = netem
  i32[row + DEV_IMPAIRED] = Object.values(rest).some((value) => value !== 0) ? 1 : 0
}
/** The threads count on; what they have counted so far is taken off in control's own bank. */
const forgetQdisc = (arena: Arena, ifindex: number): void => {
  const bank = deviceStats(arena, arena.layout.controlThread, ifindex)
  for (const stat of [DevStat.netem_packets, DevStat.netem_bytes, DevStat.netem_drops])
    arena.f64[bank + stat] -= sumDeviceStat(arena, ifindex, stat)
}
const qdiscStatsOf = (arena: Arena, ifindex: number): QdiscStats => ({
  bytes: sumDeviceStat(arena, ifindex, DevStat.netem_bytes),
  packets: sumDeviceStat(arena, ifindex, DevStat.netem_packets),
  drops: sumDeviceStat(arena, ifindex, DevStat.netem_drops),
  backlog: sumDeviceStat(arena, ifindex, DevStat.netem_backlog),
  qlen: sumDeviceStat(arena, ifindex, DevStat.netem_qlen),
})
const readNetem = ({ i32 }: Arena, row: number): Netem | null =>
  i32[row + DEV_IMPAIRED] === 0
    ? null
    : (Object.fromEntries(NETEM.map(([name, word]) => [name, i32[row + word]])) as Netem)

const statsOf = (arena: Arena, ifindex: number): LinkStats => {
  const halves: Record<'rx' | 'tx', Record<string, number>> = {
    rx: { over_errors: 0 },
    tx: { collisions: 0 },
  }
  for (const row of DEV_STAT_ROWS) {
    if (!('stats64' in row)) continue
    const [half, word] = row.stats64
    halves[half][word] = sumDeviceStat(arena, ifindex, DevStat[row.name])
  }
  return halves as LinkStats
}

/** What of a link is the registry's. */
type OfRegistry = Pick<
  LinkInfo,
  | 'kind'
  | 'masterKind'
  | 'data'
  | 'otherEnd'
  | 'xstats'
  | 'minMtu'
  | 'maxMtu'
  | 'carrierChanges'
  | 'isActivated'
>

export const readLink = (arena: Arena, ifindex: number, known: OfRegistry): LinkInfo => {
  const { i32 } = arena
  const row = deviceRow(arena, ifindex)
  return {
    ifindex: i32[row + DEV_IFINDEX],
    name: deviceName(arena, ifindex),
    ...known,
    type: i32[row + DEV_TYPE],
    flags: i32[row + DEV_FLAGS],
    mtu: i32[row + DEV_MTU],
    operstate: i32[row + DEV_OPERSTATE],
    txqlen: i32[row + DEV_TXQLEN] >>> 0,
    mac: readMac(arena, row),
    promiscuity: i32[row + DEV_PROMISCUITY],
    allmulti: i32[row + DEV_ALLMULTI],
    txQueues: i32[row + DEV_TX_QUEUES],
    rxQueues: i32[row + DEV_RX_QUEUES],
    gsoMax: i32[row + DEV_GSO_MAX],
    addrGenMode: i32[confRow(arena, ifindex) + Conf6.addr_gen_mode],
    peer: known.otherEnd?.ifindex ?? i32[row + DEV_PEER],
    master: i32[row + DEV_MASTER],
    l3Table: l3TableOf(arena, ifindex),
    netem: readNetem(arena, row),
    qdiscStats: qdiscStatsOf(arena, ifindex),
    stats: statsOf(arena, ifindex),
  }
}
