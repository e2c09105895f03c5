/**
 * The receive half of pcap devices: frames of a capture file are received, on the nic thread, as fast as the backlogs
 * take them or at their recorded times. The file is read a window at a time. Packets of link types that are not
 * Ethernet but carry IP get an Ethernet header to the device's own address. Closest counterpart: tcpreplay(1).
 */
import { copyFrom, putU16, u16, zero } from '../../core/base/bytes.ts'
import type { DeviceFailed } from '../../core/netdev/device-failed.ts'
import { DEV_MAC, DevStat, deviceFds, deviceRow, deviceStats } from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { backlogRing } from '../../core/shm/arena.ts'
import { ringBacklog } from '../../core/shm/ring.ts'
import { Sysctl } from '../../core/shm/sysctl.ts'
import type { Skbs } from '../../core/skb/skbs.ts'
import { LARGE_ROOM, RX_HEADROOM, SKB_DATA, SKB_DEV, SKB_LEN } from '../../core/skb/skb.ts'
import type { CapturedPacket, CaptureReader } from '../../core/wire/captured-packet.ts'
import { copyMac, ETH_ALEN, ETH_HLEN, ETH_P_802_3_MIN } from '../../core/wire/ethernet.ts'
import type { LinkHeader } from '../../core/wire/linktype.ts'
import { isReadableLinkType, readLinkHeader } from '../../core/wire/linktype.ts'
import { LINKTYPE_ETHERNET, PCAPNG_CRC_ERROR } from '../../core/wire/pcap.ts'
import { createCaptureReader } from '../../core/wire/pcap-reader.ts'
import { Errno } from '../os/libc.ts'
import { fileSource } from './capture-file.ts'
import type { Deliver } from './fd-rx.ts'
import { PCAP_PACE, PCAP_REPLAY, PCAP_TIMED } from './pcap.ts'

/** Blocks a frame waits for memory. */
const NO_MEMORY = -1
const SKIPPED = 0

export type PcapReplay = ReturnType<ReturnType<typeof createPcapReplay>>

/**
 * Makes the replays of one nic thread: `open(ifindex)` begins the file of a device and gives what the thread polls.
 * Where the file ends, control is told (`deviceFailed`): ENODATA for its end, EBADMSG for a file cut short or malformed,
 * and once EPROTONOSUPPORT when it holds packets that cannot be received. `nowUs` is the monotonic clock.
 */
export const createPcapReplay = (
  arena: Arena,
  skbs: Skbs,
  nowUs: () => number,
  deviceFailed: DeviceFailed
) => {
  const { i32, u8, f64, layout } = arena
  const { workers } = layout.config
  const rings = Int32Array.from({ length: workers }, (_, w) => backlogRing(layout, w, skbs.thread))
  const maxBacklog = layout.sysctl + Sysctl.netdev_max_backlog
  const header: LinkHeader = { len: 0, type: 0, isBroadcast: false }

  /** Frames that any CPU would take now: half a backlog, since the flow limit acts on the other half. */
  const room = (): number => {
    let longest = 0
    for (let w = 0; w < workers; w++) longest = Math.max(longest, ringBacklog(i32, rings[w], 0))
    return (i32[maxBacklog] >> 1) - longest
  }

  /** Puts an Ethernet header before the packet: to the device, from nobody. */
  const pushEthernet = (skb: number, mac: number): void => {
    skbs.push(skb, ETH_HLEN)
    const at = i32[skb + SKB_DATA]
    if (header.isBroadcast) u8.fill(0xff, at, at + ETH_ALEN)
    else copyMac(u8, at, u8, mac)
    zero(u8, at + ETH_ALEN, ETH_ALEN)
    putU16(u8, at + 2 * ETH_ALEN, header.type)
  }

  return (ifindex: number) => {
    const dev = deviceRow(arena, ifindex)
    const stats = deviceStats(arena, skbs.thread, ifindex)
    const isTimed = i32[dev + PCAP_PACE] === PCAP_TIMED
    let reader: CaptureReader | null = createCaptureReader(
      fileSource(i32[deviceFds(arena, ifindex) + PCAP_REPLAY])
    )
    // The frame that is to be delivered next lies in `packet` while `held`.
    const packet = reader?.packet
    let held = reader?.next() ?? false
    let blocksSkipped = 0
    let startUs = -1
    let firstUs = 0
    /** What control is still to be told; 0 for nothing. */
    let endErrno: number = reader === null ? Errno.EBADMSG : 0
    let oddErrno = 0
    let isOddTold = false

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
    const countError = (stat: number, n = 1): void => {
      f64[stats + DevStat.rx_errors] += n
      f64[stats + stat] += n
    }
    /** The end of the file: its window is let go. */
    const finish = (): void => {
      endErrno = reader!.problem() === null ? Errno.ENODATA : Errno.EBADMSG
      reader = null
    }
    const advance = (): void => {
      held = reader!.next()
      const skipped = reader!.skipped()
      if (skipped !== blocksSkipped) countError(DevStat.rx_frame_errors, skipped - blocksSkipped)
      blocksSkipped = skipped
      if (!held) finish()
    }
    if (reader !== null && !held) finish()

    const tell = (): void => {
      if (oddErrno !== 0 && deviceFailed(ifindex, oddErrno)) oddErrno = 0
      if (endErrno !== 0 && deviceFailed(ifindex, endErrno)) endErrno = 0
    }
    /** Tells once that the file has packets which nobody here receives. */
    const tellOdd = (): void => {
      if (!isOddTold) oddErrno = Errno.EPROTONOSUPPORT
      isOddTold = true
    }
    /** A packet of no kind that a device like this could receive: counted. */
    const isOdd = (): number => {
      tellOdd()
      countError(DevStat.rx_frame_errors)
      return SKIPPED
    }

    /** An skb of the held packet, its FCS taken off; SKIPPED or NO_MEMORY. */
    const toSkb = ({ at, capLen, len, linkType, fcsLen, errors }: CapturedPacket): number => {
      if (!isReadableLinkType(linkType)) return isOdd()
      if (errors !== 0) {
        const isCrc = (errors & PCAPNG_CRC_ERROR) !== 0
        countError(isCrc ? DevStat.rx_crc_errors : DevStat.rx_frame_errors)
        return SKIPPED
      }
      const whole = Math.max(0, len - fcsLen)
      const kept = Math.min(capLen, whole)
      if (kept > LARGE_ROOM - ETH_HLEN) {
        countError(DevStat.rx_length_errors)
        return SKIPPED
      }
      const skb =
        linkType === LINKTYPE_ETHERNET ? ethernetSkb(at, kept) : otherSkb(linkType, at, kept)
      // what the capture did not keep of it is missing: the stack finds out, and here it is counted
      if (skb > 0 && kept < whole) f64[stats + DevStat.rx_length_errors]++
      return skb
    }
    const ethernetSkb = (at: number, len: number): number => {
      // an 802.3 frame is received as from any wire, and nobody wants it
      if (len >= ETH_HLEN && u16(reader!.bytes, at + 2 * ETH_ALEN) < ETH_P_802_3_MIN) tellOdd()
      if (len >= ETH_HLEN) return filledSkb(at, len, RX_HEADROOM)
      countError(DevStat.rx_length_errors)
      return SKIPPED
    }
    const otherSkb = (linkType: number, at: number, len: number): number => {
      if (!readLinkHeader(header, linkType, reader!.bytes, at, len)) return isOdd()
      const skb = filledSkb(at + header.len, len - header.len, RX_HEADROOM + ETH_HLEN)
      if (skb > 0) pushEthernet(skb, (dev + DEV_MAC) << 2)
      return skb
    }
    const filledSkb = (at: number, len: number, headroom: number): number => {
      const skb = skbs.alloc(len, headroom)
      if (skb === 0) return NO_MEMORY
      copyFrom(u8, skbs.put(skb, len), reader!.bytes, at, len)
      return skb
    }

    /** Delivers up to `budget` frames that are due; returns how many. */
    const poll = (budget: number, deliver: Deliver): number => {
      if (endErrno !== 0 || oddErrno !== 0) tell()
      if (!held) return 0
      const limit = Math.min(budget, room())
      let n = 0
      // what is skipped counts too: a file of nothing else must not hold the thread
      for (let turns = 0; turns < limit && held && untilDue() <= 0; turns++) {
        const skb = toSkb(packet!)
        if (skb === NO_MEMORY) break
        if (skb !== SKIPPED) {
          i32[skb + SKB_DEV] = ifindex
          f64[stats + DevStat.rx_packets]++
          f64[stats + DevStat.rx_bytes] += i32[skb + SKB_LEN]
          deliver(skb)
          n++
        }
        advance()
      }
      return n
    }
    const mustTell = (): boolean => endErrno !== 0 || oddErrno !== 0
    /** Milliseconds that the thread may sleep before the next frame can go; Infinity when there is none. */
    const delayMs = (): number =>
      held || mustTell() ? Math.max(1, held ? Math.ceil(untilDue() / 1000) : 0) : Infinity
    return { poll, delayMs, isDone: () => !held }
  }
}
