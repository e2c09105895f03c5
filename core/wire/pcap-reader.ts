/**
 * Reader of pcap and pcapng files, both byte orders, micro- and nanoseconds. Used by the pcap driver's
 * replay and by tests. It allocates nothing per packet: next() refills its own record. A file that
 * is cut short or malformed ends there, without an exception. Formats: see pcap.ts.
 */
import type { Bytes } from '../base/bytes.ts'
import {
  BYTE_ORDER_MAGIC,
  ENHANCED_PACKET,
  IF_TSRESOL,
  INTERFACE_DESCRIPTION,
  LINKTYPE_ETHERNET,
  PCAP_HEADER_LEN,
  PCAP_MAGIC_NS,
  PCAP_MAGIC_US,
  PCAP_RECORD_LEN,
  SECTION_HEADER,
  SIMPLE_PACKET,
} from './pcap.ts'

/** One packet of a capture: capLen octets at `at` of the file's bytes. */
export type CapturedPacket = {
  at: number
  capLen: number
  len: number
  seconds: number
  nanos: number
  /** Position of the packet's interface in the file, 0 for pcap. */
  iface: number
  linkType: number
}

export type CaptureReader = {
  readonly format: 'pcap' | 'pcapng'
  readonly packet: CapturedPacket
  /** Refills `packet`; false at the end of the file, or where it is cut short or malformed. */
  next: () => boolean
  /** True once next() has met an end that is not a clean one. */
  isTruncated: () => boolean
}

/** Null when the bytes are neither format. */
export const createCaptureReader = (file: Bytes): CaptureReader | null => {
  if (file.length < 4) return null
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (view.getUint32(0) === SECTION_HEADER) return createPcapngReader(view)
  const isLittle = [PCAP_MAGIC_US, PCAP_MAGIC_NS].includes(view.getUint32(0, true))
  const magic = view.getUint32(0, isLittle)
  if (magic !== PCAP_MAGIC_US && magic !== PCAP_MAGIC_NS) return null
  return createPcapReader(view, isLittle, magic === PCAP_MAGIC_NS ? 1 : 1000)
}

const emptyPacket = (): CapturedPacket => ({
  at: 0,
  capLen: 0,
  len: 0,
  seconds: 0,
  nanos: 0,
  iface: 0,
  linkType: LINKTYPE_ETHERNET,
})

const createPcapReader = (
  view: DataView,
  isLittle: boolean,
  nanosPerUnit: number
): CaptureReader => {
  const packet = emptyPacket()
  const end = view.byteLength
  let cursor = PCAP_HEADER_LEN
  let truncated = end < PCAP_HEADER_LEN
  // the upper bits of the word tell about the FCS
  if (!truncated) packet.linkType = view.getUint32(20, isLittle) & 0xffff
  const next = (): boolean => {
    if (truncated || cursor === end) return false
    const at = cursor + PCAP_RECORD_LEN
    const capLen = at <= end ? view.getUint32(cursor + 8, isLittle) : 0
    truncated = at + capLen > end
    if (truncated) return false
    packet.at = at
    packet.capLen = capLen
    packet.len = view.getUint32(cursor + 12, isLittle)
    packet.seconds = view.getUint32(cursor, isLittle)
    packet.nanos = view.getUint32(cursor + 4, isLittle) * nanosPerUnit
    cursor = at + capLen
    return true
  }
  return { format: 'pcap', packet, next, isTruncated: () => truncated }
}

type Interface = { linkType: number; snapLen: number; unitsPerSecond: number }

const createPcapngReader = (view: DataView): CaptureReader => {
  const packet = emptyPacket()
  const end = view.byteLength
  let interfaces: Interface[] = []
  let isLittle = true
  let cursor = 0
  let truncated = false

  const next = (): boolean => {
    while (!truncated && cursor < end) {
      const at = cursor
      const isSection = at + 12 <= end && view.getUint32(at) === SECTION_HEADER
      if (isSection) isLittle = view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC
      const total = at + 12 <= end ? view.getUint32(at + 4, isLittle) : 0
      if (total < 12 || total % 4 !== 0 || at + total > end) break
      cursor = at + total
      if (isSection) interfaces = []
      else if (takeBlock(view.getUint32(at, isLittle), at, at + total - 4)) return true
    }
    truncated = cursor < end
    return false
  }

  /** True when the block is a packet and `packet` holds it; short or unknown blocks are skipped. */
  const takeBlock = (type: number, at: number, blockEnd: number): boolean => {
    if (type === INTERFACE_DESCRIPTION && at + 16 <= blockEnd) {
      interfaces.push({
        linkType: view.getUint16(at + 8, isLittle),
        snapLen: view.getUint32(at + 12, isLittle),
        unitsPerSecond: timestampUnits(at + 16, blockEnd),
      })
    }
    if (type === ENHANCED_PACKET && at + 28 <= blockEnd) return takeEnhanced(at, blockEnd)
    if (type === SIMPLE_PACKET && at + 12 <= blockEnd) return takeSimple(at, blockEnd)
    return false
  }

  const takeEnhanced = (at: number, blockEnd: number): boolean => {
    packet.iface = view.getUint32(at + 8, isLittle)
    const iface = interfaces[packet.iface]
    packet.at = at + 28
    packet.capLen = view.getUint32(at + 20, isLittle)
    packet.len = view.getUint32(at + 24, isLittle)
    if (iface === undefined || packet.at + packet.capLen > blockEnd) return false
    packet.linkType = iface.linkType
    setTime(view.getUint32(at + 12, isLittle), view.getUint32(at + 16, isLittle), iface)
    return true
  }

  /** No time and no interface of its own: it belongs to the first one. */
  const takeSimple = (at: number, blockEnd: number): boolean => {
    const iface = interfaces[0]
    if (iface === undefined) return false
    packet.iface = 0
    packet.linkType = iface.linkType
    packet.at = at + 12
    packet.len = view.getUint32(at + 8, isLittle)
    packet.capLen = Math.min(packet.len, iface.snapLen || packet.len, blockEnd - packet.at)
    packet.seconds = 0
    packet.nanos = 0
    return true
  }

  /** Divides the 64-bit count by units per second, 16 bits at a time, so that all stays below 2^53. */
  const setTime = (high: number, low: number, { unitsPerSecond }: Interface): void => {
    let seconds = 0
    let remainder = 0
    for (const limb of [high >>> 16, high & 0xffff, low >>> 16, low & 0xffff]) {
      const part = remainder * 0x10000 + limb
      seconds = seconds * 0x10000 + Math.floor(part / unitsPerSecond)
      remainder = part % unitsPerSecond
    }
    packet.seconds = seconds
    packet.nanos = Math.floor(remainder * (1e9 / unitsPerSecond))
  }

  /** if_tsresol: a power of ten, or of two when the high bit stands; microseconds without it. */
  const timestampUnits = (optionsAt: number, blockEnd: number): number => {
    let at = optionsAt
    while (at + 4 <= blockEnd) {
      const code = view.getUint16(at, isLittle)
      const len = view.getUint16(at + 2, isLittle)
      if (code === 0) break
      if (code === IF_TSRESOL && len >= 1 && at + 5 <= blockEnd) {
        const resolution = view.getUint8(at + 4)
        const exponent = resolution & 0x7f
        return Math.min(2 ** 36, resolution & 0x80 ? 2 ** exponent : 10 ** exponent)
      }
      at += 4 + ((len + 3) & ~3)
    }
    return 1e6
  }

  return { format: 'pcapng', packet, next, isTruncated: () => truncated }
}
