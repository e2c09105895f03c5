/**
 * Is a program of classic BPF one that can be run: every instruction known, every jump forwards and inside, no division by
 * the constant 0, no word of M read that may not have been written, and a return at the end? Control thread, before a
 * worker sees it. Linux: net/core/filter.c bpf_check_classic(), check_load_and_stores().
 */
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
  BPF_JSET,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_LSH,
  BPF_MAXINSNS,
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
  BPF_TXA,
  BPF_W,
  BPF_X,
  BPF_XOR,
  INSN_WORDS,
  SKF_AD_CPU,
  SKF_AD_IFINDEX,
  SKF_AD_MARK,
  SKF_AD_OFF,
  SKF_AD_PKTTYPE,
  SKF_AD_PROTOCOL,
  SKF_AD_RXHASH,
  SKF_AD_VLAN_TAG,
  SKF_AD_VLAN_TAG_PRESENT,
} from './bpf-constants.ts'

const CODES = new Set([
  ...[BPF_W, BPF_H, BPF_B].flatMap((size) => [BPF_LD | size | BPF_ABS, BPF_LD | size | BPF_IND]),
  ...[BPF_IMM, BPF_MEM, BPF_LEN].flatMap((mode) => [BPF_LD | mode, BPF_LDX | mode]),
  BPF_LDX | BPF_B | BPF_MSH,
  BPF_ST,
  BPF_STX,
  ...[
    BPF_ADD,
    BPF_SUB,
    BPF_MUL,
    BPF_DIV,
    BPF_OR,
    BPF_AND,
    BPF_LSH,
    BPF_RSH,
    BPF_MOD,
    BPF_XOR,
  ].flatMap((op) => [BPF_ALU | op | BPF_K, BPF_ALU | op | BPF_X]),
  BPF_ALU | BPF_NEG,
  BPF_JMP | BPF_JA,
  ...[BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET].flatMap((op) => [
    BPF_JMP | op | BPF_K,
    BPF_JMP | op | BPF_X,
  ]),
  BPF_RET | BPF_K,
  BPF_RET | BPF_A,
  BPF_MISC | BPF_TAX,
  BPF_MISC | BPF_TXA,
])
const ANCILLARY: readonly number[] = [
  SKF_AD_PROTOCOL,
  SKF_AD_PKTTYPE,
  SKF_AD_IFINDEX,
  SKF_AD_MARK,
  SKF_AD_RXHASH,
  SKF_AD_CPU,
  SKF_AD_VLAN_TAG,
  SKF_AD_VLAN_TAG_PRESENT,
]
const isLoad = (code: number): boolean => code === BPF_LD + BPF_MEM || code === BPF_LDX + BPF_MEM
const isStore = (code: number): boolean => code === BPF_ST || code === BPF_STX

/** May the instruction at `pc` of `count` stand there? */
const isFine = (code: number, jt: number, jf: number, k: number, left: number): boolean => {
  if (!CODES.has(code)) return false
  if (code === (BPF_ALU | BPF_DIV) || code === (BPF_ALU | BPF_MOD)) return k !== 0
  if (code === (BPF_ALU | BPF_LSH) || code === (BPF_ALU | BPF_RSH)) return k >>> 0 < 32
  if (isLoad(code) || isStore(code)) return k >>> 0 < BPF_MEMWORDS
  if (code === (BPF_JMP | BPF_JA)) return k >>> 0 < left
  if ((code & 7) === BPF_JMP) return jt < left && jf < left
  const isAbsolute = (code & 7) === BPF_LD && (code & 0xe0) === BPF_ABS
  if (isAbsolute && k < 0 && k >= SKF_AD_OFF) return ANCILLARY.includes(k - SKF_AD_OFF)
  return true
}

/** On every way to an instruction, which words of M have been written? */
const readsUnwritten = (program: Int32Array, count: number): boolean => {
  const written = new Int32Array(count + 1).fill(-1)
  written[0] = 0
  for (let pc = 0; pc < count; pc++) {
    const word = program[pc * INSN_WORDS]
    const k = program[pc * INSN_WORDS + 1]
    const code = word & 0xffff
    if (isLoad(code) && (written[pc] & (1 << k)) === 0) return true
    const here = isStore(code) ? written[pc] | (1 << k) : written[pc]
    if (code === (BPF_JMP | BPF_JA)) written[pc + 1 + k] &= here
    else if ((code & 7) === BPF_JMP) {
      written[pc + 1 + ((word >>> 16) & 255)] &= here
      written[pc + 1 + (word >>> 24)] &= here
    } else if ((code & 7) !== BPF_RET) written[pc + 1] &= here
  }
  return false
}

export const bpfCheck = (program: Int32Array): boolean => {
  const count = program.length / INSN_WORDS
  if (count < 1 || count > BPF_MAXINSNS || !Number.isInteger(count)) return false
  for (let pc = 0; pc < count; pc++) {
    const word = program[pc * INSN_WORDS]
    const k = program[pc * INSN_WORDS + 1]
    if (!isFine(word & 0xffff, (word >>> 16) & 255, word >>> 24, k, count - pc - 1)) return false
  }
  const last = program[(count - 1) * INSN_WORDS] & 7
  return last === BPF_RET && !readsUnwritten(program, count)
}
