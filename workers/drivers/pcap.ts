/**
 * The driver of pcap devices: what is sent is appended to a capture file, what a capture file holds is received.
 * createPcapXmit serves start_xmit on the thread that sends: the record's header is written into the skb's headroom, so
 * that one write(2) in append mode adds the record whole, and workers need no lock. createPcapReplay serves the nic
 * thread. Of the device's descriptors the first is read from and the second appended to; 0 stands for none.
 * Formats: core/wire/pcap.ts. Closest counterparts: tcpreplay(1), tcpdump -w.
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { copyFrom, putI32le } from '../../core/base/bytes.ts'
import {
  DEV_IFINDEX,
  DEV_PRIV,
  DevStat,
  deviceFds,
  deviceRow,
  deviceStats,
  NETDEV_TX_OK,
} from '../../core/netdev/netdev.ts'
import type { StartXmit } from '../../core/netdev/netdev.ts'
import { backlogRing } from '../../core/shm/arena.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { DEVICE_FDS } from '../../core/shm/layout.ts'
import { ringBacklog } from '../../core/shm/ring.ts'
import { Sysctl } from '../../core/shm/sysctl.ts'
import type { DropFn } from '../../core/skb/drop.ts'
import { Drop } from '../../core/skb/drop.ts'
import type { Skbs } from '../../core/skb/skb.ts'
import {
  LARGE_ROOM,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_FRAGS,
  SKB_HEAD,
  SKB_TAIL,
} from '../../core/skb/skb.ts'
import { ETH_HLEN } from '../../core/wire/ethernet.ts'
import {
  LINKTYPE_ETHERNET,
  PCAP_HEADER_LEN,
  PCAP_RECORD_LEN,
  putPcapHeader,
} from '../../core/wire/pcap.ts'
import { createCaptureReader } from '../../core/wire/pcap-reader.ts'
import { addressOf, block, libc } from '../os/libc.ts'
import type { Deliver } from './fd.ts'

/** Which of the device's descriptors is read from, and which is appended to. */
export const PCAP_REPLAY = 0
export const PCAP_RECORD = 1
/** Word of the device row: how the replay is paced, PCAP_FAST or PCAP_TIMED. */
export const PCAP_PACE = DEV_PRIV
/** As fast as the backlogs take frames. */
export const PCAP_FAST = 0
/** With the gaps of the capture's timestamps. */
export const PCAP_TIMED = 1

const CLOCK_REALTIME = 0

/** Opens a capture file to append to, its header written first where the file is new. Control thread. */
export const openPcapRecord = (path: string): number => {
  const { O_WRONLY, O_CREAT, O_APPEND } = constants
  const fd = openSync(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
  if (fstatSync(fd).size !== 0) return fd
  const header = new Uint8Array(PCAP_HEADER_LEN)
  putPcapHeader(header, 0, LARGE_ROOM)
  writeSync(fd, header)
  return fd
}

/** Opens a capture file to replay. Control thread. Throws when it is neither pcap nor pcapng. */
export const openPcapReplay = (path: string): number => {
  const fd = openSync(path, 'r')
  if (createCaptureReader(readWhole(fd)) !== null) return fd
  closeSync(fd)
  throw new Error(`${path} is neither a pcap nor a pcapng file`)
}

/** The file from its start, wherever the descriptor stands. */
const readWhole = (fd: number): Uint8Array => {
  const bytes = new Uint8Array(fstatSync(fd).size)
  let at = 0
  while (at < bytes.length) {
    const n = readSync(fd, bytes, at, bytes.length - at, at)
    if (n === 0) break
    at += n
  }
  return bytes.subarray(0, at)
}

/** ndo_start_xmit of pcap devices, for one thread. */
export const createPcapXmit = (arena: Arena, skbs: Skbs, drop: DropFn): StartXmit => {
  const { i32, u8, f64 } = arena
  const fds = deviceFds(arena, 0)
  const base = addressOf(u8)
  const timespec = block(16)
  const now = new Int32Array(timespec.bytes.buffer)

  const putRecordHeader = (at: number, len: number): void => {
    libc.clock_gettime(CLOCK_REALTIME, timespec.at)
    putI32le(u8, at, now[0])
    putI32le(u8, at + 4, now[2])
    putI32le(u8, at + 8, len)
    putI32le(u8, at + 12, len)
  }
  const refuse = (skb: number, dev: number, reason: Drop): number => {
    f64[deviceStats(arena, skbs.thread, i32[dev + DEV_IFINDEX]) + DevStat.tx_errors]++
    drop(skb, reason)
    return NETDEV_TX_OK
  }
  return (skb, dev) => {
    const fd = i32[fds + i32[dev + DEV_IFINDEX] * DEVICE_FDS + PCAP_RECORD]
    if (fd === 0) {
      skbs.free(skb)
      return NETDEV_TX_OK
    }
    const headroom = i32[skb + SKB_DATA] - i32[skb + SKB_HEAD]
    if (headroom < PCAP_RECORD_LEN || i32[skb + SKB_FRAGS] !== 0) {
      if (!skbs.expandHead(skb, PCAP_RECORD_LEN)) return refuse(skb, dev, Drop.NOMEM)
    }
    const data = i32[skb + SKB_DATA]
    const len = i32[skb + SKB_TAIL] - data
    const at = data - PCAP_RECORD_LEN
    putRecordHeader(at, len)
    const total = len + PCAP_RECORD_LEN
    if (libc.write(fd, base + at, total) !== total) return refuse(skb, dev, Drop.DEV_READY)
    skbs.free(skb)
    return NETDEV_TX_OK
  }
}

export type PcapReplay = ReturnType<ReturnType<typeof createPcapReplay>>

/**
 * Makes the replays of one nic thread: `open(ifindex)` reads the file of a device and gives what the thread polls.
 * A file that is cut short or is no capture ends there, cleanly. `nowUs` is the monotonic clock.
 */
export const createPcapReplay = (arena: Arena, skbs: Skbs, nowUs: () => number) => {
  const { i32, u8, f64, layout } = arena
  const { workers } = layout.config
  const rings = Int32Array.from({ length: workers }, (_, w) => backlogRing(layout, w, skbs.thread))
  const maxBacklog = layout.sysctl + Sysctl.netdev_max_backlog

  /** Frames that any CPU would take now: half a backlog, since the flow limit acts on the other half. */
  const room = (): number => {
    let longest = 0
    for (let w = 0; w < workers; w++) longest = Math.max(longest, ringBacklog(i32, rings[w], 0))
    return (i32[maxBacklog] >> 1) - longest
  }

  return (ifindex: number) => {
    const dev = deviceRow(arena, ifindex)
    const stats = deviceStats(arena, skbs.thread, ifindex)
    const isTimed = i32[dev + PCAP_PACE] === PCAP_TIMED
    let file = readWhole(i32[deviceFds(arena, ifindex) + PCAP_REPLAY])
    const reader = createCaptureReader(file)
    // The frame that is to be delivered next lies in `packet` while `held`.
    const packet = reader?.packet
    let held = reader?.next() ?? false
    let startUs = -1
    let firstUs = 0

    const timestampUs = (): number => packet!.seconds * 1e6 + packet!.nanos / 1e3
    /** Microseconds until the next frame is due. */
    const untilDue = (): number => {
      if (!isTimed) return 0
      if (startUs < 0) {
        startUs = nowUs()
        firstUs = timestampUs()
      }
      return timestampUs() - firstUs - (nowUs() - startUs)
    }
    const advance = (): void => {
      held = reader!.next()
      if (!held) file = new Uint8Array(0)
    }

    /** Delivers up to `budget` frames that are due; returns how many. */
    const poll = (budget: number, deliver: Deliver): number => {
      if (!held) return 0
      const limit = Math.min(budget, room())
      let n = 0
      while (n < limit && held && untilDue() <= 0) {
        const { at, capLen } = packet!
        if (packet!.linkType !== LINKTYPE_ETHERNET || capLen < ETH_HLEN || capLen > LARGE_ROOM) {
          f64[stats + DevStat.rx_length_errors]++
          advance()
          continue
        }
        const skb = skbs.alloc(capLen, RX_HEADROOM)
        if (skb === 0) break
        copyFrom(u8, skbs.put(skb, capLen), file, at, capLen)
        i32[skb + SKB_DEV] = ifindex
        f64[stats + DevStat.rx_packets]++
        f64[stats + DevStat.rx_bytes] += capLen
        deliver(skb)
        advance()
        n++
      }
      return n
    }
    /** Milliseconds that the thread may sleep before the next frame can go; Infinity when there is none. */
    const delayMs = (): number => (held ? Math.max(1, Math.ceil(untilDue() / 1000)) : Infinity)
    return { poll, delayMs, isDone: () => !held }
  }
}
