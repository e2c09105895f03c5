/**
 * A capture file as its readers see it: octets by their offset, through a window that moves forward, so that a file
 * of any size costs the memory of the window. A file that is in memory already is its own window. Used by
 * pcap-reader.ts and pcapng-reader.ts; whoever reads the file gives the source.
 */
import type { Bytes } from '../base/bytes.ts'

export type CaptureSource = {
  /** Of the file when it was opened: what is appended later is not read. */
  size: number
  /** Reads up to `len` octets from `offset` to the start of `into`; how many. */
  read(offset: number, into: Bytes, len: number): number
}

/** More than the longest frame that a device takes with all that is around it. */
export const WINDOW_BYTES = 256 * 1024

export type CaptureWindow = ReturnType<typeof createCaptureWindow>

export const createCaptureWindow = (file: Bytes | CaptureSource) => {
  const isMemory = file instanceof Uint8Array
  const bytes: Bytes = isMemory ? file : new Uint8Array(WINDOW_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let size = isMemory ? file.length : file.size
  // bytes[0] is the file's octet `base`
  let base = 0
  let filled = isMemory ? file.length : 0

  const fits = (len: number): boolean => len <= bytes.length
  /** Index in `bytes` of the `len` octets from `offset`; -1 when the file does not have them. They fit the window. */
  const need = (offset: number, len: number): number => {
    if (offset + len > size) return -1
    if (offset >= base && offset + len <= base + filled) return offset - base
    if (isMemory) return -1
    base = offset
    filled = file.read(offset, bytes, Math.min(bytes.length, size - offset))
    if (filled >= len) return 0
    // the file has become shorter meanwhile
    size = offset + filled
    return -1
  }
  return { bytes, view, need, fits, size: () => size }
}
