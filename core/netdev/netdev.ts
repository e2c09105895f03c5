/**
 * net_device: a row in the arena that control writes and every thread reads. The row of ifindex n is
 * `devices + n * DEVICE_WORDS`; row 0 is not used. What differs between kinds of device is the driver:
 * `start_xmit`, chosen by DEV_KIND from the table a thread's stack is made with. Everything a driver needs to
 * send (ring bases, the peer) is in the row, and its descriptors are in a region beside it (`deviceFds`), so a worker
 * needs no message to use a new device.
 * Linux: include/linux/netdevice.h.
 */
import type { Arena } from '../shm/arena.ts'
import { numbered } from '../shm/counters.ts'
import { DEV_STATS, DEVICE_FDS, DEVICE_WORDS } from '../shm/layout.ts'

/** ifindex, or 0 while the row is free. */
export const DEV_IFINDEX = 0
export const DEV_FLAGS = 1
export const DEV_MTU = 2
/** ARPHRD_* */
export const DEV_TYPE = 3
/** Number of its kind, by which start_xmit is chosen (dev/kinds/kinds.ts). */
export const DEV_KIND = 4
export const DEV_FEATURES = 5
export const DEV_TX_QUEUES = 6
export const DEV_RX_QUEUES = 7
/** Six bytes from byte offset (row + DEV_MAC) << 2. */
export const DEV_MAC = 8
export const DEV_TXQLEN = 10
export const DEV_OPERSTATE = 11
export const DEV_PROMISCUITY = 12
export const DEV_ALLMULTI = 13
/** Rises when a row is reused, so that private state kept by ifindex is found stale. */
export const DEV_GENERATION = 14
/** Largest super-frame the device takes (bytes of IP packet); 0 when it takes none. */
export const DEV_GSO_MAX = 15
export const DEV_PEER = 16
/** Network namespace it is in: a number; INIT_NET is there from the start (Linux: init_net). */
export const DEV_NET = 17
/** Entries of its RFS table (rps_flow_cnt); 0 is off. */
export const DEV_RPS_FLOW_CNT = 18
/** 1: worker i reads queue i itself (multiqueue); 0: the nic thread reads the one queue. */
export const DEV_NAPI = 19
/** 1 when any word of the impairment is set: the only one the path looks at. */
export const DEV_IMPAIRED = 20
/** What the device is to multicast that passes through, MC_ROLE_* (inet/mc/mfc-constants.ts): of IPv4 and of IPv6. */
export const DEV_MC_ROLE4 = 21
export const DEV_MC_ROLE6 = 22
/** Ifindex of the device that it is enslaved to (IFLA_MASTER), or 0. */
export const DEV_MASTER = 23
/** Ifindex of its L3 master: the VRF that it is, or that it is enslaved to; 0: it is in the default domain. */
export const DEV_L3MDEV = 24
/** Of a VRF: its table, and the roots of that table's tries, 0 while there are none (control/l3mdev.ts keeps them). */
export const DEV_VRF_TABLE = 25
export const DEV_VRF_ROOT4 = 26
export const DEV_VRF_ROOT6 = 27
/** Sixteen bytes, NUL-terminated. */
export const DEV_NAME = 28
/** Impairment, in parts per million but for delay and jitter (microseconds) and limit (packets). */
export const DEV_LOSS = 32
export const DEV_DUPLICATE = 33
export const DEV_REORDER = 34
export const DEV_CORRUPT = 35
export const DEV_DELAY = 36
export const DEV_JITTER = 37
export const DEV_LIMIT = 38
/** For the driver, to the end of the row. */
export const DEV_PRIV = 96

export const INIT_NET = 0

// Flags (include/uapi/linux/if.h).
export const IFF_UP = 0x1
export const IFF_BROADCAST = 0x2
export const IFF_LOOPBACK = 0x8
export const IFF_POINTOPOINT = 0x10
export const IFF_RUNNING = 0x40
export const IFF_NOARP = 0x80
export const IFF_PROMISC = 0x100
export const IFF_ALLMULTI = 0x200
export const IFF_MASTER = 0x400
export const IFF_MULTICAST = 0x1000
export const IFF_LOWER_UP = 0x10000

export const ARPHRD_ETHER = 1
export const ARPHRD_LOOPBACK = 772

// Operational state (RFC 2863).
export const IF_OPER_UNKNOWN = 0
/** The host's side of it is gone: nobody polls what is left. */
export const IF_OPER_NOTPRESENT = 1
export const IF_OPER_DOWN = 2
/** Another device here that it needs is down. */
export const IF_OPER_LOWERLAYERDOWN = 3
export const IF_OPER_UP = 6

// Features.
export const NETIF_F_HW_CSUM = 1
export const NETIF_F_TSO = 2
export const NETIF_F_TSO6 = 4
export const NETIF_F_RXCSUM = 8
export const NETIF_F_USO = 16
/** Frames are led by a 10-byte virtio_net_hdr. */
export const NETIF_F_VNET_HDR = 32
/** start_xmit takes skbs with a frag list (writev); others get linear ones. */
export const NETIF_F_FRAGLIST = 64
/** Received frames of a flow are put together (dev/gro.ts). */
export const NETIF_F_GRO = 128
/** Datagrams too; off unless asked for. */
export const NETIF_F_GRO_UDP_FWD = 256

/**
 * Statistics of a device, per thread: rtnl_link_stats64's, and below them what `ethtool -S` alone shows. `stats64` says where
 * `ip -s` has one, `proc` the column of /proc/net/dev that it is added to. To add one is to write its row, and to raise it.
 */
export const DEV_STAT_ROWS = [
  { name: 'rx_packets', stats64: ['rx', 'packets'], proc: 'packets' },
  { name: 'tx_packets', stats64: ['tx', 'packets'], proc: 'packets' },
  { name: 'rx_bytes', stats64: ['rx', 'bytes'], proc: 'bytes' },
  { name: 'tx_bytes', stats64: ['tx', 'bytes'], proc: 'bytes' },
  { name: 'rx_errors', stats64: ['rx', 'errors'], proc: 'errs' },
  { name: 'tx_errors', stats64: ['tx', 'errors'], proc: 'errs' },
  { name: 'rx_dropped', stats64: ['rx', 'dropped'], proc: 'drop' },
  { name: 'tx_dropped', stats64: ['tx', 'dropped'], proc: 'drop' },
  { name: 'multicast', stats64: ['rx', 'multicast'], proc: 'multicast' },
  { name: 'rx_length_errors', stats64: ['rx', 'length_errors'], proc: 'frame' },
  { name: 'rx_crc_errors', stats64: ['rx', 'crc_errors'], proc: 'frame' },
  { name: 'rx_frame_errors', stats64: ['rx', 'frame_errors'], proc: 'frame' },
  { name: 'rx_missed_errors', stats64: ['rx', 'missed_errors'], proc: 'drop' },
  { name: 'tx_carrier_errors', stats64: ['tx', 'carrier_errors'], proc: 'carrier' },
  { name: 'rx_nohandler', stats64: ['rx', 'nohandler'] },
  { name: 'tx_busy' },
  { name: 'gso_packets' },
  /** Frames that receive offload put together, and what they became. */
  { name: 'rx_gro_packets' },
  { name: 'rx_gro_skbs' },
  /** Frames that a tap missed because it held all that it may. */
  { name: 'tap_missed' },
  /** Packets whose addresses cannot be, while log_martians is on. */
  { name: 'rx_martians' },
  /** What netem has sent on and thrown away (gnet_stats_basic, gnet_stats_queue), and what waits in it. */
  { name: 'netem_packets' },
  { name: 'netem_bytes' },
  { name: 'netem_drops' },
  { name: 'netem_qlen' },
  { name: 'netem_backlog' },
] as const

type DevStatRow = (typeof DEV_STAT_ROWS)[number]
/** A direction's statistics as `ip -s` names them. */
export type Stats64<Half extends 'rx' | 'tx'> = {
  [Row in Extract<DevStatRow, { stats64: readonly [Half, string] }> as Row['stats64'][1]]: number
}

/** Where each lies behind deviceStats(). */
export const DevStat = numbered(
  DEV_STAT_ROWS.map(({ name }) => name),
  0
)
if (DEV_STAT_ROWS.length > DEV_STATS)
  throw new Error(`netdev: ${DEV_STAT_ROWS.length} statistics are more than there is room for`)

export const NETDEV_TX_OK = 0
/** The device has no room now: the packet still belongs to the caller. */
export const NETDEV_TX_BUSY = 1

/** Sends a frame (with its link header) and takes it over; NETDEV_TX_BUSY leaves it with the caller. */
export type StartXmit = (skb: number, dev: number) => number

/** Row of an ifindex. */
export const deviceRow = (arena: Arena, ifindex: number): number =>
  arena.layout.devices + ifindex * DEVICE_WORDS

/** Is there a device of that number, which may be anything? */
export const isDevice = (arena: Arena, ifindex: number): boolean =>
  ifindex > 0 &&
  ifindex < arena.layout.config.devices &&
  arena.i32[deviceRow(arena, ifindex) + DEV_IFINDEX] === ifindex

/** L3 master of a device, or 0; also of device 0, which is none. */
export const l3mdevOf = ({ i32, layout }: Arena, ifindex: number): number =>
  i32[layout.devices + ifindex * DEVICE_WORDS + DEV_L3MDEV]

/** Number of the table of a device's VRF, or 0 (l3mdev_fib_table). */
export const l3TableOf = (arena: Arena, ifindex: number): number => {
  const { i32, layout } = arena
  return i32[layout.devices + l3mdevOf(arena, ifindex) * DEVICE_WORDS + DEV_VRF_TABLE] >>> 0
}

/** What is said there nobody hears. */
const MUTE: readonly number[] = [IF_OPER_NOTPRESENT, IF_OPER_DOWN, IF_OPER_LOWERLAYERDOWN]
/** Is it there and up, with a carrier to speak by? */
export const speaks = (arena: Arena, ifindex: number): boolean => {
  const row = deviceRow(arena, ifindex)
  const isUp = (arena.i32[row + DEV_FLAGS] & IFF_UP) !== 0
  return (
    arena.i32[row + DEV_IFINDEX] === ifindex &&
    isUp &&
    !MUTE.includes(arena.i32[row + DEV_OPERSTATE])
  )
}

/** First word of a device's descriptors: that of queue q is `deviceFds(arena, ifindex) + q`. */
export const deviceFds = (arena: Arena, ifindex: number): number =>
  arena.layout.deviceFds + ifindex * DEVICE_FDS

/** First f64 word of the statistics that `thread` keeps of a device. */
export const deviceStats = (arena: Arena, thread: number, ifindex: number): number =>
  arena.layout.devStatsF64 + (thread * arena.layout.config.devices + ifindex) * DEV_STATS

/** A device's counter summed over the threads. */
export const sumDeviceStat = (arena: Arena, ifindex: number, stat: number): number => {
  let sum = 0
  for (let t = 0; t < arena.layout.threads; t++)
    sum += arena.f64[deviceStats(arena, t, ifindex) + stat]
  return sum
}

/** The device's name (cold). */
export const deviceName = (arena: Arena, ifindex: number): string => {
  const at = (deviceRow(arena, ifindex) + DEV_NAME) << 2
  let name = ''
  for (let k = 0; k < 16 && arena.u8[at + k] !== 0; k++)
    name += String.fromCharCode(arena.u8[at + k])
  return name
}
