import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import {
  DEV_FLAGS,
  DEV_MAC,
  DEV_IFINDEX,
  DevStat,
  deviceFds,
  deviceRow,
  IFF_RUNNING,
  IFF_UP,
  NETDEV_TX_OK,
  sumDeviceStat,
} from '../../../core/netdev/netdev.ts'
import { backlogRing, createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { ringPush } from '../../../core/shm/ring.ts'
import { Sysctl } from '../../../core/shm/sysctl.ts'
import { createDrop, Drop, DROP_COUNTERS } from '../../../core/skb/drop.ts'
import { SKB_DATA, SKB_DEV, SKB_LEN } from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import {
  PCAP_RECORD_LEN,
  putEnhancedPacket,
  putInterface,
  putPcapHeader,
  putPcapRecord,
  putSectionHeader,
} from '../../../core/wire/pcap.ts'
import { createCaptureReader } from '../../../core/wire/pcap-reader.ts'
import { openPcapRecord } from '../../../workers/drivers/capture-file.ts'
import {
  createPcapXmit,
  PCAP_PACE,
  PCAP_RECORD,
  PCAP_REPLAY,
  PCAP_TIMED,
} from '../../../workers/drivers/pcap.ts'
import { createPcapReplay } from '../../../workers/drivers/pcap-replay.ts'
import { Errno } from '../../../workers/os/libc.ts'

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
  expect(reader.problem()).toBeNull()
  return frames
}

describe('sending on a pcap device', () => {
  const sender = () => {
    const { arena, i32, dev, fdWords, stat } = setup()
    const skbs = createSkbs(arena, 0)
    const { drop } = createDrop(arena, skbs)
    const told: [number, number][] = []
    const xmit = createPcapXmit({
      arena,
      skbs,
      drop,
      deviceFailed: (...news) => told.push(news) > 0,
    })
    const path = `${folder}/out.pcap`
    const fd = openPcapRecord(path)
    fds.push(fd)
    i32[fdWords + PCAP_RECORD] = fd
    const makeSkb = (bytes: Uint8Array, headroom: number): number => {
      const skb = skbs.alloc(bytes.length, headroom)
      arena.u8.set(bytes, skbs.put(skb, bytes.length))
      return skb
    }
    i32[dev + DEV_FLAGS] = IFF_UP | IFF_RUNNING
    return { arena, dev, fdWords, i32, makeSkb, path, skbs, stat, told, xmit }
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
    const { fdWords, dev, i32, makeSkb, path, xmit } = sender()
    xmit(makeSkb(frame(60, 6), 130), dev)
    const again = openPcapRecord(path)
    fds.push(again)
    i32[fdWords + PCAP_RECORD] = again
    xmit(makeSkb(frame(60, 7), 130), dev)
    expect(readBack(path).map(({ bytes }) => bytes)).toEqual([frame(60, 6), frame(60, 7)])
  })

  test('counts and drops what the file does not take', () => {
    const { fdWords, arena, dev, i32, makeSkb, skbs, stat, xmit } = sender()
    const before = skbs.available()
    const readOnly = openSync('/dev/null', 'r')
    fds.push(readOnly)
    i32[fdWords + PCAP_RECORD] = readOnly
    expect(xmit(makeSkb(frame(60, 8), 130), dev)).toBe(NETDEV_TX_OK)
    expect(stat(DevStat.tx_errors)).toBe(1)
    expect(arena.f64[arena.layout.countersF64 + DROP_COUNTERS + Drop.DEV_READY]).toBe(1)
    expect(skbs.available()).toEqual(before)
  })

  test('a write that is refused ends the recording: control hears of it once, nothing more is written', () => {
    const { fdWords, dev, i32, makeSkb, skbs, stat, told, xmit } = sender()
    const before = skbs.available()
    const full = openSync('/dev/full', 'w')
    fds.push(full)
    i32[fdWords + PCAP_RECORD] = full
    for (let k = 0; k < 3; k++) xmit(makeSkb(frame(60, k), 130), dev)
    expect(told).toEqual([[IFINDEX, Errno.ENOSPC]])
    expect(stat(DevStat.tx_carrier_errors)).toBe(3)
    expect(skbs.available()).toEqual(before)
  })

  test('without carrier nothing is written', () => {
    const { dev, i32, makeSkb, path, skbs, stat, xmit } = sender()
    const before = skbs.available()
    i32[dev + DEV_FLAGS] = IFF_UP
    xmit(makeSkb(frame(60, 1), 130), dev)
    expect(readBack(path)).toEqual([])
    expect(stat(DevStat.tx_carrier_errors)).toBe(1)
    expect(skbs.available()).toEqual(before)
  })

  test('without a file to write, frames are used up', () => {
    const { fdWords, dev, i32, makeSkb, skbs, xmit } = sender()
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
    const told: number[] = []
    const hear = (_ifindex: number, errno: number) => told.push(errno) > 0
    const replay = createPcapReplay(arena, skbs, () => clock.us, hear)(IFINDEX)
    const got: Uint8Array[] = []
    const deliver = (skb: number): void => {
      expect(i32[skb + SKB_DEV]).toBe(IFINDEX)
      const data = i32[skb + SKB_DATA]!
      got.push(arena.u8.slice(data, data + i32[skb + SKB_LEN]!))
      skbs.free(skb)
    }
    const poll = (budget: number): number => replay.poll(budget, deliver)
    return { arena, available, clock, dev, got, i32, poll, replay, skbs, stat, told }
  }

  const frames = [frame(60, 1), frame(1514, 2), frame(9000, 3), frame(14, 4)]

  for (const [format, make] of [
    ['pcap', pcapOf],
    ['pcapng', pcapngOf],
  ] as const) {
    test(`delivers the frames of a ${format} file in order, then stops`, () => {
      const { available, got, poll, replay, skbs, stat, told } = player(make(frames))
      expect(poll(3)).toBe(3)
      expect(replay.isDone()).toBe(false)
      expect(poll(64)).toBe(1)
      expect(got).toEqual(frames)
      expect(replay.isDone()).toBe(true)
      expect(told).toEqual([])
      expect(replay.delayMs()).toBe(1)
      expect(poll(64)).toBe(0)
      expect(told).toEqual([Errno.ENODATA])
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
      const { available, poll, replay, skbs, told } = player(whole.slice(0, length))
      expect(poll(64)).toBeLessThan(2)
      expect(replay.isDone()).toBe(true)
      poll(64)
      // cut between two records it is a shorter capture, and as good
      const isWhole = length === 24 || length === 24 + 16 + 60
      expect(told).toEqual([isWhole ? Errno.ENODATA : Errno.EBADMSG])
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

  test('frames that a capture cut are received and counted', () => {
    let at = putPcapHeader(room, 0, 65535)
    at = putPcapRecord(room, at, 1, 0, frame(60, 1), 0, 60, 61)
    at = putPcapRecord(room, at, 1, 0, frame(60, 2), 0, 60, 60)
    const { got, poll, stat } = player(room.slice(0, at))
    expect(poll(64)).toBe(2)
    expect(got).toHaveLength(2)
    expect(stat(DevStat.rx_length_errors)).toBe(1)
    expect(stat(DevStat.rx_errors)).toBe(0)
  })

  test('a frame check sequence is not part of the frame', () => {
    const file = pcapOf([frame(64, 1)])
    // two words of FCS: bit 26 says that they are there
    file[23] = 0x24
    const { got, poll, stat } = player(file)
    expect(poll(64)).toBe(1)
    expect(got).toEqual([frame(60, 1)])
    expect(stat(DevStat.rx_length_errors)).toBe(0)
  })

  test('what the hardware found wrong is counted and not received', () => {
    const file = pcapngOf([frame(60, 1), frame(60, 2)])
    // of the flags option, which lies before the end of options and the length
    const last = file.length - 12
    file[last + 3] = 0x01
    const { got, poll, stat } = player(file)
    poll(64)
    expect(got).toEqual([frame(60, 1)])
    expect(stat(DevStat.rx_crc_errors)).toBe(1)
    expect(stat(DevStat.rx_errors)).toBe(1)
  })

  const ip4 = Uint8Array.of(0x45, 0, 0, 20, ...new Uint8Array(16))
  const ip6 = Uint8Array.of(0x60, ...new Uint8Array(39))
  const arp = Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 1, ...new Uint8Array(20))
  const MAC = [2, 0, 0, 0, 0, 9]
  const BROADCAST = [255, 255, 255, 255, 255, 255]
  const sll = (pktType: number, type: number) => [
    0,
    pktType,
    0,
    1,
    0,
    6,
    2,
    2,
    2,
    2,
    2,
    2,
    0,
    0,
    type >> 8,
    type & 255,
  ]
  const sll2 = (pktType: number, type: number) => [
    type >> 8,
    type & 255,
    0,
    0,
    0,
    0,
    0,
    3,
    0,
    1,
    pktType,
    6,
    2,
    2,
    2,
    2,
    2,
    2,
    0,
    0,
  ]
  const kinds: [
    name: string,
    linkType: number,
    before: number[],
    packet: Uint8Array,
    type: number,
    to: number[],
  ][] = [
    ['RAW', 101, [], ip4, 0x0800, MAC],
    ['RAW of DLT 12', 12, [], ip6, 0x86dd, MAC],
    ['RAW of DLT 14', 14, [], ip4, 0x0800, MAC],
    ['IPV4', 228, [], ip4, 0x0800, MAC],
    ['IPV6', 229, [], ip6, 0x86dd, MAC],
    ['NULL, little-endian', 0, [2, 0, 0, 0], ip4, 0x0800, MAC],
    ['NULL, big-endian', 0, [0, 0, 0, 2], ip4, 0x0800, MAC],
    ["NULL of macOS's IPv6", 0, [30, 0, 0, 0], ip6, 0x86dd, MAC],
    ['LOOP', 108, [0, 0, 0, 24], ip6, 0x86dd, MAC],
    ['SLL', 113, sll(0, 0x0800), ip4, 0x0800, MAC],
    ['SLL, broadcast ARP', 113, sll(1, 0x0806), arp, 0x0806, BROADCAST],
    ['SLL2', 276, sll2(0, 0x86dd), ip6, 0x86dd, MAC],
    ['SLL2, broadcast', 276, sll2(1, 0x0800), ip4, 0x0800, BROADCAST],
  ]
  test.each(kinds)(
    'packets of %s get an Ethernet header',
    (_, linkType, before, packet, type, to) => {
      const file = pcapOf([Uint8Array.of(...before, ...packet)])
      file[20] = linkType & 255
      file[21] = linkType >> 8
      const { arena, available, dev, got, poll, skbs } = player(file)
      arena.u8.set(MAC, (dev + DEV_MAC) << 2)
      expect(poll(64)).toBe(1)
      expect([...got[0]!]).toEqual([...to, 0, 0, 0, 0, 0, 0, type >> 8, type & 255, ...packet])
      expect(skbs.available()).toEqual(available)
    }
  )

  test('packets that no Ethernet device receives are counted each and told once', () => {
    const file = pcapOf([frame(60, 1), frame(60, 2), frame(60, 3)])
    file[20] = 105
    const { got, poll, stat, told } = player(file)
    expect(poll(64)).toBe(0)
    poll(64)
    expect(got).toEqual([])
    expect(stat(DevStat.rx_frame_errors)).toBe(3)
    expect(told).toEqual([Errno.EPROTONOSUPPORT, Errno.ENODATA])
  })

  test('802.3 frames come in as from a wire, and are told of once', () => {
    const lengths = [frame(60, 1), frame(60, 2)]
    for (const each of lengths) {
      each[12] = 0
      each[13] = 46
    }
    const { got, poll, stat, told } = player(pcapOf(lengths))
    expect(poll(64)).toBe(2)
    poll(64)
    expect(got).toEqual(lengths)
    expect(stat(DevStat.rx_errors)).toBe(0)
    expect(told).toEqual([Errno.EPROTONOSUPPORT, Errno.ENODATA])
  })

  test('a file larger than the window is played whole, and no longer than it was when it was opened', () => {
    const many = Array.from({ length: 400 }, (_, k) => frame(1500, k))
    const { got, poll } = player(pcapOf(many))
    while (poll(64) > 0);
    expect(got).toEqual(many)
  })

  test('a file that becomes shorter while it is played ends there', () => {
    const many = Array.from({ length: 400 }, (_, k) => frame(1500, k))
    const { available, poll, replay, skbs, told } = player(pcapOf(many))
    expect(poll(10)).toBe(10)
    truncateSync(`${folder}/in.pcap`, 100_000)
    while (poll(64) > 0);
    expect(replay.isDone()).toBe(true)
    poll(64)
    expect(told).toEqual([Errno.EBADMSG])
    expect(skbs.available()).toEqual(available)
  })
})
