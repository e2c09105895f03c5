/**
 * How large a segment may be: the path's MTU, the peer's MSS option, half of the largest window, the options of
 * the moment; and how many of them go into a super-frame. Asked before each transmission.
 * Linux: tcp_sync_mss, tcp_current_mss, tcp_xmit_size_goal; RFC 9293 3.7.1, RFC 6691.
 */
import { RTAX_ADVMSS } from '../../../shm/dst-metrics.ts'
import { tcpMetric } from '../sock/tcp-metrics.ts'
import { LARGE_BYTES } from '../../../shm/layout.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { MAX_HEADER } from '../../../skb/skb.ts'
import { SK_DST_DEV, SK_FAMILY, SK_MTU } from '../../../socket/sock.ts'
import { extHdrLen } from '../../../socket/inet-sock.ts'
import { OPT_MSS, OPT_SEEN, SEEN_MSS } from '../../../wire/tcp-options.ts'
import {
  TP_GSO_MAX,
  TP_HEADER_LEN,
  TP_MAX_WINDOW,
  TP_MIN_RTT_US,
  TP_MSS_CACHE,
  TP_MSS_CLAMP,
  TP_MTUP_ENABLED,
  TP_MTUP_HIGH,
  TP_MTUP_LOW,
  TP_PMTU,
  TP_ADVMSS,
  TP_USER_MSS,
} from '../sock/tcp-sock.ts'
import { pacingRate } from './tcp-pacing-rate.ts'
import { TCP_MSS_DEFAULT } from '../sock/tcp-constants.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { SkDst } from '../../../inet/dst/sk-dst.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import type { TcpTransmit } from './tcp-transmit.ts'

const TCP_HEADER = 20
/** Largest packet a super-frame may be, IP header included. */
const GSO_LEGACY_MAX = 65535
/** A super-frame is so much of what is sent in a second (1 << sk_pacing_shift). */
const PACING_SHIFT = 1024

export type TcpMss = ReturnType<typeof createTcpMss>
/** `gsoMax(ifindex)`: largest super-frame of the device, 0 when it takes none itself. */
export type TcpMssDeps = {
  i32: Int32Array
  sysctl: number
  /** core/stack/tcp.ts: largest super-frame that the device takes, 0 when it takes none itself. */
  gsoMax: (ifindex: number) => number
  afOps: AfOpsOf
  skDst: SkDst
  cong: TcpCong
}

export const createTcpMss = (deps: TcpMssDeps, transmit: TcpTransmit) => {
  const { i32, sysctl, gsoMax, afOps, cong } = deps
  const { skDstCheck } = deps.skDst
  const { optionsLen } = transmit
  const ipHeaderLen = (sk: number): number => afOps(i32[sk + SK_FAMILY]).headerLen

  /** Never more than half of what the peer has ever offered, so that a window always holds a segment. */
  const boundToHalfWindow = (sk: number, size: number): number => {
    const max = i32[sk + TP_MAX_WINDOW]
    const cutoff = max > TCP_MSS_DEFAULT ? max >> 1 : max
    return cutoff !== 0 && size > cutoff ? Math.max(cutoff, 68 - i32[sk + TP_HEADER_LEN]) : size
  }

  /** Most that a segment to a peer holds that has said nothing of it: what every host takes (RFC 9293 3.7.1). */
  const defaultMss = (sk: number): number =>
    afOps(i32[sk + SK_FAMILY]).defaultMtu - ipHeaderLen(sk) - TCP_HEADER
  /** That of a peer whose SYN is parsed into `opts`: what it says, or TCP_MAXSEG where that is less. */
  const peerMss = (sk: number, opts: Int32Array): number => {
    const offered = opts[OPT_MSS]
    if ((opts[OPT_SEEN] & SEEN_MSS) === 0 || offered === 0) return defaultMss(sk)
    const user = i32[sk + TP_USER_MSS]
    return user !== 0 && user < offered ? user : offered
  }

  /** The MSS of a path (dst_metric_advmss). */
  const pathMss = (sk: number): number => {
    const path = i32[sk + SK_MTU] - ipHeaderLen(sk) - TCP_HEADER
    const least = i32[sysctl + afOps(i32[sk + SK_FAMILY]).minAdvMss]
    return tcpMetric(i32, sk, RTAX_ADVMSS) === 0
      ? Math.max(path, least)
      : Math.min(path, tcpMetric(i32, sk, RTAX_ADVMSS))
  }
  /** The SYN goes again, or crosses one: the path may have become narrower since it went (tcp_advertise_mss). */
  const narrowAdvmss = (sk: number): void => {
    i32[sk + TP_ADVMSS] = Math.min(i32[sk + TP_ADVMSS], pathMss(sk))
  }
  /** The MSS that we announce for a path. */
  const advertisedMss = (sk: number): number => {
    const mss = pathMss(sk)
    const user = i32[sk + TP_USER_MSS]
    return Math.max(
      i32[sysctl + Sysctl.tcp_min_snd_mss],
      user !== 0 && user < mss ? user : Math.min(mss, 65495)
    )
  }

  /** Payload of a packet of `mtu` octets that the peer takes, and how long a packet with that payload is. */
  const mtuToMss = (sk: number, mtu: number): number => {
    const clamp = i32[sk + TP_MSS_CLAMP]
    let mss = mtu - ipHeaderLen(sk) - TCP_HEADER
    if (clamp !== 0 && mss > clamp) mss = clamp
    mss -= extHdrLen(i32, sk)
    const least = i32[sysctl + Sysctl.tcp_min_snd_mss]
    return Math.max(mss, least) - (i32[sk + TP_HEADER_LEN] - TCP_HEADER)
  }
  const mssToMtu = (sk: number, mss: number): number =>
    mss + i32[sk + TP_HEADER_LEN] + extHdrLen(i32, sk) + ipHeaderLen(sk)
  /** Length of a packet with so much behind a header without options. */
  const packetOf = (sk: number, len: number): number => len + TCP_HEADER + ipHeaderLen(sk)

  /** Recomputes the segment size for the path MTU. */
  const syncMss = (sk: number): number => {
    const pmtu = i32[sk + SK_MTU]
    if (i32[sk + TP_MTUP_HIGH] > pmtu) i32[sk + TP_MTUP_HIGH] = pmtu
    let mss = boundToHalfWindow(sk, mtuToMss(sk, pmtu))
    if (i32[sk + TP_MTUP_ENABLED] !== 0) mss = Math.min(mss, mtuToMss(sk, i32[sk + TP_MTUP_LOW]))
    i32[sk + TP_PMTU] = pmtu
    i32[sk + TP_MSS_CACHE] = mss
    i32[sk + TP_GSO_MAX] = gsoMax(i32[sk + SK_DST_DEV])
    return mss
  }

  /** Payload of the next full segment, on the way as it is now: SACK blocks take their share. */
  const currentMss = (sk: number): number => {
    skDstCheck(sk)
    const mtu = i32[sk + SK_MTU]
    const known = i32[sk + TP_PMTU]
    // where the path is probed, a route that promises more is tried out first
    const isSame = mtu === known || (mtu > known && i32[sk + TP_MTUP_ENABLED] !== 0)
    const mss = isSame ? i32[sk + TP_MSS_CACHE] : syncMss(sk)
    return mss - (optionsLen(sk) - (i32[sk + TP_HEADER_LEN] - TCP_HEADER))
  }

  /** Payload of the largest super-frame that the device, or the stack in its place, and a buffer take. */
  const gsoRoom = (sk: number): number => {
    const device = i32[sk + TP_GSO_MAX]
    const most = device === 0 || device > GSO_LEGACY_MAX ? GSO_LEGACY_MAX : device
    return Math.min(
      most - ipHeaderLen(sk) - extHdrLen(i32, sk) - TCP_HEADER - 40,
      LARGE_BYTES - MAX_HEADER
    )
  }
  /** Payload of the next skb of the write queue, a multiple of mss; tsoSegs says later how much of it goes at once. */
  const sizeGoal = (sk: number, mss: number): number => {
    const room = Math.min(gsoRoom(sk), boundToHalfWindow(sk, GSO_LEGACY_MAX))
    return Math.max(mss, room - (room % mss))
  }
  /**
   * Segments that go at once: a millisecond of the pace, so that a slow flow is no burst, and more where the path is so short
   * that a burst does no harm (tcp_tso_autosize).
   */
  const tsoSegs = (sk: number, mss: number): number => {
    const room = gsoRoom(sk)
    let bytes = pacingRate(i32, sk) / PACING_SHIFT
    const far = (i32[sk + TP_MIN_RTT_US] || -1) >>> i32[sysctl + Sysctl.tcp_tso_rtt_log]
    if (far < 32) bytes += room >> far
    const segs = (Math.min(bytes, room) / mss) | 0
    return Math.min(
      Math.max(segs, cong.ops(sk).minTsoSegs?.(sk) ?? i32[sysctl + Sysctl.tcp_min_tso_segs]),
      Math.max(1, (room / mss) | 0)
    )
  }

  return {
    defaultMss,
    peerMss,
    advertisedMss,
    narrowAdvmss,
    syncMss,
    currentMss,
    sizeGoal,
    tsoSegs,
    boundToHalfWindow,
    mtuToMss,
    mssToMtu,
    packetOf,
  }
}
