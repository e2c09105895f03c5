/**
 * An skb made of another: a clone over the same bytes, a copy of them, or the skb itself over bytes that are private, linear, or have
 * room. A buffer shared by clones never changes thread: whoever hands an skb to another thread calls `unshare` first. Whatever is
 * called here that may change the buffer moves the offsets with it. Any thread. Linux: skb_clone, skb_copy, pskb_expand_head.
 */
import type { Arena } from '../shm/arena.ts'
import { SMALL_BYTES } from '../shm/layout.ts'
import type { SkbData } from './skb-data.ts'
import type { SkbPool } from './skb-pool.ts'
import {
  RX_HEADROOM,
  SKB_BUF,
  SKB_CB,
  SKB_CB_WORDS,
  SKB_CHARGE,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_DST,
  SKB_END,
  SKB_FLAGS,
  SKB_FRAGS,
  SKB_F_ENCAPSULATION,
  SKB_HEAD,
  SKB_IIF,
  SKB_INNER_MAC,
  SKB_INNER_NETWORK,
  SKB_INNER_TRANSPORT,
  SKB_LEN,
  SKB_MAC,
  SKB_MARK,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_OWNER,
  SKB_PKT_TYPE,
  SKB_PREV,
  SKB_PROTOCOL,
  SKB_SENDER,
  SKB_SK,
  SKB_TAIL,
  SKB_TIME_NEXT,
  SKB_TRANSPORT,
  SKB_USERS,
  SKB_VLAN,
  SMALL_ROOM,
} from './skb.ts'

type SkbCopyDeps = Pick<SkbPool, 'alloc' | 'headOf' | 'free'> &
  SkbPool['halves'] &
  Pick<SkbData, 'put' | 'isShared' | 'copyBits'>

export const createSkbCopy = ({ i32, u8, layout }: Arena, thread: number, deps: SkbCopyDeps) => {
  const { alloc, allocRow, allocSmall, headOf, free, freeRow, freeBuf, freeFrags } = deps
  const { put, isShared, copyBits } = deps
  const { smalls, bufferRefs } = layout

  /** A second skb over the same bytes; 0 when out of memory. The frag list is shared by copying its heads. */
  const clone = (skb: number): number => {
    const twin = allocRow()
    if (twin === 0) return 0
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
    const small = allocSmall()
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

  return { clone, copy, inherit, expandHead, expandTail, copybreak, mayPull, unshare }
}
