import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  DEV_IFINDEX,
  DEV_TX_QUEUES,
  DevStat,
  deviceFds,
  deviceRow,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  sumDeviceStat,
} from '../../../core/netdev/netdev.ts'
import type { XmitEnv } from '../../../core/dev/kinds/link-kind.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { createDrop } from '../../../core/skb/drop.ts'
import {
  CHECKSUM_PARTIAL,
  LARGE_ROOM,
  RX_HEADROOM,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_DEV,
  SKB_HEAD,
  SKB_IP_SUMMED,
  SKB_LEN,
  SMALL_ROOM,
} from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import * as vnet from '../../../core/wire/virtio-net-hdr.ts'
import { createFdRx } from '../../../workers/drivers/fd-rx.ts'
import { createFdTx } from '../../../workers/drivers/fd-tx.ts'
import { openRing } from '../../../workers/os/io-uring.ts'
import { addressOf, check, Errno, libc, O_NONBLOCK } from '../../../workers/os/libc.ts'
import { socketPair } from '../../../workers/os/unix.ts'

const IFINDEX = 2
const F_SETFL = 4

/** The suite runs with batches of io_uring, and one call a frame. */
const WAYS = ['io_uring', 'read and write'] as const
type Way = (typeof WAYS)[number]

const setup = (way: Way) => {
  const arena = createArena({ ...SMALL_ARENA, skbs: 128, smallBuffers: 32, largeBuffers: 64 })
  const { i32, u8 } = arena
  const skbs = createSkbs(arena, 0)
  const { drop } = createDrop(arena, skbs)
  const dev = deviceRow(arena, IFINDEX)
  i32[dev + DEV_IFINDEX] = IFINDEX
  i32[dev + DEV_TX_QUEUES] = 1
  const ring = way === 'io_uring' ? openRing(u8) : null
  expect(ring === null).toBe(way !== 'io_uring')
  const rx = createFdRx({ arena, skbs, drop, ring })
  const requeued: number[] = []
  let endBatch = (): number => 0
  const env = {
    arena,
    skbs,
    drop,
    onBatchEnd: (end: () => number) => void (endBatch = end),
    requeue: (skb: number) => void requeued.unshift(skb),
  }
  const startXmit = createFdTx(env as unknown as XmitEnv, ring)
  /** Sends frames in one batch; what each was answered. */
  const send = (...sent: number[]): number[] => {
    const answers = sent.map((skb) => startXmit(skb, dev))
    endBatch()
    return answers
  }
  const makeSkb = (length: number, headroom: number): number => {
    const skb = skbs.alloc(length, headroom)
    i32[skb + SKB_DEV] = IFINDEX
    const at = skbs.put(skb, length)
    for (let k = 0; k < length; k++) u8[at + k] = k
    return skb
  }
  const stat = (index: number): number => sumDeviceStat(arena, IFINDEX, index)
  const queue0 = deviceFds(arena, IFINDEX)
  return { arena, i32, u8, skbs, dev, queue0, rx, send, requeued, makeSkb, stat }
}

const pattern = (length: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, k) => k)

describe.each(WAYS)('sending by %s', (way) => {
  // keeps frames apart as a TAP does
  let fd: number
  let far: number

  beforeEach(() => {
    ;[fd, far] = socketPair()
    for (const each of [fd, far]) check(libc.fcntl(each, F_SETFL, O_NONBLOCK), 'fcntl')
  })
  afterEach(() => {
    for (const each of [fd, far]) libc.close(each)
  })
  /** The next frame that was written, or undefined. */
  const written = (): Uint8Array | undefined => {
    const bytes = new Uint8Array(new ArrayBuffer(70_000))
    const n = libc.read(far, addressOf(bytes), bytes.length)
    return n < 0 ? undefined : bytes.slice(0, n)
  }

  test('writes the frame behind a header that asks for nothing', () => {
    const { i32, skbs, queue0, send, makeSkb } = setup(way)
    const before = skbs.available()
    i32[queue0] = fd
    expect(send(makeSkb(60, RX_HEADROOM))).toEqual([NETDEV_TX_OK])
    expect([...written()!]).toEqual([...new Uint8Array(vnet.HEADER), ...pattern(60)])
    expect(skbs.available()).toEqual(before)
  })

  test('asks for the checksum that a frame still needs', () => {
    const { i32, queue0, send, makeSkb } = setup(way)
    i32[queue0] = fd
    const skb = makeSkb(60, RX_HEADROOM)
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
    i32[skb + SKB_CSUM_START] = i32[skb + SKB_DATA]! + 34
    i32[skb + SKB_CSUM_OFFSET] = 16
    send(skb)
    expect([...written()!.slice(0, vnet.HEADER)]).toEqual([1, 0, 0, 0, 0, 0, 34, 0, 16, 0])
  })

  test('a frame without headroom gets some: what lies before its buffer is another packet', () => {
    const { i32, u8, skbs, queue0, send, makeSkb } = setup(way)
    i32[queue0] = fd
    const before = skbs.available()
    const skb = makeSkb(60, 0)
    const head = i32[skb + SKB_HEAD]!
    u8.fill(0xee, head - vnet.HEADER, head)
    send(skb)
    expect([...u8.slice(head - vnet.HEADER, head)]).toEqual(Array(vnet.HEADER).fill(0xee))
    expect([...written()!.slice(vnet.HEADER)]).toEqual([...pattern(60)])
    expect(skbs.available()).toEqual(before)
  })

  test('frames of a batch go in their order, whole', () => {
    const { i32, skbs, queue0, send, makeSkb } = setup(way)
    const before = skbs.available()
    i32[queue0] = fd
    const sizes = [60, 1514, 61, 20_000, 62]
    send(...sizes.map((size) => makeSkb(size, RX_HEADROOM)))
    for (const size of sizes)
      expect(written()).toEqual(Uint8Array.of(...new Uint8Array(vnet.HEADER), ...pattern(size)))
    expect(skbs.available()).toEqual(before)
  })

  test('what finds no room is given back, in its order, and nothing else', () => {
    const { i32, skbs, queue0, send, requeued, makeSkb } = setup(way)
    const before = skbs.available()
    i32[queue0] = fd
    const frames = Array.from({ length: 30 }, () => makeSkb(1900, RX_HEADROOM))
    const large = makeSkb(60_000, RX_HEADROOM)
    const larges = [large, ...Array.from({ length: 5 }, () => makeSkb(60_000, RX_HEADROOM))]
    const answers = send(...larges, ...frames)
    const refused = answers.flatMap((answer, k) =>
      answer === NETDEV_TX_BUSY ? [[...larges, ...frames][k]!] : []
    )
    const back = way === 'io_uring' ? requeued : refused
    expect(back.length).toBeGreaterThan(0)
    expect(back).toEqual([...larges, ...frames].filter((skb) => back.includes(skb)))
    let got = 0
    while (written() !== undefined) got++
    expect(got + back.length).toBe(36)
    for (const skb of back) skbs.free(skb)
    expect(skbs.available()).toEqual(before)
  })

  test('what the device refuses is counted and freed', () => {
    const { i32, skbs, queue0, send, makeSkb, stat } = setup(way)
    const before = skbs.available()
    i32[queue0] = -1
    expect(send(makeSkb(60, RX_HEADROOM))).toEqual([NETDEV_TX_OK])
    expect(stat(DevStat.tx_errors)).toBe(1)
    expect(skbs.available()).toEqual(before)
  })
})

describe.each(WAYS)('receiving by %s', (way) => {
  /** A socket pair keeps frames apart as a TAP does. */
  const receiver = () => {
    const env = setup(way)
    const [ours, theirs] = socketPair()
    check(libc.fcntl(ours, F_SETFL, O_NONBLOCK), 'fcntl')
    const send = (frame: Uint8Array, header = new Uint8Array(vnet.HEADER)): void => {
      const bytes = new Uint8Array([...header, ...frame])
      check(libc.write(theirs, addressOf(bytes), bytes.length), 'write')
    }
    const got: Uint8Array[] = []
    const deliver = (skb: number): void => {
      const data = env.i32[skb + SKB_DATA]!
      got.push(env.u8.slice(data, data + env.i32[skb + SKB_LEN]!))
      env.skbs.free(skb)
    }
    const close = (): void => {
      for (const fd of [ours, theirs]) libc.close(fd)
    }
    const poll = (budget: number): number => env.rx.poll(ours, IFINDEX, budget, deliver)
    return { ...env, send, got, poll, close }
  }

  test('frames of either buffer size arrive whole and in order', () => {
    const { skbs, send, got, poll, close, stat } = receiver()
    const before = skbs.available()
    const sizes = [14, 60, 1514, SMALL_ROOM, SMALL_ROOM + 1, 65_000]
    for (const size of sizes) {
      send(pattern(size))
      expect(poll(4)).toBe(1)
    }
    expect(got).toEqual(sizes.map(pattern))
    expect(stat(DevStat.rx_packets)).toBe(sizes.length)
    expect(skbs.available()).toEqual(before)
    close()
  })

  test('takes no more than its budget', () => {
    const { send, got, poll, close } = receiver()
    for (let k = 0; k < 5; k++) send(pattern(60))
    expect(poll(3)).toBe(3)
    expect(poll(3)).toBe(2)
    expect(poll(3)).toBe(0)
    expect(got).toHaveLength(5)
    close()
  })

  test('a header that makes no sense is counted and its frame dropped', () => {
    const { skbs, send, got, poll, close, stat } = receiver()
    const before = skbs.available()
    const beyond = Uint8Array.of(1, 0, 0, 0, 0, 0, 255, 255, 16, 0)
    send(pattern(60), beyond)
    poll(4)
    expect(got).toEqual([])
    expect(stat(DevStat.rx_frame_errors)).toBe(1)
    expect(skbs.available()).toEqual(before)
    close()
  })

  test('without a buffer a frame waits in the device, the miss is counted, and the thread is told to rest', () => {
    const { skbs, rx, send, got, poll, close, stat } = receiver()
    const taken: number[] = []
    for (const size of [1, LARGE_ROOM])
      for (let skb = skbs.alloc(size, 0); skb !== 0; skb = skbs.alloc(size, 0)) taken.push(skb)
    send(pattern(60))
    expect(poll(4)).toBe(0)
    expect(stat(DevStat.rx_missed_errors)).toBe(1)
    expect(rx.error()).toBe(Errno.ENOMEM)
    for (const skb of taken) skbs.free(skb)
    expect(poll(4)).toBe(1)
    expect(rx.error()).toBe(0)
    expect(got).toEqual([pattern(60)])
    close()
  })
  test('without a large buffer small frames come in, and one that needs it is missed', () => {
    const { skbs, send, got, poll, close, stat } = receiver()
    const taken: number[] = []
    for (let skb = skbs.alloc(LARGE_ROOM, 0); skb !== 0; skb = skbs.alloc(LARGE_ROOM, 0))
      taken.push(skb)
    send(pattern(60))
    send(pattern(4000))
    send(pattern(61))
    for (let k = 0; k < 3; k++) poll(4)
    expect(got).toEqual([pattern(60), pattern(61)])
    expect(stat(DevStat.rx_missed_errors)).toBe(1)
    for (const skb of taken) skbs.free(skb)
    send(pattern(4000))
    poll(4)
    expect(got).toHaveLength(3)
    close()
  })
})
