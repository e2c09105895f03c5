/**
 * Runs a classic BPF program over a packet where it lies, whatever has been pulled of it. The program lies in shared memory, or where its thread has it, checked (bpf-check.ts). What reaches beyond the packet ends it with 0, as the kernel
 * has it. Any thread. Linux: net/core/filter.c; the words in bpf-constants.ts.
 */
import type { Arena } from '../shm/arena.ts'
import type { Skbs } from '../skb/skbs.ts'
import { SKB_DATA } from '../skb/skb.ts'
import { createAncillary } from './bpf-ancillary.ts'
import {
  BPF_A,
  BPF_ABS,
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_B,
  BPF_DIV,
  BPF_H,
  BPF_IMM,
  BPF_IND,
  BPF_JA,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JMP,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_LSH,
  BPF_MEM,
  BPF_MEMWORDS,
  BPF_MISC,
  BPF_MOD,
  BPF_MSH,
  BPF_MUL,
  BPF_NEG,
  BPF_OR,
  BPF_RET,
  BPF_RSH,
  BPF_ST,
  BPF_STX,
  BPF_SUB,
  BPF_TAX,
  BPF_W,
  BPF_X,
  INSN_WORDS,
  SKF_AD_OFF,
} from './bpf-constants.ts'

export type Bpf = ReturnType<typeof createBpf>

const SIZES: Readonly<Record<number, number>> = { [BPF_W]: 4, [BPF_H]: 2, [BPF_B]: 1 }
/** Octets that a load takes, by the size in its code. */
const sizeOf = Int32Array.from({ length: 32 }, (_, code) => SIZES[code & 0x18] ?? 0)

/** `programs`: where they lie. */
type BpfDeps = { arena: Arena; skbs: Skbs; programs?: Int32Array }

export const createBpf = ({ arena, skbs, programs = arena.i32 }: BpfDeps) => {
  const { i32, u8 } = arena
  const { ancillary } = createAncillary({ arena, skbs })
  const m = new Int32Array(BPF_MEMWORDS)
  // the packet that is looked at, and what its link said of it
  let packet = 0
  let start = 0
  let linearEnd = 0
  let length = 0
  let pktType = 0
  /** A load has reached beyond the packet. */
  let failed = false

  const load = (offset: number, size: number): number => {
    if (offset < 0 || offset + size > length) {
      failed = true
      return 0
    }
    const at = start + offset
    if (at + size > linearEnd) return loadSpread(at, size)
    if (size === 1) return u8[at]
    const half = (u8[at] << 8) | u8[at + 1]
    return size === 2 ? half : (half << 16) | (u8[at + 2] << 8) | u8[at + 3]
  }
  /** Octets of which some lie in frags. */
  const loadSpread = (at: number, size: number): number => {
    let value = 0
    for (let k = 0; k < size; k++) value = (value << 8) | octet(at + k)
    return value
  }
  const octet = (at: number): number =>
    at < linearEnd ? u8[at] : skbs.byteAt(packet, at - i32[packet + SKB_DATA])
  const loadAbs = (k: number, size: number): number =>
    k < 0 && k >= SKF_AD_OFF ? ancillary(k - SKF_AD_OFF, packet, pktType) : load(k, size)
  /** Division by X, which may be 0, ends the program. */
  const divided = (a: number, b: number, op: number): number => {
    if (b === 0) {
      failed = true
      return 0
    }
    return op === BPF_DIV ? ((a >>> 0) / (b >>> 0)) | 0 : ((a >>> 0) % (b >>> 0)) | 0
  }
  const alu = (op: number, a: number, b: number): number => {
    switch (op) {
      case BPF_ADD:
        return (a + b) | 0
      case BPF_SUB:
        return (a - b) | 0
      case BPF_MUL:
        return Math.imul(a, b)
      case BPF_DIV:
      case BPF_MOD:
        return divided(a, b, op)
      case BPF_OR:
        return a | b
      case BPF_AND:
        return a & b
      case BPF_LSH:
        return b >>> 0 < 32 ? a << b : 0
      case BPF_RSH:
        return b >>> 0 < 32 ? (a >>> b) | 0 : 0
      case BPF_NEG:
        return -a | 0
    }
    return a ^ b
  }
  const jumps = (op: number, a: number, b: number): boolean => {
    switch (op) {
      case BPF_JEQ:
        return a === b
      case BPF_JGT:
        return a >>> 0 > b >>> 0
      case BPF_JGE:
        return a >>> 0 >= b >>> 0
    }
    return (a & b) !== 0
  }

  /**
   * Octets of the packet that the program takes (it may say more than there are); 0 when it wants none of it. `len` octets
   * from `from` on are looked at: up to `end` they lie there, and behind that in the skb's frags. `type` is PACKET_*.
   */
  const runFilter = (
    program: number,
    skb: number,
    from: number,
    end: number,
    len: number,
    type: number
  ): number => {
    packet = skb
    start = from
    linearEnd = end
    length = len
    pktType = type
    failed = false
    let a = 0
    let x = 0
    for (let pc = program; ; pc += INSN_WORDS) {
      const code = programs[pc] & 0xffff
      const k = programs[pc + 1]
      switch (code & 7) {
        case BPF_LD:
          if ((code & 0xe0) === BPF_ABS) a = loadAbs(k, sizeOf[code & 0x1f])
          else if ((code & 0xe0) === BPF_IND) a = load(x + k, sizeOf[code & 0x1f])
          else a = plain(code & 0xe0, k)
          if (failed) return 0
          break
        case BPF_LDX:
          x = (code & 0xe0) === BPF_MSH ? (load(k, 1) & 15) << 2 : plain(code & 0xe0, k)
          if (failed) return 0
          break
        case BPF_ST:
          m[k] = a
          break
        case BPF_STX:
          m[k] = x
          break
        case BPF_ALU:
          a = alu(code & 0xf0, a, (code & BPF_X) === BPF_K ? k : x)
          if (failed) return 0
          break
        case BPF_JMP:
          if ((code & 0xf0) === BPF_JA) pc += k * INSN_WORDS
          else {
            const isTrue = jumps(code & 0xf0, a, (code & BPF_X) === BPF_K ? k : x)
            pc += ((programs[pc] >>> (isTrue ? 16 : 24)) & 255) * INSN_WORDS
          }
          break
        case BPF_RET:
          return (code & 0x18) === BPF_A ? a : k
        case BPF_MISC:
          if ((code & 0xf8) === BPF_TAX) x = a
          else a = x
      }
    }
  }
  const plain = (mode: number, k: number): number =>
    mode === BPF_IMM ? k : mode === BPF_MEM ? m[k] : mode === BPF_LEN ? length : 0

  return { runFilter }
}
