import { describe, expect, test } from 'bun:test'
import { createBpf } from '../../../core/bpf/bpf.ts'
import { createBpfJit } from '../../../core/bpf/bpf-jit.ts'
import { bpfCheck } from '../../../core/bpf/bpf-check.ts'
import { BPF_MAXINSNS, SKF_AD_OFF, SKF_AD_PKTTYPE } from '../../../core/bpf/bpf-constants.ts'
import { PACKET_OUTGOING, SKB_DATA, SKB_LEN, SKB_TAIL } from '../../../core/skb/skb.ts'
import { createPathHost } from '../../../sim/net/path-host.ts'
import { seeded } from '../../support/random.ts'

const PROGRAMS = 4000

type Insn = readonly [code: number, jt: number, jf: number, k: number]
const words = (program: readonly Insn[]): Int32Array =>
  Int32Array.from(program.flatMap(([code, jt, jf, k]) => [code | (jt << 16) | (jf << 24), k]))

/** What a program answers about octets, run and made a function of; `frags` lie in a buffer of their own. */
const answers = (
  program: readonly Insn[],
  octets: number[],
  frags: number[] = [],
  path = createPathHost()
): [run: number, made: number] => {
  const { arena } = path
  const { skbs } = path.first
  const { i32, u8, layout } = arena
  const skb = skbs.alloc(octets.length, 0)
  u8.set(octets, skbs.put(skb, octets.length))
  if (frags.length > 0) {
    const frag = skbs.alloc(frags.length, 0)
    u8.set(frags, skbs.put(frag, frags.length))
    skbs.addFrag(skb, 0, frag)
  }
  const at = layout.captures
  i32.set(words(program), at)
  const { runFilter } = createBpf({ arena, skbs })
  const [from, end, len] = [i32[skb + SKB_DATA]!, i32[skb + SKB_TAIL]!, i32[skb + SKB_LEN]!]
  const { compile } = createBpfJit({ arena, skbs })
  const both: [number, number] = [
    runFilter(at, skb, from, end, len, PACKET_OUTGOING),
    compile(at)(skb, from, end, len, PACKET_OUTGOING),
  ]
  skbs.free(skb)
  return both
}
const RET_A: Insn = [0x16, 0, 0, 0]
const ret = (k: number): Insn => [0x06, 0, 0, k]

describe('a program', () => {
  const octets = [1, 2, 3, 4, 5, 0x46]
  test.each<[string, Insn[], number]>([
    ['a word, a half, an octet', [[0x20, 0, 0, 0], RET_A], 0x01020304],
    ['a half', [[0x28, 0, 0, 1], RET_A], 0x0203],
    ['an octet behind X', [[0x01, 0, 0, 3], [0x50, 0, 0, 1], RET_A], 5],
    ['the length', [[0x80, 0, 0, 0], RET_A], 6],
    ['four times the lower half of an octet', [[0xb1, 0, 0, 5], [0x87, 0, 0, 0], RET_A], 24],
    ['memory', [[0x00, 0, 0, 9], [0x02, 0, 0, 3], [0x00, 0, 0, 1], [0x60, 0, 0, 3], RET_A], 9],
    ['sums wrap', [[0x00, 0, 0, -1], [0x04, 0, 0, 2], RET_A], 1],
    ['division is unsigned', [[0x00, 0, 0, -2], [0x34, 0, 0, 2], RET_A], 0x7fffffff],
    ['a shift', [[0x00, 0, 0, -1], [0x74, 0, 0, 28], RET_A], 15],
    ['a comparison is unsigned', [[0x00, 0, 0, -1], [0x25, 0, 1, 5], ret(1), ret(2)], 1],
    ['bits', [[0x30, 0, 0, 0], [0x45, 1, 0, 1], ret(1), ret(2)], 2],
    ['a jump', [[0x05, 0, 0, 1], ret(1), ret(2)], 2],
    ['the way of the packet', [[0x20, 0, 0, SKF_AD_OFF + SKF_AD_PKTTYPE], RET_A], PACKET_OUTGOING],
    ['division by X, which is 0', [[0x00, 0, 0, 7], [0x3c, 0, 0, 0], ret(5)], 0],
    ['a load beyond the packet', [[0x20, 0, 0, 3], ret(5)], 0],
    ['a load in front of it', [[0x20, 0, 0, -0x100000], ret(5)], 0],
  ])('%s', (_, program, answer) => {
    expect(bpfCheck(words(program))).toBe(true)
    expect(answers(program, octets)).toEqual([answer, answer])
  })
  test('reads on in frags', () => {
    const program: Insn[] = [[0x20, 0, 0, 2], RET_A]
    expect(answers(program, [0, 0, 1, 2], [3, 4])).toEqual([0x01020304, 0x01020304])
  })
  test('any other: what is made of it answers what running it does', () => {
    const path = createPathHost()
    const below = (n: number): number => (next() >>> 0) % n
    const next = seeded(26)
    const CODES = [
      ...[0x00, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x60, 0x80, 0x01, 0x61, 0x81, 0xb1, 0x02, 0x03],
      ...[0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74],
      ...[0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d],
      ...[0x06, 0x16, 0x07, 0x87],
    ]
    const EDGES = [
      0,
      1,
      -1,
      31,
      32,
      0x7fffffff,
      -0x80000000,
      SKF_AD_OFF,
      SKF_AD_OFF + SKF_AD_PKTTYPE,
    ]
    let sound = 0
    for (let n = 0; n < PROGRAMS; n++) {
      const length = 1 + below(12)
      const program = Array.from({ length }, (_, pc): Insn => {
        const room = Math.max(1, length - pc)
        const k = below(3) === 0 ? EDGES[below(EDGES.length)]! : below(16)
        return [CODES[below(CODES.length)]!, below(room), below(room), k]
      })
      program.push(below(2) === 0 ? RET_A : ret(below(100)))
      if (!bpfCheck(words(program))) continue
      sound++
      const octets = Array.from({ length: 1 + below(24) }, () => below(256))
      const [run, made] = answers(program, octets, below(2) === 0 ? [] : [7, 8, 9, 10], path)
      expect([program, made | 0]).toEqual([program, run | 0])
    }
    expect(sound).toBeGreaterThan(PROGRAMS / 20)
  })
})

describe('is refused:', () => {
  test.each<[string, Insn[]]>([
    ['nothing', []],
    ['no return at the end', [[0x00, 0, 0, 1]]],
    ['an unknown instruction', [[0x1234, 0, 0, 0], ret(0)]],
    ['a jump out of it', [[0x15, 1, 0, 0], ret(0)]],
    ['a jump far out', [[0x05, 0, 0, -1], ret(0)]],
    ['division by zero', [[0x34, 0, 0, 0], ret(0)]],
    ['a shift by a word', [[0x64, 0, 0, 32], ret(0)]],
    ['memory that is not there', [[0x02, 0, 0, 16], ret(0)]],
    ['memory that was not written', [[0x60, 0, 0, 0], ret(0)]],
    [
      'memory that was written on one way only',
      [[0x15, 0, 1, 0], [0x02, 0, 0, 0], [0x60, 0, 0, 0], ret(0)],
    ],
    ['what no packet has', [[0x20, 0, 0, SKF_AD_OFF + 60], ret(0)]],
  ])('%s', (_, program) => {
    expect(bpfCheck(words(program))).toBe(false)
  })
  test('too many instructions', () => {
    expect(bpfCheck(words(new Array(BPF_MAXINSNS).fill(ret(0))))).toBe(true)
    expect(bpfCheck(words(new Array(BPF_MAXINSNS + 1).fill(ret(0))))).toBe(false)
  })
})
