/**
 * Reading and writing integers in packet memory. Every layer calls these; all threads.
 *
 * Network order is big-endian and 32-bit values are int32 (`| 0`): the unsigned form would live in
 * a double. The little-endian half is for host-order formats only (virtio-net-hdr, pcap). No
 * function checks bounds: the `check` of a wire file has done so before (see core/wire).
 * Linux counterpart: get_unaligned_be16/32 and friends.
 */

/** One element type everywhere, over a SharedArrayBuffer or a plain one, keeps access sites monomorphic. */
export type Bytes = Uint8Array

export const u8 = (mem: Bytes, at: number): number => mem[at]

export const u16 = (mem: Bytes, at: number): number => (mem[at] << 8) | mem[at + 1]

export const i32 = (mem: Bytes, at: number): number =>
  (mem[at] << 24) | (mem[at + 1] << 16) | (mem[at + 2] << 8) | mem[at + 3]

export const putU8 = (mem: Bytes, at: number, value: number): void => {
  mem[at] = value
}

export const putU16 = (mem: Bytes, at: number, value: number): void => {
  mem[at] = value >> 8
  mem[at + 1] = value
}

export const putI32 = (mem: Bytes, at: number, value: number): void => {
  mem[at] = value >> 24
  mem[at + 1] = value >> 16
  mem[at + 2] = value >> 8
  mem[at + 3] = value
}

export const u16le = (mem: Bytes, at: number): number => mem[at] | (mem[at + 1] << 8)

export const i32le = (mem: Bytes, at: number): number =>
  mem[at] | (mem[at + 1] << 8) | (mem[at + 2] << 16) | (mem[at + 3] << 24)

export const putU16le = (mem: Bytes, at: number, value: number): void => {
  mem[at] = value
  mem[at + 1] = value >> 8
}

export const putI32le = (mem: Bytes, at: number, value: number): void => {
  mem[at] = value
  mem[at + 1] = value >> 8
  mem[at + 2] = value >> 16
  mem[at + 3] = value >> 24
}

/** Up to here a loop beats copyWithin's call; headers are shorter, payloads longer. */
const LOOP_COPY_MAX = 32

/** Copies within one pool, as memmove: the ranges may overlap. */
export const copy = (mem: Bytes, to: number, from: number, len: number): void => {
  if (len > LOOP_COPY_MAX || (to > from && to < from + len)) {
    mem.copyWithin(to, from, from + len)
    return
  }
  for (let i = 0; i < len; i++) mem[to + i] = mem[from + i]
}

/** Copies between two pools (a header from a table into a packet): short lengths, no overlap. */
export const copyFrom = (
  mem: Bytes,
  to: number,
  source: Bytes,
  from: number,
  len: number
): void => {
  for (let i = 0; i < len; i++) mem[to + i] = source[from + i]
}

export const zero = (mem: Bytes, at: number, len: number): void => {
  mem.fill(0, at, at + len)
}
