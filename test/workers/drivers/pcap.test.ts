import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import {
  DEV_IFINDEX,
  DEV_KIND,
  DevKind,
  DevStat,
  deviceFds,
  deviceRow,
  NETDEV_TX_OK,
  sumDeviceStat,
} from '../../../core/netdev/netdev.ts'
import { backlogRing, createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { ringPush } from '../../../core/shm/ring.ts'
import { Sysctl } from '../../../core/shm/sysctl.ts'
import { createDrop, Drop, DROP_COUNTERS } from '../../../core/skb/drop.ts'
import { createSkbs, SKB_DATA, SKB_DEV, SKB_LEN } from '../../../core/skb/skb.ts'
import {
  PCAP_RECORD_LEN,
  putEnhancedPacket,
  putInterface,
  putPcapHeader,
  putPcapRecord,
  putSectionHeader,
} from '../../../core/wire/pcap.ts'
import { createCaptureReader } from '../../../core/wire/pcap-reader.ts'
import {
  createPcapReplay,
  createPcapXmit,
  openPcapRecord,
  openPcapReplay,
  PCAP_PACE,
  PCAP_RECORD,
  PCAP_REPLAY,
  PCAP_TIMED,
} from '../../../workers/drivers/pcap.ts'

const IFINDEX = 3
const NIC = 1
let folder: string
let fds: number[]

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/softnet-test-`)
  fds = []
})
afterEach(() => {
  for (const fd of fds) closeSync(fd)
  rmSync(folder, { recursive: true })
})

const setup = () => {
  const arena = createArena({
    ...SMALL_ARENA,
    nics: 1,
    skbs: 64,
    smallBuffers: 64,
    largeBuffers: 4,
  })
  const { i32 } = arena
  i32[arena.layout.sysctl + Sysctl.netdev_max_backlog] = 1000
  const dev = deviceRow(arena, IFINDEX)
  i32[dev + DEV_IFINDEX] = IFINDEX
  i32[dev + DEV_KIND] = DevKind.pcap
  const stat = (index: number) => sumDeviceStat(arena, IFINDEX, index)
  const fdWords = deviceFds(arena, IFINDEX)
  return { arena, i32, dev, fdWords, stat }
}

const frame = (length: number, seed: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, k) => (k * 7 + seed) & 255)

/** Captured packets of a file, copied out. */
const readBack = (path: string) => {
  const bytes = new Uint8Array(readFileSync(path))
  const reader = createCaptureReader(bytes)!
  const frames: { bytes: Uint8Array; seconds: number }[] = []
  while (reader.next()) {
    const { at, capLen, seconds } = reader.packet
    frames.push({ bytes: bytes.slice(at, at + capLen), seconds })
  }
  expect(reader.isTruncated()).toBe(false)
  return frames
}

describe('sending on a pcap device', () => {
  const sender = () => {
    const { arena, i32, dev, fdWords, stat } = setup()
    const skbs = createSkbs(arena, 0)
    const { drop } = createDrop(arena, skbs)
    const xmit = createPcapXmit(arena, skbs, drop)
    const path = `${folder}/out.pcap`
    const fd = openPcapRecord(path)
    fds.push(fd)
    i32[fdWords + PCAP_RECORD] = fd
    const makeSkb = (bytes: Uint8Array, headroom: number): number => {
      const skb = skbs.alloc(bytes.length, headroom)
      arena.u8.set(bytes, skbs.put(skb, bytes.length))
      return skb
    }
    return { arena, dev, fdWords, i32, makeSkb, path, skbs, stat, xmit }
  }

  test('appends each frame as a record with the time of day', () => {
    const { dev, makeSkb, path, skbs, xmit } = sender()
    const before = skbs.available()
    const sent = [frame(60, 1), frame(1514, 2), frame(9000, 3)]
    for (const bytes of sent) expect(xmit(makeSkb(bytes, 130), dev)).toBe(NETDEV_TX_OK)
    const got = readBack(path)
    expect(got.map(({ bytes }) => bytes)).toEqual(sent)
    for (const { seconds } of got) expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(60)
    expect(skbs.available()).toEqual(before)
  })

  test('makes room for the record header where a frame has no headroom', () => {
    const { dev, makeSkb, path, skbs, xmit } = sender()
    const before = skbs.available()
    xmit(makeSkb(frame(80, 4), PCAP_RECORD_LEN - 1), dev)
    expect(readBack(path).map(({ bytes }) => bytes)).toEqual([frame(80, 4)])
    expect(skbs.available()).toEqual(before)
  })

  test('leaves the bytes of a clone that it shares with a retransmission queue alone', () => {
    const { arena, dev, i32, makeSkb, path, skbs, xmit } = sender()
    const original = makeSkb(frame(100, 5), 130)
    xmit(skbs.clone(original), dev)
    const data = i32[original + SKB_DATA]!
    expect(arena.u8.slice(data, data + 100)).toEqual(frame(100, 5))
    expect(readBack(path)).toHaveLength(1)
  })

  test('a file that is there is continued', () => {
    const { dev, fdWords, i32, makeSkb, path, xmit } = sender()
    xmit(makeSkb(frame(60, 6), 130), dev)
    const again = openPcapRecord(path)
    fds.push(again)
    i32[fdWords + PCAP_RECORD] = again
    xmit(makeSkb(frame(60, 7), 130), dev)
    expect(readBack(path).map(({ bytes }) => bytes)).toEqual([frame(60, 6), frame(60, 7)])
  })

  test('counts and drops what the file does not take', () => {
    const { arena, dev, fdWords, i32, makeSkb, skbs, stat, xmit } = sender()
    const before = skbs.available()
    const readOnly = openSync('/dev/null', 'r')
    fds.push(readOnly)
    i32[fdWords + PCAP_RECORD] = readOnly
    expect(xmit(makeSkb(frame(60, 8), 130), dev)).toBe(NETDEV_TX_OK)
    expect(stat(DevStat.tx_errors)).toBe(1)
    expect(arena.f64[arena.layout.countersF64 + DROP_COUNTERS + Drop.DEV_READY]).toBe(1)
    expect(skbs.available()).toEqual(before)
  })

  test('without a file to write, frames are used up', () => {
    const { dev, fdWords, i32, makeSkb, skbs, xmit } = sender()
    const before = skbs.available()
    i32[fdWords + PCAP_RECORD] = 0
    expect(xmit(makeSkb(frame(60, 9), 130), dev)).toBe(NETDEV_TX_OK)
    expect(skbs.available()).toEqual(before)
  })
})

describe('replaying a capture', () => {
  const room = new Uint8Array(1 << 20)

  /** Frames one second and 250 ms apart. */
  const pcapOf = (frames: Uint8Array[]): Uint8Array => {
    let at = putPcapHeader(room, 0, 65535)
    frames.forEach((bytes, k) => {
      at = putPcapRecord(
        room,
        at,
        1000 + k,
        250_000_000 * (k & 3),
        bytes,
        0,
        bytes.length,
        bytes.length
      )
    })
    return room.slice(0, at)
  }
  const pcapngOf = (frames: Uint8Array[]): Uint8Array => {
    let at = putInterface(room, putSectionHeader(room, 0), new Uint8Array(4), 65535)
    for (const bytes of frames)
      at = putEnhancedPacket(room, at, 0, 1, 5, 0, bytes, 0, bytes.length, bytes.length)
    return room.slice(0, at)
  }

  const player = (content: Uint8Array, pace = 0) => {
    const { arena, i32, dev, fdWords, stat } = setup()
    writeFileSync(`${folder}/in.pcap`, content)
    const fd = openSync(`${folder}/in.pcap`, 'r')
    fds.push(fd)
    i32[fdWords + PCAP_REPLAY] = fd
    i32[dev + PCAP_PACE] = pace
    const skbs = createSkbs(arena, NIC)
    const available = skbs.available()
    const clock = { us: 5000 }
    const replay = createPcapReplay(arena, skbs, () => clock.us)(IFINDEX)
    const got: Uint8Array[] = []
    const deliver = (skb: number): void => {
      expect(i32[skb + SKB_DEV]).toBe(IFINDEX)
      const data = i32[skb + SKB_DATA]!
      got.push(arena.u8.slice(data, data + i32[skb + SKB_LEN]!))
      skbs.free(skb)
    }
    const poll = (budget: number): number => replay.poll(budget, deliver)
    return { arena, available, clock, got, i32, poll, replay, skbs, stat }
  }

  const frames = [frame(60, 1), frame(1514, 2), frame(9000, 3), frame(14, 4)]

  for (const [format, make] of [
    ['pcap', pcapOf],
    ['pcapng', pcapngOf],
  ] as const) {
    test(`delivers the frames of a ${format} file in order, then stops`, () => {
      const { available, got, poll, replay, skbs, stat } = player(make(frames))
      expect(poll(3)).toBe(3)
      expect(replay.isDone()).toBe(false)
      expect(poll(64)).toBe(1)
      expect(got).toEqual(frames)
      expect(replay.isDone()).toBe(true)
      expect(poll(64)).toBe(0)
      expect(replay.delayMs()).toBe(Infinity)
      expect(stat(DevStat.rx_packets)).toBe(4)
      expect(stat(DevStat.rx_bytes)).toBe(60 + 1514 + 9000 + 14)
      expect(skbs.available()).toEqual(available)
    })
  }

  test('by timestamps, keeps the gaps of the capture', () => {
    const { clock, got, poll, replay } = player(pcapOf(frames), PCAP_TIMED)
    expect(poll(64)).toBe(1)
    expect(replay.delayMs()).toBe(1250)
    clock.us += 1_249_999
    expect(poll(64)).toBe(0)
    clock.us += 1
    expect(poll(64)).toBe(1)
    clock.us += 60_000_000
    expect(poll(64)).toBe(2)
    expect(got).toEqual(frames)
  })

  test('waits while a backlog is half full', () => {
    const { arena, i32, got, poll, replay } = player(pcapOf(frames))
    const ring = backlogRing(arena.layout, 0, NIC)
    for (let k = 0; k < 498; k++) ringPush(i32, ring, 0)
    expect(poll(64)).toBe(2)
    for (let k = 0; k < 2; k++) ringPush(i32, ring, 0)
    expect(poll(64)).toBe(0)
    expect(replay.isDone()).toBe(false)
    expect(replay.delayMs()).toBe(1)
    expect(got).toHaveLength(2)
  })

  test('waits when there is no memory, and loses nothing', () => {
    const { got, poll, skbs } = player(pcapOf(frames))
    const taken: number[] = []
    for (let skb = skbs.alloc(60, 130); skb !== 0; skb = skbs.alloc(60, 130)) taken.push(skb)
    expect(poll(64)).toBe(0)
    for (const skb of taken) skbs.free(skb)
    expect(poll(64)).toBe(4)
    expect(got).toEqual(frames)
  })

  test('a file cut short at any byte ends there', () => {
    const whole = pcapOf(frames.slice(0, 2))
    for (let length = 0; length < whole.length; length += 13) {
      const { available, poll, replay, skbs } = player(whole.slice(0, length))
      expect(poll(64)).toBeLessThan(2)
      expect(replay.isDone()).toBe(true)
      expect(skbs.available()).toEqual(available)
    }
  })

  test('a foreign file gives nothing', () => {
    const { poll, replay } = player(new TextEncoder().encode('no capture at all, only words'))
    expect(poll(64)).toBe(0)
    expect(replay.isDone()).toBe(true)
  })

  test('frames that no Ethernet device carries are counted and passed over', () => {
    const { got, poll, stat } = player(pcapOf([frame(13, 1), frame(60, 2), frame(70_000, 3)]))
    expect(poll(64)).toBe(1)
    expect(got).toEqual([frame(60, 2)])
    expect(stat(DevStat.rx_length_errors)).toBe(2)
  })
})

test('opening says at once that a file is no capture', () => {
  writeFileSync(`${folder}/words`, 'words')
  expect(() => openPcapReplay(`${folder}/words`)).toThrow('neither a pcap nor a pcapng file')
  expect(() => openPcapReplay(`${folder}/missing`)).toThrow('ENOENT')
})
