import { afterEach, describe, expect, test } from 'bun:test'
import { DEV_IFINDEX, DevStat, deviceRow, sumDeviceStat } from '../../../core/netdev/netdev.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { createDrop } from '../../../core/skb/drop.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import * as vnet from '../../../core/wire/virtio-net-hdr.ts'
import { createFdRx } from '../../../workers/drivers/fd-rx.ts'
import { createFdQueues } from '../../../workers/drivers/fd-queues.ts'
import { addressOf, check, Errno, libc, O_NONBLOCK } from '../../../workers/os/libc.ts'
import { createPollSet } from '../../../workers/os/poll.ts'
import { socketPair } from '../../../workers/os/unix.ts'

const IFINDEX = 2
const F_SETFL = 4
const AF_INET = 2
const SOCK_DGRAM = 2

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A queue whose frames a socket pair carries; control hears while `hears`. */
const setup = () => {
  const arena = createArena({ ...SMALL_ARENA, skbs: 32, smallBuffers: 32, largeBuffers: 4 })
  const skbs = createSkbs(arena, 0)
  const { drop } = createDrop(arena, skbs)
  arena.i32[deviceRow(arena, IFINDEX) + DEV_IFINDEX] = IFINDEX
  const driver = createFdRx({ arena, skbs, drop, ring: null })
  const polls = createPollSet(4)
  const control = { hears: true, told: [] as number[][] }
  const queues = createFdQueues(driver, polls, (ifindex, errno) => {
    if (control.hears) control.told.push([ifindex, errno])
    return control.hears
  })
  const [ours, theirs] = socketPair()
  check(libc.fcntl(ours, F_SETFL, O_NONBLOCK), 'fcntl')
  closers.push(() => {
    for (const fd of [ours, theirs]) libc.close(fd)
    polls.close()
  })
  const send = (): void => {
    const bytes = new Uint8Array(vnet.HEADER + 60)
    check(libc.write(theirs, addressOf(bytes), bytes.length), 'write')
  }
  const deliver = (skb: number): void => skbs.free(skb)
  const turn = (): number => queues.readHot(64, deliver)
  /** What poll(2) says without waiting: descriptors that would wake a sleeper. */
  const ready = (): number => polls.wait(0)
  const missed = (): number => sumDeviceStat(arena, IFINDEX, DevStat.rx_missed_errors)
  return { arena, skbs, queues, control, ours, theirs, send, turn, ready, missed }
}

/** A socket on which each byte sent makes an error that one read tells and clears: nobody listens where it goes to. */
const refusedSocket = () => {
  const fd = check(libc.socket(AF_INET, SOCK_DGRAM | O_NONBLOCK, 0), 'socket')
  closers.push(() => libc.close(fd))
  const address = new Uint8Array(16)
  const view = new DataView(address.buffer)
  view.setUint16(0, AF_INET, true)
  view.setUint16(2, 9)
  view.setUint32(4, 0x7f00_0001)
  check(libc.connect(fd, addressOf(address), 16), 'connect')
  const fail = (): void => {
    check(libc.write(fd, addressOf(address), 1), 'write')
  }
  return { fd, fail }
}

describe('an error that a read clears, as an interface that is down for now', () => {
  test('does not count again until poll(2) has looked again, however often a busy worker reads', () => {
    const { queues, control, turn } = setup()
    const { fd, fail } = refusedSocket()
    const queue = queues.open(fd, IFINDEX, false)
    turn()
    fail()
    queues.wait(0)
    for (let k = 0; k < 100; k++) queues.read(queue, 64, () => {})
    expect(control.told).toEqual([])
  })

  test('may come as often as it likes', () => {
    const { queues, control, turn } = setup()
    const { fd, fail } = refusedSocket()
    queues.open(fd, IFINDEX, false)
    for (let k = 0; k < 100; k++) {
      fail()
      queues.wait(0)
      turn()
      queues.wait(0)
      turn()
    }
    expect(control.told).toEqual([])
  })
})

describe('a descriptor with an error for good', () => {
  test('is let go at once, control hears of it once, and it wakes nobody', () => {
    const { queues, control, turn, ready } = setup()
    // no descriptor at all: EBADF, as EBADFD for a TAP that is gone
    queues.open(1000, IFINDEX, false)
    queues.wait(0)
    expect(turn()).toBe(0)
    expect(control.told).toEqual([[IFINDEX, Errno.EBADF]])
    expect(ready()).toBe(0)
    for (let k = 0; k < 20; k++) {
      queues.wait(0)
      turn()
    }
    expect(control.told).toHaveLength(1)
  })

  test('that no read tells or clears is given a few looks', () => {
    const { queues, control, ours, theirs, turn, ready } = setup()
    queues.open(ours, IFINDEX, false)
    libc.close(theirs)
    for (let k = 0; k < 20; k++) {
      queues.wait(0)
      turn()
    }
    expect(control.told).toEqual([[IFINDEX, Errno.EIO]])
    expect(ready()).toBe(0)
  })

  test('is told again while control has no room for the news', () => {
    const { queues, control, turn } = setup()
    queues.open(1000, IFINDEX, false)
    control.hears = false
    turn()
    queues.wait(0)
    expect(control.told).toEqual([])
    control.hears = true
    queues.wait(0)
    queues.wait(0)
    expect(control.told).toEqual([[IFINDEX, Errno.EBADF]])
  })

  test('leaves its slot to others', () => {
    const { queues, ours, send, turn } = setup()
    queues.open(1000, IFINDEX, false)
    turn()
    queues.open(ours, IFINDEX, false)
    send()
    queues.wait(0)
    expect(turn()).toBe(1)
    queues.clear()
    expect(queues.count()).toBe(0)
  })
})

test('without memory the thread rests, and reads on when there is some', () => {
  const { skbs, queues, ours, send, turn, missed } = setup()
  const taken: number[] = []
  for (let skb = skbs.alloc(1, 0); skb !== 0; skb = skbs.alloc(1, 0)) taken.push(skb)
  queues.open(ours, IFINDEX, false)
  send()
  let looks = 0
  const startMs = performance.now()
  // a sleep that waits for frames that are there already would end at once
  while (performance.now() - startMs < 50) {
    turn()
    queues.wait(1000)
    looks++
  }
  expect(looks).toBeLessThanOrEqual(51)
  expect(missed()).toBe(looks)
  for (const skb of taken) skbs.free(skb)
  expect(turn()).toBe(1)
})
