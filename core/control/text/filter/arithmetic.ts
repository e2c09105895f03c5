/**
 * Arithmetic of filter expressions: `tcp[13] & 2 != 0`, `len > 100`, `ip[2:2] - 4 * (ip[0] & 15)`. A value is what leaves it
 * in A, and what must be true of a packet for it to be there.
 */
import {
  BPF_ABS,
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_B,
  BPF_DIV,
  BPF_H,
  BPF_IMM,
  BPF_IND,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_K,
  BPF_LD,
  BPF_LEN,
  BPF_LSH,
  BPF_MEM,
  BPF_MEMWORDS,
  BPF_MISC,
  BPF_MOD,
  BPF_MUL,
  BPF_NEG,
  BPF_OR,
  BPF_RSH,
  BPF_ST,
  BPF_SUB,
  BPF_TAX,
  BPF_W,
  BPF_X,
  BPF_XOR,
} from '../../../bpf/bpf-constants.ts'
import { ETH_P_ARP } from '../../../wire/ethernet.ts'
import { and, type Condition, equals, type Insn, not, test } from './condition.ts'
import { FilterError } from './lex.ts'
import { CONSTANTS, IP_PROTOCOLS } from './names.ts'
import {
  byte,
  ETH_P_RARP,
  etherProto,
  ipv4HeaderLen,
  ipv4Proto,
  isFirstFragment,
  isIpv4,
  isIpv6,
} from './primitives.ts'
import type { Words } from './words.ts'

type Value = {
  readonly load: readonly Insn[]
  readonly needs: readonly Condition[]
  constant?: number
}

/** From loosest to tightest. */
const LEVELS: readonly Readonly<Record<string, number>>[] = [
  { '|': BPF_OR },
  { '&': BPF_AND },
  { '<<': BPF_LSH, '>>': BPF_RSH },
  { '+': BPF_ADD, '-': BPF_SUB },
  { '*': BPF_MUL, '/': BPF_DIV },
]
/**
 * libpcap's grammar gives these no precedence, and yacc shifts: on the left is what stands there, on the right all that
 * follows (grammar.y).
 */
const SHIFTED: Readonly<Record<string, number>> = { '%': BPF_MOD, '^': BPF_XOR }
const RELATIONS: Readonly<Record<string, readonly [jump: number, isInverted: boolean]>> = {
  '=': [BPF_JEQ, false],
  '==': [BPF_JEQ, false],
  '!=': [BPF_JEQ, true],
  '>': [BPF_JGT, false],
  '>=': [BPF_JGE, false],
  '<': [BPF_JGE, true],
  '<=': [BPF_JGT, true],
}
const SIZES: Readonly<Record<string, number>> = { '1': BPF_B, '2': BPF_H, '4': BPF_W }
const TAX: Insn = [BPF_MISC | BPF_TAX, 0]

const constant = (value: number): Value => ({
  load: [[BPF_LD | BPF_IMM, value | 0]],
  needs: [],
  constant: value | 0,
})
const isTransport = (name: string): boolean => Object.hasOwn(IP_PROTOCOLS, name) && name !== 'icmp6'
/** Names that an octet can be taken of. */
const HEADERS = ['ether', 'link', 'ip', 'ip6', 'arp', 'rarp', 'icmp6']
const hasOctets = (name: string): boolean => HEADERS.includes(name) || isTransport(name)

export const createArithmetic = (words: Words, link: () => number) => {
  let depth = 0
  /** A word of M for as long as `fn` runs. */
  const withMemory = <T>(fn: (at: number) => T): T => {
    if (depth === BPF_MEMWORDS) throw new FilterError('the expression is too deep')
    try {
      return fn(depth++)
    } finally {
      depth--
    }
  }

  /** What the right side needs nobody asks for: `8 - ip[8]` is taken of any packet (gencode.c gen_arth). */
  const binary = (op: number, left: Value, right: Value, memory: number): Value => {
    const { needs } = left
    if (right.constant !== undefined) {
      const isZero = right.constant === 0 && (op === BPF_DIV || op === BPF_MOD)
      if (isZero) throw new FilterError('division by zero')
      return { load: [...left.load, [BPF_ALU | op | BPF_K, right.constant]], needs }
    }
    const load: Insn[] = [...left.load, [BPF_ST, memory], ...right.load, TAX]
    return { load: [...load, [BPF_LD | BPF_MEM, memory], [BPF_ALU | op | BPF_X, 0]], needs }
  }
  const level = (n: number): Value => {
    if (n === LEVELS.length) return unary()
    let left = level(n + 1)
    for (;;) {
      const op = LEVELS[n][words.peek()]
      if (op === undefined) return left
      words.next()
      left = withMemory((memory) => binary(op, left, level(n + 1), memory))
    }
  }
  const unary = (): Value => {
    if (words.take('-')) {
      const { load, needs } = unary()
      return { load: [...load, [BPF_ALU | BPF_NEG, 0]], needs }
    }
    const left = atom()
    const op = SHIFTED[words.peek()]
    if (op === undefined) return left
    words.next()
    return withMemory((memory) => binary(op, left, level(0), memory))
  }
  const atom = (): Value => {
    if (words.take('(')) {
      const inner = level(0)
      words.expect(')')
      return inner
    }
    const name = words.next()
    if (name === 'len') return { load: [[BPF_LD | BPF_LEN, 0]], needs: [] }
    if (/^(0x[0-9a-f]+|\d+)$/i.test(name)) return constant(Number(name))
    if (Object.hasOwn(CONSTANTS, name)) return constant(CONSTANTS[name])
    if (!hasOctets(name) || !words.take('[')) throw new FilterError(`syntax error at "${name}"`)
    const index = level(0)
    const size = words.take(':') ? SIZES[words.next()] : BPF_B
    if (size === undefined) throw new FilterError('data size must be 1, 2, or 4')
    words.expect(']')
    return octets(name, index, size)
  }
  /** Octets of a header that lies at a place of its own, or behind IPv4's. */
  const octets = (name: string, index: Value, size: number): Value => {
    const at = link()
    const fixed = (from: number, ...needs: Condition[]): Value => {
      const all = [...index.needs, ...needs]
      return index.constant === undefined
        ? { load: [...index.load, TAX, [BPF_LD | size | BPF_IND, from]], needs: all }
        : { load: [[BPF_LD | size | BPF_ABS, from + index.constant]], needs: all }
    }
    switch (name) {
      case 'ether':
      case 'link':
        return fixed(0)
      case 'ip':
        return fixed(at, isIpv4(at))
      case 'ip6':
        return fixed(at, isIpv6(at))
      case 'arp':
        return fixed(at, etherProto(at, ETH_P_ARP))
      case 'rarp':
        return fixed(at, etherProto(at, ETH_P_RARP))
      case 'icmp6':
        return fixed(at + 40, isIpv6(at), equals(byte(at + 6), IP_PROTOCOLS.icmp6))
    }
    const needs = [...index.needs, ipv4Proto(at, IP_PROTOCOLS[name]), isFirstFragment(at)]
    if (index.constant !== undefined)
      return { load: [ipv4HeaderLen(at), [BPF_LD | size | BPF_IND, at + index.constant]], needs }
    const sum: Insn[] = [...index.load, ipv4HeaderLen(at), [BPF_ALU | BPF_ADD | BPF_X, 0], TAX]
    return { load: [...sum, [BPF_LD | size | BPF_IND, at]], needs }
  }

  /** `VALUE RELATION VALUE`. */
  const relation = (): Condition => {
    const left = level(0)
    const found = RELATIONS[words.next()]
    if (found === undefined) throw new FilterError('syntax error')
    const [jump, isInverted] = found
    const compared = withMemory((memory) => {
      const right = level(0)
      const needs = [...left.needs, ...right.needs]
      if (right.constant !== undefined) return { needs, is: test(left.load, jump, right.constant) }
      const load: Insn[] = [...left.load, [BPF_ST, memory], ...right.load, TAX]
      return { needs, is: test([...load, [BPF_LD | BPF_MEM, memory]], jump, 'x') }
    })
    return and(...compared.needs, isInverted ? not(compared.is) : compared.is)
  }
  return { relation }
}
