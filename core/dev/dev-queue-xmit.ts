/**
 * dev_queue_xmit: the last step before a driver. Does in software what the device does not do itself (segmentation,
 * checksums), shows the frame to the taps, and hands it to start_xmit; a device without room gets a bounded
 * pfifo of this worker, which the loop drains with netTxAction. On the worker that sends.
 * Linux: net/core/dev.c __dev_queue_xmit(), validate_xmit_skb(), net_tx_action(); net/sched/sch_fifo.c.
 */
import * as bytes from '../base/bytes.ts'
import * as csum from '../base/checksum.ts'
import { Errno } from '../base/errno.ts'
import type { Time } from '../base/time.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { StartXmit } from '../netdev/netdev.ts'
import {
  DEV_FEATURES,
  DEV_FLAGS,
  DEV_GSO_MAX,
  DEV_IMPAIRED,
  DEV_KIND,
  DEV_TXQLEN,
  DevStat,
  deviceStats,
  IFF_UP,
  NETDEV_TX_BUSY,
  NETIF_F_FRAGLIST,
  NETIF_F_HW_CSUM,
  NETIF_F_TSO,
  NETIF_F_TSO6,
  NETIF_F_USO,
  NETIF_F_VNET_HDR,
} from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_STATS, DEVICE_WORDS } from '../shm/layout.ts'
import { Holder } from '../skb/budget.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  GSO_ACCECN,
  GSO_ECN,
  GSO_TCPV4,
  GSO_TCPV6,
  PACKET_OUTGOING,
  RX_HEADROOM,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_DEV,
  SKB_FRAGS,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NEXT,
  SKB_SENDER,
  SKB_TSKEY,
  SKB_TX_FLAGS,
  SKB_TX_SCHED,
  SKB_TX_SOFTWARE,
} from '../skb/skb.ts'
import { ETH_HLEN } from '../wire/ethernet.ts'
import { createGso } from './gso.ts'
import { SK_TYPE, SOCK_STREAM } from '../socket/sock.ts'
import { SCM_TSTAMP_SCHED, SCM_TSTAMP_SND } from '../socket/socket-constants.ts'
import type { DgramTstamp } from '../transport/dgram-tstamp.ts'
import type { Netem, NetemDeps } from '../sched/netem.ts'
import type { Ptype } from './ptype.ts'

type DevQueueXmitDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  time: Time
  wheel: TimerWheel
  random: () => number
  /** createNetem of sched/netem.ts, by core/stack/link.ts: what holds up the frames of impaired devices. */
  netemOf: (transmit: NetemDeps['transmit'], checksumHelp: NetemDeps['checksumHelp']) => Netem
  /** start_xmit by DEV_KIND (kinds/kinds.ts). */
  drivers: readonly StartXmit[]
  /** How drivers that gather frames end a batch. */
  batchEnds: readonly (() => number)[]
  ptype: Pick<Ptype, 'isTapped' | 'deliverTaps'>
}

type TxTstamp = Pick<DgramTstamp, 'keepFrame' | 'frameSent'>
export type DevQueueXmit = ReturnType<typeof createDevQueueXmit>

/** tx_queue_len of Ethernet devices. */
const DEFAULT_TXQLEN = 1000

export const createDevQueueXmit = (deps: DevQueueXmitDeps) => {
  const { arena, skbs, drop, consume, drivers, batchEnds } = deps
  const { isTapped, deliverTaps } = deps.ptype
  const { i32, u8, f64, layout } = arena
  const { devices } = layout
  const { budget } = skbs
  const stats = deviceStats(arena, skbs.thread, 0)
  const gso = createGso({ arena, skbs, drop, consume })
  // pfifo of each device on this worker: head and tail skb (chained by SKB_NEXT), length
  const queueHead = new Int32Array(layout.config.devices)
  const queueTail = new Int32Array(layout.config.devices)
  const queueLen = new Int32Array(layout.config.devices)
  let queued = 0
  /** Room for so many frames lets in a super-frame of any number: it may be more than there ever is room for. */
  const mostSegments = budget.bounds[Holder.qdisc * 2] >> 1

  /** Who hears of frames whose sender wants to (SO_TIMESTAMPING). */
  let tell: TxTstamp = { keepFrame: () => 0, frameSent: () => {} }
  const bindTstamp = (to: TxTstamp): void => {
    tell = to
  }

  /** Sends the frame (data at its link header) by SKB_DEV and takes it over: 0, or -errno. */
  const devQueueXmit = (skb: number): number => {
    const dev = devices + i32[skb + SKB_DEV] * DEVICE_WORDS
    if (i32[skb + SKB_SENDER] !== 0) {
      if (canWait(skb) && isFull(skb, dev)) return pushBack(skb)
      if ((i32[skb + SKB_TX_FLAGS] & SKB_TX_SCHED) !== 0) tellQueued(skb)
    }
    if (i32[dev + DEV_IMPAIRED] !== 0) return impair(skb)
    return transmit(skb)
  }
  const tellQueued = (skb: number): void => {
    const sender = skbs.senderOf(skb)
    if (sender === 0) return
    const frame = tell.keepFrame(sender, skb)
    tell.frameSent(sender, SCM_TSTAMP_SCHED, i32[skb + SKB_TSKEY], frame)
  }
  /** A bad link meets frames, not super-frames. */
  const impair = (skb: number): number =>
    i32[skb + SKB_GSO_SIZE] === 0 ? netem.impair(skb, false) : eachSegment(skb, netem.impair)
  /** There is no room for a packet to wait in, and what it came from can wait: its sender still has the bytes. */
  const isFull = (skb: number, dev: number): boolean => {
    const isImpaired = i32[dev + DEV_IMPAIRED] !== 0
    if (!isImpaired && queueLen[i32[skb + SKB_DEV]] === 0) return false
    const segments = Math.max(1, i32[skb + SKB_GSO_SEGS])
    const slots =
      segments > 1 && (isImpaired || !takesGso(skb, dev))
        ? Math.min(segments, mostSegments) * budget.oneSmall
        : budget.slotsOf(skb)
    if (isImpaired) return netem.isFull(skb, segments, slots)
    return queueLen[i32[skb + SKB_DEV]] >= limitOf(dev) || !mayQueue(slots)
  }
  const pushBack = (skb: number): number => {
    consume(skb)
    return -Errno.ENOBUFS
  }
  /** Is what it came from kept, and sent again when there is room (tcp/snd/tcp-tsq.ts)? A datagram's sender has told of it. */
  const canWait = (skb: number): boolean => {
    const sender = i32[skb + SKB_SENDER]
    return sender !== 0 && i32[sender + SK_TYPE] === SOCK_STREAM
  }

  const transmit = (skb: number): number => {
    const dev = devices + i32[skb + SKB_DEV] * DEVICE_WORDS
    if ((i32[dev + DEV_FLAGS] & IFF_UP) === 0) return refuse(skb, Drop.DEV_READY, -Errno.ENETDOWN)
    if (i32[skb + SKB_GSO_SIZE] !== 0 && !takesGso(skb, dev)) return eachSegment(skb, transmitOne)
    return transmitOne(skb, false)
  }
  const transmitOne = (skb: number, joins: boolean): number => {
    const dev = devices + i32[skb + SKB_DEV] * DEVICE_WORDS
    const features = i32[dev + DEV_FEATURES]
    if (
      i32[skb + SKB_FRAGS] !== 0 &&
      (features & NETIF_F_FRAGLIST) === 0 &&
      !skbs.expandHead(skb, RX_HEADROOM)
    )
      return refuse(skb, Drop.NOMEM, -Errno.ENOBUFS)
    const isOpen = i32[skb + SKB_IP_SUMMED] === CHECKSUM_PARTIAL
    if (isOpen && (features & NETIF_F_HW_CSUM) === 0 && !checksumHelp(skb))
      return refuse(skb, Drop.NOMEM, -Errno.ENOBUFS)
    if (isTapped()) deliverTaps(skb, i32[skb + SKB_DATA], PACKET_OUTGOING)
    if (queueLen[i32[skb + SKB_DEV]] !== 0) return enqueue(skb, dev, joins)
    return startXmit(skb, dev) ? 0 : enqueue(skb, dev, joins)
  }
  /** Offers the frame to the driver; false when it had no room. */
  const startXmit = (skb: number, dev: number): boolean => {
    const len = i32[skb + SKB_LEN]
    const bank = stats + i32[skb + SKB_DEV] * DEV_STATS
    const isGso = i32[skb + SKB_GSO_SIZE] !== 0
    const key = i32[skb + SKB_TSKEY]
    const sender = i32[skb + SKB_SENDER] === 0 ? 0 : stampedSender(skb)
    // what is told of is the driver's soon
    const frame = sender === 0 ? 0 : tell.keepFrame(sender, skb)
    // filled by core/dev/kinds/kinds.ts: startXmits (lo.ts, veth.ts ... beside it, workers/drivers/ fd.ts and pcap.ts)
    if (drivers[i32[dev + DEV_KIND]](skb, dev) === NETDEV_TX_BUSY) {
      f64[bank + DevStat.tx_busy]++
      if (frame !== 0) consume(frame)
      return false
    }
    f64[bank + DevStat.tx_packets]++
    f64[bank + DevStat.tx_bytes] += len
    if (sender !== 0) tell.frameSent(sender, SCM_TSTAMP_SND, key, frame)
    if (isGso) f64[bank + DevStat.gso_packets]++
    return true
  }
  /** Who hears that the driver got the frame, or 0. */
  const stampedSender = (skb: number): number =>
    (i32[skb + SKB_TX_FLAGS] & SKB_TX_SOFTWARE) === 0 ? 0 : skbs.senderOf(skb)
  const refuse = (skb: number, reason: Drop, errno: number): number => {
    f64[stats + i32[skb + SKB_DEV] * DEV_STATS + DevStat.tx_dropped]++
    drop(skb, reason)
    return errno
  }

  const takesGso = (skb: number, dev: number): boolean => {
    const whole = i32[skb + SKB_GSO_TYPE]
    // the header that tells such a device of it has no word for it
    if ((whole & GSO_ACCECN) !== 0 && (i32[dev + DEV_FEATURES] & NETIF_F_VNET_HDR) !== 0)
      return false
    const type = whole & ~(GSO_ECN | GSO_ACCECN)
    const feature =
      type === GSO_TCPV4 ? NETIF_F_TSO : type === GSO_TCPV6 ? NETIF_F_TSO6 : NETIF_F_USO
    return (
      (i32[dev + DEV_FEATURES] & feature) !== 0 &&
      i32[skb + SKB_LEN] - ETH_HLEN <= i32[dev + DEV_GSO_MAX]
    )
  }
  /**
   * Cuts the super-frame and gives each frame to `send`. A queue's length counts it as one, as it would stand there whole:
   * those behind one that was taken join it. It is sent when some of it is.
   */
  const eachSegment = (skb: number, send: (seg: number, joins: boolean) => number): number => {
    let seg = gso.segment(skb)
    let error = -Errno.ENOBUFS
    let joins = false
    while (seg !== 0) {
      const next = i32[seg + SKB_NEXT]
      i32[seg + SKB_NEXT] = 0
      const result = send(seg, joins)
      if (result === 0) joins = true
      else error = result
      seg = next
    }
    return joins ? 0 : error
  }
  /** skb_checksum_help: the field already holds the pseudo header's sum. False without memory for bytes of its own. */
  const checksumHelp = (skb: number): boolean => {
    if (i32[skb + SKB_FRAGS] !== 0 && !skbs.expandHead(skb, RX_HEADROOM)) return false
    const start = i32[skb + SKB_CSUM_START]
    const end = i32[skb + SKB_DATA] + i32[skb + SKB_LEN]
    const sum = csum.finish(csum.sumBytes(u8, start, end - start, 0))
    bytes.putU16(u8, start + i32[skb + SKB_CSUM_OFFSET], sum === 0 ? 0xffff : sum)
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
    return true
  }

  /** Waits for the driver. A clone's headers may change while it waits, so it gets bytes of its own. */
  const enqueue = (skb: number, dev: number, joins: boolean): number => {
    const ifindex = i32[skb + SKB_DEV]
    if (!joins && queueLen[ifindex] >= limitOf(dev)) return refuseQueue(skb, joins)
    if (skbs.isShared(skb) && !skbs.expandHead(skb, 0))
      return refuse(skb, Drop.NOMEM, -Errno.ENOBUFS)
    // the copy may be larger than what it was made of
    if (!mayQueue(budget.slotsOf(skb))) return refuseQueue(skb, joins)
    budget.hold(skb, Holder.qdisc)
    i32[skb + SKB_NEXT] = 0
    if (queueLen[ifindex] === 0) queueHead[ifindex] = skb
    else i32[queueTail[ifindex] + SKB_NEXT] = skb
    queueTail[ifindex] = skb
    queueLen[ifindex]++
    queued++
    return 0
  }
  const refuseQueue = (skb: number, joins: boolean): number =>
    canWait(skb) && !joins ? pushBack(skb) : refuse(skb, Drop.QDISC_DROP, -Errno.ENOBUFS)
  /** A driver had gathered the frame and its device has no room: it is the next to go, and has not gone yet. */
  const requeue = (skb: number): void => {
    const ifindex = i32[skb + SKB_DEV]
    const bank = stats + ifindex * DEV_STATS
    f64[bank + DevStat.tx_packets]--
    f64[bank + DevStat.tx_bytes] -= i32[skb + SKB_LEN]
    if (i32[skb + SKB_GSO_SIZE] !== 0) f64[bank + DevStat.gso_packets]--
    f64[bank + DevStat.tx_busy]++
    if ((skbs.isShared(skb) && !skbs.expandHead(skb, 0)) || !mayQueue(budget.slotsOf(skb))) {
      refuse(skb, Drop.QDISC_DROP, 0)
      return
    }
    budget.hold(skb, Holder.qdisc)
    i32[skb + SKB_NEXT] = queueHead[ifindex]
    if (queueLen[ifindex]++ === 0) {
      i32[skb + SKB_NEXT] = 0
      queueTail[ifindex] = skb
    }
    queueHead[ifindex] = skb
    queued++
  }
  /** The turn's batch has ended: drivers send what they have gathered. Returns how many frames came back. */
  const endBatch = (): number => {
    let back = 0
    for (let k = 0; k < batchEnds.length; k++) back += batchEnds[k]()
    return back
  }
  /** Within what this worker may hold, together with the frames that wait for their time. */
  const mayQueue = (slots: number): boolean => budget.hasRoom(Holder.qdisc, slots)
  const limitOf = (dev: number): number => i32[dev + DEV_TXQLEN] >>> 0 || DEFAULT_TXQLEN
  const drain = (ifindex: number): number => {
    const dev = devices + ifindex * DEVICE_WORDS
    let sent = 0
    while (queueLen[ifindex] !== 0) {
      const skb = queueHead[ifindex]
      const next = i32[skb + SKB_NEXT]
      i32[skb + SKB_NEXT] = 0
      // a driver may hand it to another thread at once
      budget.release(skb)
      if ((i32[dev + DEV_FLAGS] & IFF_UP) === 0) refuse(skb, Drop.DEV_READY, 0)
      else if (!startXmit(skb, dev)) {
        budget.hold(skb, Holder.qdisc)
        i32[skb + SKB_NEXT] = next
        return sent
      }
      queueHead[ifindex] = next
      queueLen[ifindex]--
      queued--
      sent++
    }
    return sent
  }

  const netem = deps.netemOf(transmit, checksumHelp)

  /** Sends what waits for a driver or for its time; once a turn of the loop. Returns how many frames went. */
  const netTxAction = (): number => {
    let sent = netem.release()
    for (let ifindex = 1; queued !== 0 && ifindex < queueLen.length; ifindex++)
      if (queueLen[ifindex] !== 0) sent += drain(ifindex)
    return sent
  }
  /** Frames that wait for a driver: the loop does not sleep long while there are any. */
  const backlogLen = (): number => queued
  return {
    bindTstamp,
    devQueueXmit,
    netTxAction,
    requeue,
    endBatch,
    backlogLen,
    gso,
  }
}
