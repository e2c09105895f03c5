import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import {
  DEV_IFINDEX,
  DEV_TX_QUEUES,
  DevStat,
  deviceFds,
  deviceRow,
  NETDEV_TX_OK,
  sumDeviceStat,
} from '../../../core/netdev/netdev.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { createDrop } from '../../../core/skb/drop.ts'
import {
  CHECKSUM_PARTIAL,
  createSkbs,
  LARGE_ROOM,
  RX_HEADROOM,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_HEAD,
  SKB_IP_SUMMED,
  SKB_LEN,
  SMALL_ROOM,
} from '../../../core/skb/skb.ts'
import * as vnet from '../../../core/wire/virtio-net-hdr.ts'
import { createFdDriver } from '../../../workers/drivers/fd.ts'
import { addressOf, check, Errno, libc } from '../../../workers/os/libc.ts'
import { socketPair } from '../../../workers/os/unix.ts'

const IFINDEX = 2

const setup = () => {
  const arena = createArena({ ...SMALL_ARENA, skbs: 32, smallBuffers: 32, largeBuffers: 4 })
  const { i32, u8 } = arena
  const skbs = createSkbs(arena, 0)
  const { drop } = createDrop(arena, skbs)
  const dev = deviceRow(arena, IFINDEX)
  i32[dev + DEV_IFINDEX] = IFINDEX
  i32[dev + DEV_TX_QUEUES] = 1
  const driver = createFdDriver(arena, skbs, drop)
  const makeSkb = (length: number, headroom: number): number => {
    const skb = skbs.alloc(length, headroom)
    const at = skbs.put(skb, length)
    for (let k = 0; k < length; k++) u8[at + k] = k
    return skb
  }
  const stat = (index: number): number => sumDeviceStat(arena, IFINDEX, index)
  const queue0 = deviceFds(arena, IFINDEX)
  return { arena, i32, u8, skbs, dev, queue0, driver, makeSkb, stat }
}

const pattern = (length: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, k) => k)

describe('sending', () => {
  const path = `${tmpdir()}/softnet-test-${process.pid}`
  let fd: number

  beforeEach(() => {
    fd = openSync(path, 'w')
  })
  afterEach(() => {
    closeSync(fd)
    rmSync(path)
  })
  const written = (): Uint8Array => new Uint8Array(readFileSync(path))

  test('writes the frame behind a header that asks for nothing', () => {
    const { i32, skbs, dev, queue0, driver, makeSkb } = setup()
    const before = skbs.available()
    i32[queue0] = fd
    expect(driver.startXmit(makeSkb(60, RX_HEADROOM), dev)).toBe(NETDEV_TX_OK)
    expect([...written()]).toEqual([...new Uint8Array(vnet.HEADER), ...pattern(60)])
    expect(skbs.available()).toEqual(before)
  })

  test('asks for the checksum that a frame still needs', () => {
    const { i32, dev, queue0, driver, makeSkb } = setup()
    i32[queue0] = fd
    const skb = makeSkb(60, RX_HEADROOM)
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
    i32[skb + SKB_CSUM_START] = i32[skb + SKB_DATA]! + 34
    i32[skb + SKB_CSUM_OFFSET] = 16
    driver.startXmit(skb, dev)
    expect([...written().slice(0, vnet.HEADER)]).toEqual([1, 0, 0, 0, 0, 0, 34, 0, 16, 0])
  })

  test('a frame without headroom gets some: what lies before its buffer is another packet', () => {
    const { i32, u8, skbs, dev, queue0, driver, makeSkb } = setup()
    i32[queue0] = fd
    const before = skbs.available()
    const skb = makeSkb(60, 0)
    const head = i32[skb + SKB_HEAD]!
    u8.fill(0xee, head - vnet.HEADER, head)
    driver.startXmit(skb, dev)
    expect([...u8.slice(head - vnet.HEADER, head)]).toEqual(Array(vnet.HEADER).fill(0xee))
    expect([...written().slice(vnet.HEADER)]).toEqual([...pattern(60)])
    expect(skbs.available()).toEqual(before)
  })

  test('what the device refuses is counted and freed', () => {
    const { i32, skbs, dev, queue0, driver, makeSkb, stat } = setup()
    const before = skbs.available()
    i32[queue0] = -1
    expect(driver.startXmit(makeSkb(60, RX_HEADROOM), dev)).toBe(NETDEV_TX_OK)
    expect(stat(DevStat.tx_errors)).toBe(1)
    expect(skbs.available()).toEqual(before)
  })
})

describe('receiving', () => {
  /** A socket pair keeps frames apart as a TAP does. */
  const receiver = () => {
    const env = setup()
    const [ours, theirs] = socketPair()
    const O_NONBLOCK = 0x800
    check(libc.fcntl(ours, 4, O_NONBLOCK), 'fcntl')
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
    const poll = (budget: number): number => env.driver.poll(ours, IFINDEX, budget, deliver)
    return { ...env, send, got, poll, close }
  }

  test('frames of either buffer size arrive whole and in order', () => {
    const { skbs, driver, send, got, poll, close, stat } = receiver()
    const before = skbs.available()
    const sizes = [14, 60, 1514, SMALL_ROOM, SMALL_ROOM + 1, 65_000]
    for (const size of sizes) {
      send(pattern(size))
      expect(poll(4)).toBe(1)
    }
    expect(got).toEqual(sizes.map(pattern))
    expect(stat(DevStat.rx_packets)).toBe(sizes.length)
    driver.release()
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
    const { skbs, driver, send, got, poll, close, stat } = receiver()
    const before = skbs.available()
    const beyond = Uint8Array.of(1, 0, 0, 0, 0, 0, 255, 255, 16, 0)
    send(pattern(60), beyond)
    poll(4)
    expect(got).toEqual([])
    expect(stat(DevStat.rx_frame_errors)).toBe(1)
    driver.release()
    expect(skbs.available()).toEqual(before)
    close()
  })

  test('without a buffer a frame waits in the device, the miss is counted, and the thread is told to rest', () => {
    const { skbs, driver, send, got, poll, close, stat } = receiver()
    const taken: number[] = []
    for (let skb = skbs.alloc(1, 0); skb !== 0; skb = skbs.alloc(1, 0)) taken.push(skb)
    send(pattern(60))
    expect(poll(4)).toBe(0)
    expect(stat(DevStat.rx_missed_errors)).toBe(1)
    expect(driver.error()).toBe(Errno.ENOMEM)
    for (const skb of taken) skbs.free(skb)
    expect(poll(4)).toBe(1)
    expect(driver.error()).toBe(0)
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
