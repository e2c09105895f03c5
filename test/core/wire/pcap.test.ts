import { expect, test } from 'bun:test'
import * as pcap from '../../../core/wire/pcap.ts'

const FRAME = Uint8Array.from({ length: 61 }, (_, i) => i)

test('a pcap file is the header libpcap writes, then records', () => {
  const out = new Uint8Array(pcap.PCAP_HEADER_LEN + pcap.PCAP_RECORD_LEN + 4)
  let at = pcap.putPcapHeader(out, 0, 65535)
  at = pcap.putPcapRecord(out, at, 0x65000000, 999_999_999, FRAME, 1, 4, 61)
  expect(at).toBe(out.length)
  expect(out.toHex()).toBe(
    '4d3cb2a1020004000000000000000000ffff000001000000' + '00000065ffc99a3b040000003d00000001020304'
  )
})

test('pcapng blocks have the announced sizes, padded to words, with their length at both ends', () => {
  const name = new TextEncoder().encode('tap0x')
  const out = new Uint8Array(512)
  const section = pcap.putSectionHeader(out, 0)
  expect(section).toBe(pcap.SECTION_HEADER_LEN)
  const iface = pcap.putInterface(out, section, name, 0)
  expect(iface - section).toBe(pcap.INTERFACE_BLOCK_LEN + 8)
  const packet = pcap.putEnhancedPacket(out, iface, 0, pcap.PCAPNG_INBOUND, 1, 2, FRAME, 0, 61, 61)
  expect(packet - iface).toBe(pcap.ENHANCED_PACKET_LEN + 64)
  const view = new DataView(out.buffer)
  for (const [start, end] of [
    [0, section],
    [section, iface],
    [iface, packet],
  ] as const) {
    expect(view.getUint32(start + 4, true)).toBe(end - start)
    expect(view.getUint32(end - 4, true)).toBe(end - start)
  }
})

test('a nanosecond count above 2^53 is split exactly', () => {
  const out = new Uint8Array(128)
  for (const seconds of [0, 1, 1_700_000_000, 0xffffffff]) {
    pcap.putEnhancedPacket(out, 0, 0, 0, seconds, 999_999_999, FRAME, 0, 4, 4)
    const view = new DataView(out.buffer)
    const units = (BigInt(view.getUint32(12, true)) << 32n) | BigInt(view.getUint32(16, true))
    expect(units).toBe(BigInt(seconds) * 1_000_000_000n + 999_999_999n)
  }
})
