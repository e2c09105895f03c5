/**
 * The Toeplitz hash of receive-side scaling, by tables: one of 256 words for each input octet, so a
 * hash is as many look-ups and XORs as there are octets. The nic thread hashes received flows with
 * it; workers hash flows they are about to open. Reference: Microsoft's "RSS Hashing Functions".
 *
 * An IPv4 input is source, destination, source port, destination port (12 octets), an IPv6 one the
 * same with long addresses (36); both start at the same key bit, so one set of tables serves both.
 * A zero octet adds nothing: leaving ports out is passing zero for them.
 */
import { type Bytes, i32 } from '../base/bytes.ts'

export const RSS_KEY_LEN = 40
const MAX_INPUT = 36

/** key has RSS_KEY_LEN octets. */
export const createToeplitz = (key: Bytes) => {
  const table = new Int32Array(MAX_INPUT * 256)

  /** Rebuilds all tables (9,216 words); a cold path, on a change of key. */
  const setKey = (next: Bytes): void => {
    for (let octet = 0; octet < MAX_INPUT; octet++) {
      const row = octet << 8
      for (let value = 1; value < 256; value++) {
        // the lowest bit set adds its window of the key to the entry without that bit
        const bit = 7 - (31 - Math.clz32(value & -value))
        table[row + value] = table[row + (value & (value - 1))] ^ keyWindow(next, octet, bit)
      }
    }
  }

  /** The 32 key bits that start at this bit of this octet. */
  const keyWindow = (from: Bytes, octet: number, bit: number): number =>
    (i32(from, octet) << bit) | (from[octet + 4] >> (8 - bit))

  const word = (row: number, value: number): number =>
    table[row + (value >>> 24)] ^
    table[row + 256 + ((value >>> 16) & 255)] ^
    table[row + 512 + ((value >>> 8) & 255)] ^
    table[row + 768 + (value & 255)]

  /** ports is source << 16 | destination. */
  const hash4 = (source: number, destination: number, ports: number): number =>
    word(0, source) ^ word(4 << 8, destination) ^ word(8 << 8, ports)

  const hash6 = (
    s0: number,
    s1: number,
    s2: number,
    s3: number,
    d0: number,
    d1: number,
    d2: number,
    d3: number,
    ports: number
  ): number =>
    word(0, s0) ^
    word(4 << 8, s1) ^
    word(8 << 8, s2) ^
    word(12 << 8, s3) ^
    word(16 << 8, d0) ^
    word(20 << 8, d1) ^
    word(24 << 8, d2) ^
    word(28 << 8, d3) ^
    word(32 << 8, ports)

  setKey(key)
  return { setKey, hash4, hash6 }
}
