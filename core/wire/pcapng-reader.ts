/**
 * Reader of pcapng files: sections in either byte order, interfaces with their own link type, time resolution, offset
 * and FCS, enhanced, simple and (obsolete) packet blocks. Blocks that hold no packets (statistics, names, secrets,
 * custom and unknown ones) are skipped, as the format has it. Made by pcap-reader.ts. draft-ietf-opsawg-pcapng.
 */
import type { CaptureWindow } from './capture-window.ts'
import type { CaptureReader } from './captured-packet.ts'
import { emptyPacket } from './captured-packet.ts'
import {
  BYTE_ORDER_MAGIC,
  ENHANCED_PACKET,
  EPB_FLAGS,
  IF_FCSLEN,
  IF_TSOFFSET,
  IF_TSRESOL,
  INTERFACE_DESCRIPTION,
  OBSOLETE_PACKET,
  SECTION_HEADER,
  SIMPLE_PACKET,
} from './pcap.ts'

type Interface = {
  linkType: number
  snapLen: number
  unitsPerSecond: number
  offsetSeconds: number
  fcsLen: number
}

const MIN_BLOCK = 12
/** A file that names more is damaged, or means harm. */
const MAX_INTERFACES = 4096
/** Below it all products of setTime() stay below 2^53. */
const EXACT_UNITS = 2 ** 36
const MICROSECONDS = 1e6

export const createPcapngReader = (window: CaptureWindow): CaptureReader => {
  const { bytes, view, need, fits, size } = window
  const packet = emptyPacket()
  let interfaces: Interface[] = []
  let isLittle = true
  let cursor = 0
  let skipped = 0
  let problem: string | null = null

  const end = (why: string): false => {
    problem = why
    return false
  }
  const next = (): boolean => {
    while (problem === null && cursor < size()) {
      const total = blockLength()
      if (total === 0) return false
      const at = need(cursor, Math.min(total, bytes.length))
      if (at < 0) return end('cut short')
      cursor += total
      if (takeBlock(view.getUint32(at, isLittle), at, total)) return true
    }
    return false
  }
  /** Length of the block at the cursor, its two lengths alike; 0 when it is none. A section says its byte order first. */
  const blockLength = (): number => {
    const at = need(cursor, MIN_BLOCK)
    if (at < 0) return Number(end('cut short'))
    if (view.getUint32(at) === SECTION_HEADER && !takeSection(at)) return 0
    const total = view.getUint32(need(cursor, MIN_BLOCK) + 4, isLittle)
    if (total < MIN_BLOCK || total % 4 !== 0) return Number(end('a block of an impossible length'))
    if (cursor + total > size()) return Number(end('cut short'))
    if (fits(total)) need(cursor, total)
    const last = need(cursor + total - 4, 4)
    if (last < 0) return Number(end('cut short'))
    if (view.getUint32(last, isLittle) !== total) {
      return Number(end('a block whose two lengths differ'))
    }
    return total
  }
  const takeSection = (at: number): boolean => {
    const isBig = view.getUint32(at + 8) === BYTE_ORDER_MAGIC
    isLittle = view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC
    if (!isBig && !isLittle) return end('a section without byte order')
    const version = need(cursor + MIN_BLOCK, 4)
    if (version < 0) return end('cut short')
    const major = view.getUint16(version, isLittle)
    const minor = view.getUint16(version + 2, isLittle)
    // 1.2 was written by mistake and is 1.0
    if (major !== 1 || (minor !== 0 && minor !== 2)) return end(`pcapng version ${major}.${minor}`)
    return true
  }

  /** True when the block is a packet and `packet` holds it. */
  const takeBlock = (type: number, at: number, total: number): boolean => {
    const blockEnd = at + total - 4
    switch (type) {
      case SECTION_HEADER:
        interfaces = []
        return false
      case INTERFACE_DESCRIPTION:
        if (total >= 20) addInterface(at, blockEnd)
        else skipped++
        return false
      case ENHANCED_PACKET:
        return total >= 32 ? takeEnhanced(at, blockEnd) : skip()
      case OBSOLETE_PACKET:
        return total >= 32 ? takeObsolete(at, blockEnd) : skip()
      case SIMPLE_PACKET:
        return total >= 16 ? takeSimple(at, blockEnd) : skip()
      default:
        return false
    }
  }
  /** A block that should hold a packet and does not. */
  const skip = (): false => {
    skipped++
    return false
  }

  const addInterface = (at: number, blockEnd: number): void => {
    if (interfaces.length === MAX_INTERFACES) {
      end(`more than ${MAX_INTERFACES} interfaces`)
      return
    }
    const iface: Interface = {
      linkType: view.getUint16(at + 8, isLittle),
      snapLen: view.getUint32(at + 12, isLittle),
      unitsPerSecond: MICROSECONDS,
      offsetSeconds: 0,
      fcsLen: 0,
    }
    eachOption(at + 16, blockEnd, (code, value, len) => {
      if (code === IF_TSRESOL && len >= 1) iface.unitsPerSecond = unitsOf(view.getUint8(value))
      if (code === IF_FCSLEN && len >= 1) iface.fcsLen = octetsOf(view.getUint8(value))
      if (code === IF_TSOFFSET && len >= 8) iface.offsetSeconds = signed64(value)
    })
    interfaces.push(iface)
  }
  /** Calls `take` for each option as far as the window holds them. */
  const eachOption = (
    from: number,
    blockEnd: number,
    take: (code: number, value: number, len: number) => void
  ): void => {
    const last = Math.min(blockEnd, bytes.length)
    for (let at = from; at + 4 <= last; ) {
      const code = view.getUint16(at, isLittle)
      const len = view.getUint16(at + 2, isLittle)
      if (code === 0 || at + 4 + len > last) return
      take(code, at + 4, len)
      at += 4 + ((len + 3) & ~3)
    }
  }
  /** A power of ten, or of two when the high bit stands. */
  const unitsOf = (resolution: number): number =>
    resolution & 0x80 ? 2 ** (resolution & 0x7f) : 10 ** resolution
  /** The draft once counted an FCS in bits, and programs write octets: none is eight octets long. */
  const octetsOf = (len: number): number => (len < 8 ? len : len >> 3)
  const signed64 = (at: number): number => {
    const high = isLittle ? view.getInt32(at + 4, true) : view.getInt32(at)
    const low = isLittle ? view.getUint32(at, true) : view.getUint32(at + 4)
    return high * 2 ** 32 + low
  }

  /** The packet of `capLen` octets at `at`, of an interface of this section. */
  const fill = (ifindex: number, at: number, capLen: number, len: number): boolean => {
    const iface = interfaces[ifindex]
    packet.iface = ifindex
    packet.linkType = iface.linkType
    packet.fcsLen = iface.fcsLen
    packet.errors = 0
    packet.at = at
    packet.capLen = capLen
    packet.len = len
    return true
  }
  const takeEnhanced = (at: number, blockEnd: number): boolean => {
    const ifindex = view.getUint32(at + 8, isLittle)
    const capLen = view.getUint32(at + 20, isLittle)
    if (ifindex >= interfaces.length || at + 28 + capLen > blockEnd) return skip()
    fill(ifindex, at + 28, capLen, view.getUint32(at + 24, isLittle))
    setTime(at + 12, interfaces[ifindex])
    takeFlags(at + 28 + ((capLen + 3) & ~3), blockEnd)
    return true
  }
  /** As the enhanced one, its interface in 16 bits beside a count of drops. */
  const takeObsolete = (at: number, blockEnd: number): boolean => {
    const ifindex = view.getUint16(at + 8, isLittle)
    const capLen = view.getUint32(at + 20, isLittle)
    if (ifindex >= interfaces.length || at + 28 + capLen > blockEnd) return skip()
    fill(ifindex, at + 28, capLen, view.getUint32(at + 24, isLittle))
    setTime(at + 12, interfaces[ifindex])
    takeFlags(at + 28 + ((capLen + 3) & ~3), blockEnd)
    return true
  }
  /** No time and no interface of its own: it belongs to the first one. */
  const takeSimple = (at: number, blockEnd: number): boolean => {
    if (interfaces.length === 0) return skip()
    const len = view.getUint32(at + 8, isLittle)
    const { snapLen } = interfaces[0]
    packet.seconds = 0
    packet.nanos = 0
    return fill(0, at + 12, Math.min(len, snapLen || len, blockEnd - at - 12), len)
  }
  /** epb_flags: the FCS of this packet, and what was wrong with it on the wire. */
  const takeFlags = (from: number, blockEnd: number): void => {
    if (!fits(from)) return
    eachOption(from, blockEnd, (code, value, len) => {
      if (code !== EPB_FLAGS || len < 4) return
      const flags = view.getUint32(value, isLittle)
      const fcsLen = (flags >>> 5) & 15
      if (fcsLen !== 0) packet.fcsLen = fcsLen
      packet.errors = flags >>> 16
    })
  }

  /** Divides the 64-bit count by units per second, 16 bits at a time, so that all stays below 2^53. */
  const setTime = (at: number, { unitsPerSecond, offsetSeconds }: Interface): void => {
    const high = view.getUint32(at, isLittle)
    const low = view.getUint32(at + 4, isLittle)
    if (unitsPerSecond > EXACT_UNITS) {
      // finer than a clock: to the microsecond is near enough
      const time = (high * 2 ** 32 + low) / unitsPerSecond
      packet.seconds = Math.floor(time) + offsetSeconds
      packet.nanos = Math.floor((time % 1) * 1e9)
      return
    }
    let seconds = 0
    let remainder = 0
    for (let shift = 48; shift >= 0; shift -= 16) {
      const word = shift >= 32 ? high : low
      const part = remainder * 0x10000 + ((word >>> (shift & 31)) & 0xffff)
      seconds = seconds * 0x10000 + Math.floor(part / unitsPerSecond)
      remainder = part % unitsPerSecond
    }
    packet.seconds = seconds + offsetSeconds
    packet.nanos = Math.floor(remainder * (1e9 / unitsPerSecond))
  }

  return {
    format: 'pcapng',
    bytes,
    packet,
    next,
    problem: () => problem,
    skipped: () => skipped,
    linkTypes: () => interfaces.map(({ linkType }) => linkType),
  }
}
