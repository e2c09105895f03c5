/**
 * sk_buff: a packet. A row of metadata in the arena plus a counted data buffer; the skb's name is the
 * word index of its row, so that a field is `i32[skb + SKB_DATA]`. 0 is no skb.
 *
 *      head            data              tail                end
 *       |   headroom    |   the packet    |     tailroom      |      all are byte offsets into the arena
 *       +---------------+-----------------+-------------------+
 *       push <- moves data down      put -> moves tail up
 *
 * Rows and buffers belong to the pool of the thread that allocates them and go home by a return ring when
 * another thread frees them, so no pool is locked. A buffer shared by clones never changes thread:
 * whoever hands an skb to another thread calls `unshare` first. Any thread; one instance a thread.
 * Linux: include/linux/skbuff.h, net/core/skbuff.c.
 */
import { returnRing } from '../shm/arena.ts'
import type { Arena } from '../shm/arena.ts'
import { LARGE_BYTES, SKB_SHIFT, SKB_WORDS, SMALL_BYTES } from '../shm/layout.ts'
import {
  ringAhead,
  ringPublish,
  ringPush,
  ringReadable,
  ringRelease,
  ringTake,
  ringUnpublished,
} from '../shm/ring.ts'
import { SK_GENERATION, SK_WMEM_ALLOC } from '../socket/sock.ts'
import { createSkbBudget } from './budget.ts'

// Words of a row: four cache lines. A new skb has zeroes up to SKB_CB; from there on a word says nothing before its user
// has written it.

// First line: the bytes, and what is known of them.
export const SKB_HEAD = 0
export const SKB_DATA = 1
export const SKB_TAIL = 2
export const SKB_END = 3
/** Bytes of the packet: tail - data, plus the frag list's. */
export const SKB_LEN = 4
/** Ethertype, host order. */
export const SKB_PROTOCOL = 5
/** Flow hash (int32); 0 is none. */
export const SKB_HASH = 6
/** ifindex of the device that has it now: it came in on it, or leaves by it. */
export const SKB_DEV = 7
export const SKB_MARK = 8
/** CHECKSUM_* below. */
export const SKB_IP_SUMMED = 9
/** With CHECKSUM_PARTIAL: where the sum starts (arena byte offset), and where it is stored from there. */
export const SKB_CSUM_START = 10
export const SKB_CSUM_OFFSET = 11
/** Payload bytes a segment, GSO_* type and number of segments of a super-frame; size 0 is none. */
export const SKB_GSO_SIZE = 12
export const SKB_GSO_TYPE = 13
export const SKB_GSO_SEGS = 14
/** Nexthop row the route lookup found. */
export const SKB_DST = 15

// Second line: who holds it, and its headers.
/** Socket row it is charged to, or 0. */
export const SKB_SK = 16
export const SKB_USERS = 17
export const SKB_NEXT = 18
export const SKB_PREV = 19
/** Byte offsets of the headers. */
export const SKB_MAC = 20
export const SKB_NETWORK = 21
export const SKB_TRANSPORT = 22
/** PACKET_* below. */
export const SKB_PKT_TYPE = 23
/** 802.1Q TCI of a tag taken off, or -1. */
export const SKB_VLAN = 24
/** Thread that owns the skb: finds what a dead thread held. */
export const SKB_OWNER = 25
/** SKB_OWNER of an skb that lies in a ring: who takes it out becomes its owner. */
export const OWNER_IN_RING = -1
/** Index of the data buffer. */
export const SKB_BUF = 26
/** First skb of the frag list, chained by SKB_NEXT. */
export const SKB_FRAGS = 27
/** ifindex of the device it came in on, whichever has it now; 0 when it was made here. */
export const SKB_IIF = 28
/** SKB_F_* below. */
export const SKB_FLAGS = 29
/** Where a packet that changes CPU goes on: STAGE_* below. */
export const SKB_STAGE = 30
/** Who holds it, and how many slots that was charged as (budget.ts); 0 while it is on its way. */
export const SKB_CHARGE = 31

// Third line: what queues and filters know, and the control block.
/** SO_PRIORITY, or what a filter says. */
export const SKB_PRIORITY = 32
/** Device queue it came by or is to leave by, plus one; 0 is none. */
export const SKB_QUEUE_MAPPING = 33
/** Row of its tracked connection, or 0, and how it stands to it (IP_CT_*). */
export const SKB_CT = 34
export const SKB_CT_INFO = 35
/** When it came to a socket that asks for it: TIME_MS and TIME_US (base/time.ts); both zero: unknown. */
export const SKB_TSTAMP = 36
/** Workers that have looked for a received packet's socket (bits). */
export const SKB_TRIED = 38
/** Socket that is charged for it (SK_WMEM_ALLOC) while it is on its way out, or 0. */
export const SKB_SENDER = 39
/** Control block: the words of the layer that holds the skb. */
export const SKB_CB = 40
export const SKB_CB_WORDS = 12
/** Byte offsets of the inner headers, with SKB_F_ENCAPSULATION. */
export const SKB_INNER_MAC = 52
export const SKB_INNER_NETWORK = 53
export const SKB_INNER_TRANSPORT = 54
/** Links of a queue sorted by send time, in which an skb may lie beside that of SKB_NEXT and SKB_PREV. */
export const SKB_TIME_NEXT = 55
export const SKB_TIME_PREV = 56
/** The sender's generation, and what it was charged. */
const SKB_SENDER_GENERATION = 57
const SKB_SENDER_CHARGE = 58
/** What was done for the options of a received IPv4 packet that has some (ipv4/ip-options.ts). */
export const SKB_IPOPT = 59
/** With SKB_F_TX_*: the sequence number whose way is told of. */
export const SKB_TSKEY = 60

// SKB_FLAGS.
/** Stages write down what they decide about this packet (dev/trace.ts). */
export const SKB_F_TRACE = 1
/** The inner headers are set. */
export const SKB_F_ENCAPSULATION = 2
/** Its sender hears when it comes to a device's queue, and when to the driver (SO_TIMESTAMPING). */
export const SKB_F_TX_SCHED = 4
export const SKB_F_TX_SOFTWARE = 8

// SKB_STAGE: what was done with a packet before it came to this CPU is not done again.
/** Nothing yet: a frame. */
export const STAGE_FRAME = 0
/** The link layer is done with it (taps, counters): it goes to the layer that sent it here. */
export const STAGE_RECEIVED = 1
/** It is whole, routed, and for this host. */
export const STAGE_DELIVER = 2
/** Its transport has checked it and looks for the socket. */
export const STAGE_SOCKET = 3

export const CHECKSUM_NONE = 0
export const CHECKSUM_UNNECESSARY = 1
export const CHECKSUM_PARTIAL = 3

export const GSO_TCPV4 = 1
export const GSO_UDP_L4 = 5
export const GSO_TCPV6 = 4
export const GSO_ECN = 0x80
/** CWR is part of the ACE field (RFC 9768): every segment has it. No device that makes segments of its own can be told. */
export const GSO_ACCECN = 0x100

export const PACKET_HOST = 0
export const PACKET_BROADCAST = 1
export const PACKET_MULTICAST = 2
export const PACKET_OTHERHOST = 3
export const PACKET_OUTGOING = 4
/** Our own broadcast or multicast, received again. */
export const PACKET_LOOPBACK = 5

/** Room left in front of a received frame (NET_SKB_PAD and the vnet header); 2 mod 16 so that IP is aligned. */
export const RX_HEADROOM = 130
/** Room left in front of a transport payload: the largest stack of headers we push. */
export const MAX_HEADER = 192
/** Largest packet each class takes behind RX_HEADROOM. */
export const SMALL_ROOM = SMALL_BYTES - RX_HEADROOM
export const LARGE_ROOM = LARGE_BYTES - RX_HEADROOM

export type Skbs = ReturnType<typeof createSkbs>

/** The packet memory of one thread. */
export const createSkbs = (arena: Arena, thread: number) => {
  const { i32, u8, f64, layout } = arena
  const { threads, smalls, bufferRefs, smallBytes, largeBytes, skbRows } = layout
  const { skbs: rowsEach, smallBuffers, largeBuffers } = layout.config
  const rowShift = SKB_SHIFT + Math.log2(rowsEach)
  const smallShift = Math.log2(smallBuffers)
  const largeShift = Math.log2(largeBuffers)
  const freeSkbs = layout.freeSkbs + thread * (32 + rowsEach)
  const freeSmalls = layout.freeSmalls + thread * (32 + smallBuffers)
  const freeLarges = layout.freeLarges + thread * (32 + largeBuffers)
  const outbound = Int32Array.from({ length: threads }, (_, t) => returnRing(layout, t, thread))
  const inbound = Int32Array.from({ length: threads }, (_, t) => returnRing(layout, thread, t))

  const budget = createSkbBudget(arena, thread, {
    charge: SKB_CHARGE,
    buf: SKB_BUF,
    frags: SKB_FRAGS,
    next: SKB_NEXT,
    flags: SKB_FLAGS,
    traced: SKB_F_TRACE,
  })

  const headOf = (buf: number): number =>
    buf < smalls ? smallBytes + buf * SMALL_BYTES : largeBytes + (buf - smalls) * LARGE_BYTES

  /** Takes the items of a free stack; 0 words of depth is empty. */
  const pop = (stack: number): number => {
    const depth = i32[stack]
    if (depth === 0) return -1
    i32[stack] = depth - 1
    return i32[stack + 31 + depth]
  }
  const put1 = (stack: number, item: number): void => {
    const depth = i32[stack]
    i32[stack + 32 + depth] = item
    i32[stack] = depth + 1
  }

  const bind = (skb: number, buf: number, headroom: number): void => {
    const head = headOf(buf)
    // thirty-six words, two in a store: fill(), and one at a time, cost the nic a twentieth more (bench/forward-memory.ts)
    for (let w = (skb + SKB_LEN) >> 1, end = (skb + SKB_CB) >> 1; w < end; w += 2) {
      f64[w] = 0
      f64[w + 1] = 0
    }
    i32[skb + SKB_HEAD] = head
    i32[skb + SKB_DATA] = head + headroom
    i32[skb + SKB_TAIL] = head + headroom
    i32[skb + SKB_END] = head + (buf < smalls ? SMALL_BYTES : LARGE_BYTES)
    i32[skb + SKB_VLAN] = -1
    i32[skb + SKB_BUF] = buf
    // before it counts as used: a worker 0 that starts over meanwhile must not take it for its own
    i32[skb + SKB_OWNER] = thread
    i32[skb + SKB_USERS] = 1
  }

  const allocFrom = (stack: number, headroom: number): number => {
    if (i32[freeSkbs] === 0 || i32[stack] === 0) {
      reclaim()
      if (i32[freeSkbs] === 0 || i32[stack] === 0) return 0
    }
    const skb = pop(freeSkbs)
    const buf = pop(stack)
    bind(skb, buf, headroom)
    return skb
  }

  /** A new empty skb whose data starts `headroom` bytes in and that has room for `size` more; 0 when out of memory. */
  const alloc = (size: number, headroom: number): number =>
    allocFrom(size + headroom <= SMALL_BYTES ? freeSmalls : freeLarges, headroom)

  /**
   * A large buffer without an skb, to read frames of unknown length into (napi_alloc_frag); -1 when there is none. In the same
   * turn it becomes an skb's by build, or goes back by unarm.
   */
  const arm = (): number => {
    if (i32[freeLarges] === 0) reclaim()
    return pop(freeLarges)
  }
  const unarm = (buf: number): void => put1(freeLarges, buf)
  /** The skb of a buffer that was armed, as empty as by alloc; the caller has looked that there is a row (build_skb). */
  const build = (buf: number, headroom: number): number => {
    const skb = pop(freeSkbs)
    bind(skb, buf, headroom)
    return skb
  }
  /** Rows that alloc and build have left. */
  const freeRows = (): number => {
    if (i32[freeSkbs] === 0) reclaim()
    return i32[freeSkbs]
  }
  /**
   * Moves a frame that was read into a large buffer (workers/drivers/fd-rx-batch.ts), and would fit a small one, there
   * (rx_copybreak).
   */
  const copybreak = (skb: number): void => {
    if (i32[skb + SKB_BUF] >= smalls && i32[skb + SKB_LEN] <= SMALL_ROOM) moveToSmall(skb)
  }
  const moveToSmall = (skb: number): void => {
    if (i32[skb + SKB_FRAGS] !== 0 || isShared(skb)) return
    const large = i32[skb + SKB_BUF]
    const len = i32[skb + SKB_LEN]
    const small = pop(freeSmalls)
    if (small < 0) return
    const from = i32[skb + SKB_DATA]
    const head = headOf(small)
    const to = head + RX_HEADROOM
    u8.copyWithin(to, from, from + len)
    freeBuf(large)
    moveOffsets(skb, to - from)
    i32[skb + SKB_HEAD] = head
    i32[skb + SKB_DATA] = to
    i32[skb + SKB_TAIL] = to + len
    i32[skb + SKB_END] = head + SMALL_BYTES
    i32[skb + SKB_BUF] = small
  }

  const homeOfSkb = (skb: number): number => (skb - skbRows) >> rowShift
  const homeOfBuf = (buf: number): number =>
    buf < smalls ? buf >> smallShift : (buf - smalls) >> largeShift

  const freeRow = (skb: number): void => {
    const home = homeOfSkb(skb)
    if (home === thread) put1(freeSkbs, skb)
    else ringPush(i32, outbound[home], skb)
  }
  /** A buffer's count is one while it is free, and while one skb has it: only clones write it, which stay on one thread. */
  const freeBuf = (buf: number): void => {
    const refs = i32[bufferRefs + buf]
    if (refs !== 1) {
      i32[bufferRefs + buf] = refs - 1
      return
    }
    const home = homeOfBuf(buf)
    if (home === thread) put1(buf < smalls ? freeSmalls : freeLarges, buf)
    else ringPush(i32, outbound[home], ~buf)
  }

  /** Drops one reference; the last one frees. The ways to get here are drop and consume (drop.ts). */
  const free = (skb: number): void => {
    const users = i32[skb + SKB_USERS] - 1
    if (users < 0) throw new Error(`skb ${skb} freed twice`)
    i32[skb + SKB_USERS] = users
    if (users !== 0) return
    if (i32[skb + SKB_SENDER] !== 0) orphan(skb)
    if (i32[skb + SKB_CHARGE] !== 0) budget.release(skb)
    if (i32[skb + SKB_FRAGS] !== 0) freeFrags(skb)
    freeBuf(i32[skb + SKB_BUF])
    freeRow(skb)
  }
  const freeFrags = (skb: number): void => {
    for (let frag = i32[skb + SKB_FRAGS]; frag !== 0; ) {
      const next = i32[frag + SKB_NEXT]
      free(frag)
      frag = next
    }
    i32[skb + SKB_FRAGS] = 0
  }

  /** Charges the socket for what it sends, until that is freed or leaves the thread (skb_set_owner_w). */
  const setSender = (skb: number, sk: number): void => {
    const charge = budget.truesize(skb)
    i32[skb + SKB_SENDER] = sk
    i32[skb + SKB_SENDER_GENERATION] = i32[sk + SK_GENERATION]
    i32[skb + SKB_SENDER_CHARGE] = charge
    i32[sk + SK_WMEM_ALLOC] += charge
  }
  /** The charge goes over to another skb: it is the last of those that this one was cut into. */
  const moveSender = (skb: number, to: number): void => {
    i32[to + SKB_SENDER] = i32[skb + SKB_SENDER]
    i32[to + SKB_SENDER_GENERATION] = i32[skb + SKB_SENDER_GENERATION]
    i32[to + SKB_SENDER_CHARGE] = i32[skb + SKB_SENDER_CHARGE]
    i32[to + SKB_TSKEY] = i32[skb + SKB_TSKEY]
    i32[skb + SKB_SENDER] = 0
  }
  /** The socket that is charged, or 0 when that is no more. */
  const senderOf = (skb: number): number => {
    const sk = i32[skb + SKB_SENDER]
    return sk !== 0 && i32[sk + SK_GENERATION] === i32[skb + SKB_SENDER_GENERATION] ? sk : 0
  }
  /** Nobody is charged for it any more: it is freed, or its way goes on elsewhere (skb_orphan). */
  const orphan = (skb: number): void => {
    const sk = i32[skb + SKB_SENDER]
    if (sk === 0) return
    i32[skb + SKB_SENDER] = 0
    // the row may be another socket's by now
    if (i32[sk + SK_GENERATION] === i32[skb + SKB_SENDER_GENERATION])
      i32[sk + SK_WMEM_ALLOC] -= i32[skb + SKB_SENDER_CHARGE]
  }

  /** Takes home what other threads have freed. Once a batch. */
  const reclaim = (): void => {
    for (let t = 0; t < threads; t++) {
      if (t === thread) continue
      const ring = inbound[t]
      const n = ringReadable(i32, ring)
      if (n === 0) continue
      for (let k = 0; k < n; k++) {
        const item = ringTake(i32, ring)
        if (item >= 0) put1(freeSkbs, item)
        else put1(~item < smalls ? freeSmalls : freeLarges, ~item)
      }
      ringRelease(i32, ring)
    }
  }

  /** Shows the other threads what was freed here for them. Once a batch. */
  const flush = (): void => {
    for (let t = 0; t < threads; t++)
      if (t !== thread && ringUnpublished(i32, outbound[t])) ringPublish(i32, outbound[t])
  }

  /** Leaves `n` more bytes of headroom in an empty skb. */
  const reserve = (skb: number, n: number): void => {
    i32[skb + SKB_DATA] += n
    i32[skb + SKB_TAIL] += n
  }
  /** Adds `n` bytes in front; returns the new data offset. Throws when there is no headroom. */
  const push = (skb: number, n: number): number => {
    const data = i32[skb + SKB_DATA] - n
    if (data < i32[skb + SKB_HEAD]) throw new Error(`skb_under_panic: push ${n}`)
    i32[skb + SKB_DATA] = data
    i32[skb + SKB_LEN] += n
    return data
  }
  /** Takes `n` bytes off the front; returns the new data offset. The caller knows that they are there. */
  const pull = (skb: number, n: number): number => {
    i32[skb + SKB_LEN] -= n
    return (i32[skb + SKB_DATA] += n)
  }
  /** Adds `n` bytes behind; returns where they start. Throws when there is no tailroom. */
  const put = (skb: number, n: number): number => {
    const tail = i32[skb + SKB_TAIL]
    if (tail + n > i32[skb + SKB_END]) throw new Error(`skb_over_panic: put ${n}`)
    i32[skb + SKB_TAIL] = tail + n
    i32[skb + SKB_LEN] += n
    return tail
  }
  /** Cuts a linear skb to `len` bytes. */
  const trim = (skb: number, len: number): void => {
    if (i32[skb + SKB_LEN] <= len) return
    i32[skb + SKB_LEN] = len
    i32[skb + SKB_TAIL] = i32[skb + SKB_DATA] + len
  }
  const get = (skb: number): number => {
    i32[skb + SKB_USERS]++
    return skb
  }

  /** True when others hold the data too, so that it must not be written. */
  const isShared = (skb: number): boolean => i32[bufferRefs + i32[skb + SKB_BUF]] > 1

  /** A second skb over the same bytes; 0 when out of memory. The frag list is shared by copying its heads. */
  const clone = (skb: number): number => {
    if (i32[freeSkbs] === 0) {
      reclaim()
      if (i32[freeSkbs] === 0) return 0
    }
    const twin = pop(freeSkbs)
    i32.copyWithin(twin, skb, skb + SKB_TIME_NEXT)
    i32[twin + SKB_USERS] = 1
    i32[twin + SKB_NEXT] = 0
    i32[twin + SKB_PREV] = 0
    i32[twin + SKB_SK] = 0
    i32[twin + SKB_SENDER] = 0
    i32[twin + SKB_OWNER] = thread
    i32[twin + SKB_FRAGS] = 0
    i32[twin + SKB_CHARGE] = 0
    i32[bufferRefs + i32[skb + SKB_BUF]]++
    if (i32[skb + SKB_FRAGS] !== 0 && !cloneFrags(skb, twin)) {
      free(twin)
      return 0
    }
    return twin
  }
  const cloneFrags = (skb: number, twin: number): boolean => {
    let last = 0
    for (let frag = i32[skb + SKB_FRAGS]; frag !== 0; frag = i32[frag + SKB_NEXT]) {
      const copy = clone(frag)
      if (copy === 0) return false
      i32[last === 0 ? twin + SKB_FRAGS : last + SKB_NEXT] = copy
      last = copy
    }
    return true
  }

  /** Moves the offsets that are set by `delta`: their buffer has changed. */
  const moveOffsets = (skb: number, delta: number): void => {
    moveOffset(skb + SKB_CSUM_START, delta)
    moveOffset(skb + SKB_MAC, delta)
    moveOffset(skb + SKB_NETWORK, delta)
    moveOffset(skb + SKB_TRANSPORT, delta)
    if ((i32[skb + SKB_FLAGS] & SKB_F_ENCAPSULATION) === 0) return
    moveOffset(skb + SKB_INNER_MAC, delta)
    moveOffset(skb + SKB_INNER_NETWORK, delta)
    moveOffset(skb + SKB_INNER_TRANSPORT, delta)
  }
  const moveOffset = (word: number, delta: number): void => {
    if (i32[word] !== 0) i32[word] += delta
  }
  /** Bytes in front of data that a header's offset still points at: layers above have pulled them off. */
  const pulled = (skb: number): number => {
    let first = i32[skb + SKB_DATA]
    for (let word = SKB_MAC; word <= SKB_TRANSPORT; word++) {
      const at = i32[skb + word]
      if (at < first && at >= i32[skb + SKB_HEAD]) first = at
    }
    return i32[skb + SKB_DATA] - first
  }

  /**
   * A private linear copy with at least `headroom` bytes in front; 0 when out of memory. Offsets, metadata, control
   * block and the headers that were pulled off come along; the frag list is gathered into it.
   */
  const copy = (skb: number, headroom: number): number => {
    const len = i32[skb + SKB_LEN]
    const before = pulled(skb)
    const twin = alloc(len, headroom > before ? headroom : before)
    if (twin === 0) return 0
    const from = i32[skb + SKB_DATA]
    const to = i32[twin + SKB_DATA]
    if (before !== 0) u8.copyWithin(to - before, from - before, from)
    copyMeta(skb, twin)
    moveOffsets(twin, to - from)
    copyBits(skb, 0, to, len)
    i32[twin + SKB_LEN] = len
    i32[twin + SKB_TAIL] = to + len
    return twin
  }
  const copyMeta = (skb: number, twin: number): void => {
    for (let w = SKB_PROTOCOL; w <= SKB_DST; w++) i32[twin + w] = i32[skb + w]
    for (let w = SKB_MAC; w <= SKB_VLAN; w++) i32[twin + w] = i32[skb + w]
    i32.copyWithin(twin + SKB_IIF, skb + SKB_IIF, skb + SKB_TIME_NEXT)
    i32[twin + SKB_CHARGE] = 0
    i32[twin + SKB_SENDER] = 0
  }

  /** Tells a piece that was cut from a packet what the packet knows, its control block included (__copy_skb_header). */
  const inherit = (skb: number, piece: number): void => {
    for (let w = SKB_PROTOCOL; w <= SKB_MARK; w++) i32[piece + w] = i32[skb + w]
    i32[piece + SKB_DST] = i32[skb + SKB_DST]
    i32[piece + SKB_PKT_TYPE] = i32[skb + SKB_PKT_TYPE]
    for (let w = SKB_IIF; w < SKB_CB + SKB_CB_WORDS; w++) i32[piece + w] = i32[skb + w]
    i32[piece + SKB_SENDER] = 0
  }

  /** Copies `len` bytes from `offset` of the packet (frag list included) to arena offset `to`. */
  const copyBits = (skb: number, offset: number, to: number, len: number): void => {
    let at = offset
    let left = len
    let dst = to
    for (let part = skb; part !== 0 && left > 0; part = nextPart(skb, part)) {
      const here = i32[part + SKB_TAIL] - i32[part + SKB_DATA]
      if (at >= here) {
        at -= here
        continue
      }
      const n = Math.min(left, here - at)
      const from = i32[part + SKB_DATA] + at
      u8.copyWithin(dst, from, from + n)
      dst += n
      left -= n
      at = 0
    }
  }
  /** The byte at `offset` of the packet, wherever in the frag list it lies; -1 behind its end. */
  const byteAt = (skb: number, offset: number): number => {
    let at = offset
    for (let part = skb; part !== 0; part = nextPart(skb, part)) {
      const here = i32[part + SKB_TAIL] - i32[part + SKB_DATA]
      if (at < here) return u8[i32[part + SKB_DATA] + at]
      at -= here
    }
    return -1
  }
  const nextPart = (skb: number, part: number): number =>
    part === skb ? i32[skb + SKB_FRAGS] : i32[part + SKB_NEXT]

  /** Appends `frag` to skb's frag list and hands it over. */
  const addFrag = (skb: number, last: number, frag: number): void => {
    i32[frag + SKB_NEXT] = 0
    if (last === 0) i32[skb + SKB_FRAGS] = frag
    else i32[last + SKB_NEXT] = frag
    i32[skb + SKB_LEN] += i32[frag + SKB_LEN]
  }

  /**
   * Makes the data private, linear and with `headroom` bytes in front, in place (pskb_expand_head,
   * skb_linearize and skb_unshare in one): the row stays, its buffer may change. False when out of memory.
   */
  const expandHead = (skb: number, headroom: number): boolean => {
    if (
      !isShared(skb) &&
      i32[skb + SKB_FRAGS] === 0 &&
      i32[skb + SKB_DATA] - i32[skb + SKB_HEAD] >= headroom
    )
      return true
    // whoever sends it on still needs room for its own headers: never less than a received frame has
    const twin = copy(skb, headroom > RX_HEADROOM ? headroom : RX_HEADROOM)
    if (twin === 0) return false
    takeBuffer(skb, twin)
    return true
  }
  /** Makes room for `n` bytes behind a linear packet, in place as expandHead. False when out of memory. */
  const expandTail = (skb: number, n: number): boolean => {
    if (!isShared(skb) && i32[skb + SKB_END] - i32[skb + SKB_TAIL] >= n) return true
    const len = i32[skb + SKB_LEN]
    const headroom = i32[skb + SKB_DATA] - i32[skb + SKB_HEAD]
    const twin = alloc(len + n, headroom)
    if (twin === 0) return false
    const from = i32[skb + SKB_HEAD]
    u8.copyWithin(i32[twin + SKB_HEAD], from, from + headroom + len)
    put(twin, len)
    takeBuffer(skb, twin)
    return true
  }
  /** Frees the bytes of `skb` and gives it those of its copy `twin`, whose row is freed. */
  const takeBuffer = (skb: number, twin: number): void => {
    if (i32[skb + SKB_FRAGS] !== 0) freeFrags(skb)
    freeBuf(i32[skb + SKB_BUF])
    const delta = i32[twin + SKB_DATA] - i32[skb + SKB_DATA]
    moveOffsets(skb, delta)
    for (let w = SKB_HEAD; w <= SKB_LEN; w++) i32[skb + w] = i32[twin + w]
    i32[skb + SKB_BUF] = i32[twin + SKB_BUF]
    // its buffer is skb's now: whoever counts live rows must not find this one
    i32[twin + SKB_USERS] = 0
    freeRow(twin)
  }

  /**
   * Makes the first `len` bytes lie behind data, where they can be read (pskb_may_pull); the buffer may change. False
   * when the packet is shorter, or memory ran out.
   */
  const mayPull = (skb: number, len: number): boolean =>
    i32[skb + SKB_TAIL] - i32[skb + SKB_DATA] >= len ||
    (i32[skb + SKB_LEN] >= len && expandHead(skb, 0))

  /** Makes the skb fit to be handed to another thread: nobody else may hold its data or its frags. */
  const unshare = (skb: number): boolean =>
    !isShared(skb) && i32[skb + SKB_FRAGS] === 0 ? true : expandHead(skb, RX_HEADROOM)

  /**
   * Frees every skb that this thread owns, wherever it is queued, and returns how many: for a thread that
   * starts over after an error and has lost all its queues. What lies in rings belongs to nobody and stays there.
   */
  const recover = (): number => {
    let found = 0
    const end = skbRows + threads * rowsEach * SKB_WORDS
    for (let skb = skbRows; skb < end; skb += SKB_WORDS) {
      if (i32[skb + SKB_OWNER] !== thread || i32[skb + SKB_USERS] === 0) continue
      i32[skb + SKB_USERS] = 0
      i32[skb + SKB_FRAGS] = 0
      i32[skb + SKB_CHARGE] = 0
      freeBuf(i32[skb + SKB_BUF])
      freeRow(skb)
      found++
    }
    flush()
    return found
  }

  /** Written so that the engine does not leave the loads out. */
  let fetched = 0
  /**
   * Asks for the next `n` skbs of a ring, which are there, before the stack comes to them (prefetch()). Their rows and headers lie
   * in the cache of the CPU that wrote them: asked for one after another, each is waited for; all at once, they come in little
   * more than the time of one. With a CPU for each thread a forwarded packet takes a third less (bench scale --in own).
   */
  const prefetch = (ring: number, n: number): void => {
    let sum = 0
    for (let k = 0; k < n; k++) {
      const skb = ringAhead(i32, ring, k)
      sum += i32[skb + SKB_DATA] + i32[skb + SKB_USERS] + i32[skb + SKB_SENDER]
    }
    for (let k = 0; k < n; k++) sum += u8[i32[ringAhead(i32, ring, k) + SKB_DATA]]
    fetched = (fetched + sum) | 0
  }

  /** Free rows, small and large buffers at home, including what lies in the return rings. */
  const available = () => {
    reclaim()
    return { skbs: i32[freeSkbs], smalls: i32[freeSmalls], larges: i32[freeLarges] }
  }

  return {
    thread,
    budget,
    alloc,
    arm,
    unarm,
    build,
    freeRows,
    headOf,
    copybreak,
    free,
    reclaim,
    flush,
    reserve,
    push,
    pull,
    put,
    trim,
    get,
    setSender,
    senderOf,
    moveSender,
    orphan,
    isShared,
    clone,
    copy,
    copyBits,
    byteAt,
    inherit,
    addFrag,
    expandHead,
    expandTail,
    mayPull,
    unshare,
    prefetch,
    recover,
    available,
  }
}
