import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as pcap from '../../../core/wire/pcap.ts'
import { WINDOW_BYTES } from '../../../core/wire/capture-window.ts'
import type { CapturedPacket } from '../../../core/wire/captured-packet.ts'
import { createCaptureReader } from '../../../core/wire/pcap-reader.ts'

const FRAME = Uint8Array.from({ length: 61 }, (_, i) => i)

type Read = { frame: string; len: number; seconds: number; nanos: number; iface: number }

const readAll = (file: Uint8Array): { packets: Read[]; isTruncated: boolean } | null => {
  const reader = createCaptureReader(file)
  if (reader === null) return null
  const packets: Read[] = []
  while (reader.next()) {
    const { at, capLen, len, seconds, nanos, iface } = reader.packet
    packets.push({ frame: file.subarray(at, at + capLen).toHex(), len, seconds, nanos, iface })
  }
  return { packets, isTruncated: reader.problem() !== null }
}

const pcapFile = (): Uint8Array => {
  const out = new Uint8Array(256)
  let at = pcap.putPcapHeader(out, 0, 65535)
  at = pcap.putPcapRecord(out, at, 1_700_000_000, 123_456_789, FRAME, 0, 61, 61)
  at = pcap.putPcapRecord(out, at, 0xfffffff0, 5, FRAME, 0, 10, 61)
  return out.slice(0, at)
}

const pcapngFile = (): Uint8Array => {
  const out = new Uint8Array(512)
  let at = pcap.putSectionHeader(out, 0)
  at = pcap.putInterface(out, at, new TextEncoder().encode('lo'), 65535)
  at = pcap.putInterface(out, at, new TextEncoder().encode('tap0'), 65535)
  at = pcap.putEnhancedPacket(out, at, 0, 1, 1_700_000_000, 123_456_789, FRAME, 0, 61, 61)
  at = pcap.putEnhancedPacket(out, at, 1, 2, 0xfffffff0, 5, FRAME, 0, 10, 61)
  return out.slice(0, at)
}

const expected = (ifaces: [number, number]): Read[] => [
  { frame: FRAME.toHex(), len: 61, seconds: 1_700_000_000, nanos: 123_456_789, iface: ifaces[0] },
  { frame: FRAME.toHex().slice(0, 20), len: 61, seconds: 0xfffffff0, nanos: 5, iface: ifaces[1] },
]

describe('what the writer wrote', () => {
  test('pcap', () => {
    expect(readAll(pcapFile())).toEqual({ packets: expected([0, 0]), isTruncated: false })
    expect(createCaptureReader(pcapFile())!.format).toBe('pcap')
  })

  test('pcapng', () => {
    expect(readAll(pcapngFile())).toEqual({ packets: expected([0, 1]), isTruncated: false })
    expect(createCaptureReader(pcapngFile())!.format).toBe('pcapng')
  })
})

describe('what others write', () => {
  test('big-endian pcap in microseconds', () => {
    const file = Uint8Array.fromHex(
      'a1b2c3d400020004000000000000000000000fff00000001' + '00000007000003e8000000020000003cabcd'
    )
    expect(readAll(file)!.packets).toEqual([
      { frame: 'abcd', len: 60, seconds: 7, nanos: 1_000_000, iface: 0 },
    ])
  })

  test('big-endian pcapng in default microseconds, simple packets, unknown blocks', () => {
    const file = Uint8Array.fromHex(
      '0a0d0d0a0000001c1a2b3c4d00010000ffffffffffffffff0000001c' +
        '0000000100000014000100000000000300000014' +
        '0000000b0000000c0000000c' +
        '00000003000000140000003cabcdef0000000014' +
        '0000000600000024000000000005d5c70000000100000002000000040102000000000024'
    )
    const { packets, isTruncated } = readAll(file)!
    const micros = 0x5d5c7 * 2 ** 32 + 1
    expect(packets).toEqual([
      { frame: 'abcdef', len: 60, seconds: 0, nanos: 0, iface: 0 },
      {
        frame: '0102',
        len: 4,
        seconds: Math.floor(micros / 1e6),
        nanos: (micros % 1e6) * 1000,
        iface: 0,
      },
    ])
    expect(isTruncated).toBe(false)
  })
})

describe('formats of others', () => {
  const le16 = (n: number) => [n & 255, n >> 8]
  const le32 = (n: number) => [...le16(n & 0xffff), ...le16(n >>> 16)]
  const padded = (bytes: number[]) => [...bytes, ...Array((4 - (bytes.length & 3)) & 3).fill(0)]
  const option = (code: number, value: number[]) => [
    ...le16(code),
    ...le16(value.length),
    ...padded(value),
  ]
  const block = (type: number, body: number[]) => {
    const total = body.length + 12
    return [...le32(type), ...le32(total), ...body, ...le32(total)]
  }
  const section = (minor = 0) =>
    block(0x0a0d0d0a, [...le32(0x1a2b3c4d), ...le16(1), ...le16(minor), ...Array(8).fill(255)])
  const iface = (linkType: number, ...options: number[][]) =>
    block(1, [...le16(linkType), 0, 0, ...le32(65535), ...options.flat()])
  const enhanced = (
    id: number,
    high: number,
    low: number,
    data: number[],
    ...options: number[][]
  ) =>
    block(
      6,
      [id, high, low, data.length, data.length].flatMap(le32).concat(padded(data), options.flat())
    )
  const read = (...blocks: number[][]) => {
    const file = Uint8Array.from(blocks.flat())
    const reader = createCaptureReader(file)!
    const packets: CapturedPacket[] = []
    while (reader.next()) packets.push({ ...reader.packet })
    return { packets, problem: reader.problem(), skipped: reader.skipped(), reader }
  }

  test("Kuznetzov's pcap has records of 24 octets", () => {
    const file = Uint8Array.fromHex(
      '34cdb2a10200040000000000000000' +
        '00ffff000001000000' +
        '0100000002000000' +
        '0200000003000000' +
        '0100000008060000' +
        'abcd' +
        '0100000003000000' +
        '0100000001000000' +
        '0100000008060000' +
        'ef'
    )
    const { packets, isTruncated } = readAll(file)!
    expect(packets.map(({ frame, len, nanos }) => [frame, len, nanos])).toEqual([
      ['abcd', 3, 2000],
      ['ef', 1, 3000],
    ])
    expect(isTruncated).toBe(false)
  })

  test('before version 2.3 the two lengths of pcap changed places', () => {
    const file = Uint8Array.fromHex(
      'a1b2c3d400020002000000000000000000000fff00000001' + '00000007000003e80000003c00000002abcd'
    )
    expect(readAll(file)!.packets[0]).toMatchObject({ frame: 'abcd', len: 60 })
  })

  test.each([
    [[9, [9]], 1_000_000_007, 1, 7],
    [[9, [0x8a]], 1024 * 5 + 512, 5, 500_000_000],
    [[9, [12]], 1_500_000_000, 0, 1_500_000],
    [[9, [0]], 77, 77, 0],
  ] as const)('time resolution %j', ([code, value], low, seconds, nanos) => {
    const { packets } = read(
      section(),
      iface(1, option(code, [...value])),
      enhanced(0, 0, low, [1])
    )
    expect(packets[0]).toMatchObject({ seconds, nanos })
  })

  test('the offset of an interface is added to its times', () => {
    const minusOne = Array(8).fill(255)
    const { packets } = read(
      section(),
      iface(1, option(14, [...le32(1000), ...le32(0)])),
      iface(1, option(14, minusOne)),
      enhanced(0, 0, 2_000_000, [1]),
      enhanced(1, 0, 2_000_000, [1])
    )
    expect(packets.map(({ seconds }) => seconds)).toEqual([1002, 1])
  })

  test('each section has interfaces and link types of its own', () => {
    const { packets } = read(
      section(),
      iface(1),
      iface(113),
      enhanced(1, 0, 0, [1]),
      section(2),
      iface(101),
      enhanced(0, 0, 0, [2]),
      enhanced(1, 0, 0, [3])
    )
    expect(packets.map(({ linkType }) => linkType)).toEqual([113, 101])
  })

  test('an obsolete packet block is a packet', () => {
    const body = [...le16(0), ...le16(9), ...[0, 5, 2, 60].flatMap(le32), 0xab, 0xcd, 0, 0]
    const { packets, skipped } = read(section(), iface(1), block(2, body))
    expect(packets).toMatchObject([{ capLen: 2, len: 60, nanos: 5000 }])
    expect(skipped).toBe(0)
  })

  test('FCS and errors are told: of the interface, in octets or bits, and of a packet', () => {
    const flags = option(2, le32((0x0100 << 16) | (2 << 5)))
    const { packets } = read(
      section(),
      iface(1, option(13, [4])),
      iface(1, option(13, [32])),
      enhanced(0, 0, 0, [1]),
      enhanced(1, 0, 0, [1]),
      enhanced(0, 0, 0, [1], flags)
    )
    expect(packets.map(({ fcsLen, errors }) => [fcsLen, errors])).toEqual([
      [4, 0],
      [4, 0],
      [2, pcap.PCAPNG_CRC_ERROR],
    ])
  })

  test('blocks without packets are skipped, packets of no interface counted', () => {
    const { packets, problem, skipped } = read(
      section(),
      block(4, [0, 0, 0, 0]),
      block(0x0bad, le32(32473)),
      enhanced(0, 0, 0, [1]),
      iface(1),
      block(5, Array(12).fill(0)),
      block(0x40000bad, [1, 2, 3, 4]),
      enhanced(7, 0, 0, [1]),
      enhanced(0, 0, 0, [2])
    )
    expect(packets).toHaveLength(1)
    expect(problem).toBeNull()
    expect(skipped).toBe(2)
  })

  test('what is not as the format has it ends the file and is named', () => {
    const odd = block(6, [])
    odd[odd.length - 4] = 99
    expect(read(section(), iface(1), odd).problem).toBe('a block whose two lengths differ')
    expect(read(section(), block(1, []).with(4, 10)).problem).toBe(
      'a block of an impossible length'
    )
    expect(read(section(7)).problem).toBe('pcapng version 1.7')
    expect(read(section().with(8, 0)).problem).toBe('a section without byte order')
    const many = Array.from({ length: 4097 }, () => iface(1))
    expect(read(section(), ...many).problem).toBe('more than 4096 interfaces')
  })

  test('a file is read through a window: blocks larger than it are passed over', () => {
    const comment = block(0x0bad, Array(4 * 100_000).fill(7))
    const frames = Array.from({ length: 300 }, (_, k) =>
      enhanced(0, 0, k, Array(1500).fill(k & 255))
    )
    const file = Uint8Array.from([section(), iface(1), comment, ...frames, comment].flat())
    const reads: number[] = []
    const reader = createCaptureReader({
      size: file.length,
      read: (offset, into, len) => {
        reads.push(len)
        into.set(file.subarray(offset, offset + len))
        return Math.min(len, file.length - offset)
      },
    })!
    let n = 0
    while (reader.next()) {
      expect(reader.bytes[reader.packet.at + 1499]).toBe(n & 255)
      n++
    }
    expect(n).toBe(300)
    expect(reader.problem()).toBeNull()
    expect(Math.max(...reads)).toBeLessThanOrEqual(WINDOW_BYTES)
    expect(reads.length).toBeLessThan(16)
  })
})

describe('bad files', () => {
  test('anything else is no capture', () => {
    expect(createCaptureReader(new Uint8Array(0))).toBeNull()
    expect(createCaptureReader(Uint8Array.of(1, 2, 3))).toBeNull()
    expect(createCaptureReader(new Uint8Array(100))).toBeNull()
  })

  test.each([
    ['pcap', pcapFile()],
    ['pcapng', pcapngFile()],
  ] as const)('a %s file cut at any length gives its whole packets and says so', (_, file) => {
    const whole = readAll(file)!.packets
    for (let len = 4; len < file.length; len++) {
      const cut = readAll(file.slice(0, len))!
      expect(cut.packets.length).toBeLessThan(3)
      expect(cut.packets).toEqual(whole.slice(0, cut.packets.length))
      expect(cut.packets.length < 2 || cut.isTruncated).toBe(true)
    }
  })

  test('random damage never throws, never points outside the file', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 })
    fc.assert(
      fc.property(fc.constantFrom(pcapFile(), pcapngFile()), damage, (original, changes) => {
        const file = original.slice()
        for (const [at, value] of changes) file[at % file.length] = value
        const reader = createCaptureReader(file)
        while (reader?.next()) {
          expect(reader.packet.at + reader.packet.capLen).toBeLessThanOrEqual(file.length)
        }
      }),
      { numRuns: 500 }
    )
  })
})
