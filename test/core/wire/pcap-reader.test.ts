import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as pcap from '../../../core/wire/pcap.ts'
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
