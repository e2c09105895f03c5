/** What a reader of captures gives, whatever the format (pcap-reader.ts, pcapng-reader.ts). */
import type { Bytes } from '../base/bytes.ts'
import { LINKTYPE_ETHERNET } from './pcap.ts'

/** One packet of a capture: capLen octets at `at` of the reader's bytes, until the next next(). */
export type CapturedPacket = {
  /** What is longer than a window (WINDOW_BYTES) is not all there: no device takes it. */
  at: number
  capLen: number
  len: number
  seconds: number
  nanos: number
  /** Position of the packet's interface in the file, 0 for pcap. */
  iface: number
  linkType: number
  /** Octets of frame check sequence at the end of the `len` octets. */
  fcsLen: number
  /** What the hardware found wrong with it: PCAPNG_CRC_ERROR and its neighbours; 0 for nothing. */
  errors: number
}

export type CaptureReader = {
  readonly format: 'pcap' | 'pcapng'
  readonly bytes: Bytes
  readonly packet: CapturedPacket
  /** Refills `packet`; false at the end of the file, or where it is cut short or malformed. */
  next: () => boolean
  /** Why next() has ended before the file did; null when it has not. */
  problem: () => string | null
  /** Blocks that should hold packets and do not. */
  skipped: () => number
  /** Of the interfaces known so far. */
  linkTypes: () => readonly number[]
}

export const emptyPacket = (): CapturedPacket => ({
  at: 0,
  capLen: 0,
  len: 0,
  seconds: 0,
  nanos: 0,
  iface: 0,
  linkType: LINKTYPE_ETHERNET,
  fcsLen: 0,
  errors: 0,
})
