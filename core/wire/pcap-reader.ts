/**
 * Reader of capture files: pcap here, in both byte orders, micro- and nanoseconds, and with the longer record header of
 * Kuznetzov's patch (magic a1b2cd34); pcapng in pcapng-reader.ts. Used by the pcap driver's replay and by tests. next()
 * refills one record. A file that is cut short or malformed ends there, without an exception, and says why;
 * one of another format is refused by its name. draft-ietf-opsawg-pcap; libpcap's sf-pcap.c has the history.
 */
import type { Bytes } from '../base/bytes.ts'
import type { CaptureSource, CaptureWindow } from './capture-window.ts'
import { createCaptureWindow } from './capture-window.ts'
import type { CaptureReader } from './captured-packet.ts'
import { emptyPacket } from './captured-packet.ts'
import {
  PCAP_HEADER_LEN,
  PCAP_MAGIC_KUZNETZOV,
  PCAP_MAGIC_NS,
  PCAP_MAGIC_US,
  PCAP_RECORD_LEN,
  SECTION_HEADER,
} from './pcap.ts'
import { createPcapngReader } from './pcapng-reader.ts'

/** Files that people take for captures, by their first octets (big-endian). */
const FOREIGN: readonly (readonly [magic: number, mask: number, name: string])[] = [
  [0x736e6f6f, 0xffffffff, 'a snoop capture'],
  [0x1c0001ab, 0xffffffff, 'an IXIA capture'],
  [0x1c0001ac, 0xffffffff, 'an IXIA capture'],
  [0xa1e2cb12, 0xffffffff, "a capture of Navtel's"],
  [0x58435000, 0xffffffff, 'a NetXRay capture'],
  [0x474d4255, 0xffffffff, 'a Network Monitor capture'],
  [0x28b52ffd, 0xffffffff, 'compressed by zstd: unpack it first'],
  [0xfd377a58, 0xffffffff, 'compressed by xz: unpack it first'],
  [0x04224d18, 0xffffffff, 'compressed by lz4: unpack it first'],
  [0x425a6800, 0xffffff00, 'compressed by bzip2: unpack it first'],
  [0x504b0304, 0xffffffff, 'a zip archive: unpack it first'],
  [0x1f8b0000, 0xffff0000, 'compressed by gzip: unpack it first'],
]
const foreignName = (magic: number): string =>
  FOREIGN.find(([known, mask]) => (magic & mask) >>> 0 === known)?.[2] ??
  'neither a pcap nor a pcapng file'

/** Null when it is no capture that can be read; `refuse` hears why. */
export const createCaptureReader = (
  file: Bytes | CaptureSource,
  refuse: (why: string) => void = () => {}
): CaptureReader | null => {
  const window = createCaptureWindow(file)
  const at = window.need(0, 4)
  if (at < 0) {
    refuse(foreignName(0))
    return null
  }
  if (window.view.getUint32(at) === SECTION_HEADER) return createPcapngReader(window)
  const isLittle = MAGICS.has(window.view.getUint32(at, true))
  const magic = window.view.getUint32(at, isLittle)
  if (MAGICS.has(magic)) return createPcapReader(window, isLittle, magic, refuse)
  refuse(foreignName(magic))
  return null
}
const MAGICS = new Set([PCAP_MAGIC_US, PCAP_MAGIC_NS, PCAP_MAGIC_KUZNETZOV])

/** Its records have an interface, a protocol and a packet type behind the four words that all have. */
const KUZNETZOV_RECORD_LEN = 24
/** The word of the link type: how many 16-bit words of FCS each frame has, and whether that is known. */
const FCS_PRESENT = 0x04000000
const FCS_SHIFT = 28

const createPcapReader = (
  window: CaptureWindow,
  isLittle: boolean,
  magic: number,
  refuse: (why: string) => void
): CaptureReader | null => {
  const { bytes, view, need, fits, size } = window
  const packet = emptyPacket()
  const nanosPerUnit = magic === PCAP_MAGIC_NS ? 1 : 1000
  const recordLen = magic === PCAP_MAGIC_KUZNETZOV ? KUZNETZOV_RECORD_LEN : PCAP_RECORD_LEN
  let cursor = PCAP_HEADER_LEN
  let problem: string | null = null
  let minor = 4

  const head = need(0, PCAP_HEADER_LEN)
  if (head < 0) problem = 'cut short'
  else {
    const major = view.getUint16(head + 4, isLittle)
    minor = view.getUint16(head + 6, isLittle)
    if (major !== 2 || minor > 4) {
      refuse(`pcap version ${major}.${minor}, which is not known`)
      return null
    }
    const word = view.getUint32(head + 20, isLittle)
    packet.linkType = word & 0xffff
    packet.fcsLen = (word & FCS_PRESENT) !== 0 ? (word >>> FCS_SHIFT) * 2 : 0
  }

  const end = (): false => {
    problem = 'cut short'
    return false
  }
  const next = (): boolean => {
    if (problem !== null || cursor === size()) return false
    const head = need(cursor, recordLen)
    if (head < 0) return end()
    const first = view.getUint32(head + 8, isLittle)
    const second = view.getUint32(head + 12, isLittle)
    // the two lengths changed places with version 2.3, and not every program knew it
    const isSwapped = minor < 3 || (minor === 3 && first > second)
    const capLen = isSwapped ? second : first
    if (cursor + recordLen + capLen > size()) return end()
    const at = need(cursor, fits(recordLen + capLen) ? recordLen + capLen : recordLen)
    if (at < 0) return end()
    packet.at = at + recordLen
    packet.capLen = capLen
    packet.len = isSwapped ? first : second
    packet.seconds = view.getUint32(at, isLittle)
    packet.nanos = view.getUint32(at + 4, isLittle) * nanosPerUnit
    cursor += recordLen + capLen
    return true
  }
  return {
    format: 'pcap',
    bytes,
    packet,
    next,
    problem: () => problem,
    skipped: () => 0,
    linkTypes: () => (head < 0 ? [] : [packet.linkType]),
  }
}
