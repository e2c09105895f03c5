/**
 * The transmit half of pcap devices: what is sent is appended to a capture file, on the thread that sends. The record's
 * header is written into the skb's headroom, so that one write(2) in append mode adds the record whole, and
 * workers need no lock. capture-file.ts opens the file, pcap-replay.ts has the other half. Formats: core/wire/pcap.ts. Closest
 * counterpart: tcpdump -w.
 */
import { fstatSync } from 'node:fs'
import { putI32le } from '../../core/base/bytes.ts'
import {
  DEV_FLAGS,
  DEV_GENERATION,
  DEV_IFINDEX,
  DEV_PRIV,
  DevStat,
  deviceFds,
  deviceStats,
  IFF_RUNNING,
  NETDEV_TX_OK,
} from '../../core/netdev/netdev.ts'
import type { XmitEnv } from '../../core/dev/kinds/link-kind.ts'
import type { StartXmit } from '../../core/netdev/netdev.ts'
import { DEVICE_FDS } from '../../core/shm/layout.ts'
import { Drop } from '../../core/skb/drop.ts'
import { SKB_DATA, SKB_FRAGS, SKB_HEAD, SKB_TAIL } from '../../core/skb/skb.ts'
import { PCAP_RECORD_LEN } from '../../core/wire/pcap.ts'
import { addressOf, block, Errno, errno, libc } from '../os/libc.ts'

/** Of the device's descriptors: the one that is read from, and the one that is appended to; 0 stands for none. */
export const PCAP_REPLAY = 0
export const PCAP_RECORD = 1

/** Word of the device row: how the replay is paced, PCAP_FAST or PCAP_TIMED. */
export const PCAP_PACE = DEV_PRIV
/** As fast as the backlogs take frames. */
export const PCAP_FAST = 0
/** With the gaps of the capture's timestamps. */
export const PCAP_TIMED = 1

const CLOCK_REALTIME = 0

/** ndo_start_xmit of pcap devices, for one thread. */
export const createPcapXmit = ({
  arena,
  skbs,
  drop,
  deviceFailed,
}: Pick<XmitEnv, 'arena' | 'skbs' | 'drop' | 'deviceFailed'>): StartXmit => {
  const { i32, u8, f64 } = arena
  const base = addressOf(u8)
  const fds = deviceFds(arena, 0)
  const timespec = block(16)
  const now = new Int32Array(timespec.bytes.buffer)
  // Of the recording that this thread has met the end of: nothing may stand behind a record that was cut.
  const endedGeneration = new Int32Array(arena.layout.config.devices).fill(-1)

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
  const noCarrier = (skb: number, dev: number): number => {
    f64[deviceStats(arena, skbs.thread, i32[dev + DEV_IFINDEX]) + DevStat.tx_carrier_errors]++
    return refuse(skb, dev, Drop.DEV_READY)
  }
  /** Takes the part of a record off the file again, that it be read, and continued, behind its last whole one. */
  const takeBack = (fd: number, written: number): void => {
    libc.ftruncate(fd, fstatSync(fd).size - written)
  }
  /** A write took part of a record or none (the disk is full): the recording ends here. */
  const fail = (skb: number, dev: number, fd: number, written: number): number => {
    const error = written < 0 ? errno() : Errno.ENOSPC
    const ifindex = i32[dev + DEV_IFINDEX]
    if (written > 0) takeBack(fd, written)
    if (deviceFailed(ifindex, error)) endedGeneration[ifindex] = i32[dev + DEV_GENERATION]
    return noCarrier(skb, dev)
  }
  return (skb, dev) => {
    const fd = i32[fds + i32[dev + DEV_IFINDEX] * DEVICE_FDS + PCAP_RECORD]
    if (fd === 0) {
      skbs.free(skb)
      return NETDEV_TX_OK
    }
    const isEnded = endedGeneration[i32[dev + DEV_IFINDEX]] === i32[dev + DEV_GENERATION]
    if (isEnded || (i32[dev + DEV_FLAGS] & IFF_RUNNING) === 0) return noCarrier(skb, dev)
    const headroom = i32[skb + SKB_DATA] - i32[skb + SKB_HEAD]
    if (headroom < PCAP_RECORD_LEN || i32[skb + SKB_FRAGS] !== 0) {
      if (!skbs.expandHead(skb, PCAP_RECORD_LEN)) return refuse(skb, dev, Drop.NOMEM)
    }
    const data = i32[skb + SKB_DATA]
    const len = i32[skb + SKB_TAIL] - data
    const at = data - PCAP_RECORD_LEN
    putRecordHeader(at, len)
    const total = len + PCAP_RECORD_LEN
    const written = libc.write(fd, base + at, total)
    if (written !== total) return fail(skb, dev, fd, written)
    skbs.free(skb)
    return NETDEV_TX_OK
  }
}
