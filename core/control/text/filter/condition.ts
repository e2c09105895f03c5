/**
 * A filter as a tree of conditions, and the program that it becomes. A leaf loads something into A and compares it; the rest
 * are and, or, not. Jumps go forwards alone, as the tree is written out from left to right.
 */
import {
  BPF_ALU,
  BPF_AND,
  BPF_JA,
  BPF_JEQ,
  BPF_JMP,
  BPF_K,
  BPF_MAXINSNS,
  BPF_RET,
  BPF_X,
  INSN_WORDS,
} from '../../../bpf/bpf-constants.ts'
import { FilterError } from './lex.ts'

export type Insn = readonly [code: number, k: number]
export type Condition =
  | { readonly op: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly op: 'not'; readonly of: Condition }
  | {
      readonly op: 'test'
      readonly load: readonly Insn[]
      readonly jump: number
      /** What A is compared with, or 'x': with X. */
      readonly with: number | 'x'
    }

export const and = (...of: Condition[]): Condition => ({ op: 'and', of })
export const or = (...of: Condition[]): Condition => ({ op: 'or', of })
export const not = (of: Condition): Condition => ({ op: 'not', of })
export const test = (load: readonly Insn[], jump: number, value: number | 'x'): Condition => ({
  op: 'test',
  load,
  jump,
  with: value,
})
/** Is what one load brings, masked, that value? */
export const equals = (load: Insn, value: number, mask = -1): Condition =>
  test(mask === -1 ? [load] : [load, [BPF_ALU | BPF_AND | BPF_K, mask]], BPF_JEQ, value | 0)

/** What a filter that takes a packet says of its length: all of it. */
export const WHOLE = 262144

/** The first word of an instruction. */
const insn = (code: number, jt = 0, jf = 0): number => code | (jt << 16) | (jf << 24)

/** A place in the program that is not known yet. */
type Label = { at: number }
type Line =
  | { readonly insn: Insn }
  | { readonly jump: number; readonly k: number; readonly yes: Label; readonly no: Label }
  | { readonly mark: Label }

const write = (lines: Line[], condition: Condition, yes: Label, no: Label): void => {
  switch (condition.op) {
    case 'not':
      return write(lines, condition.of, no, yes)
    case 'and':
    case 'or':
      for (const [k, one] of condition.of.entries()) {
        const isLast = k === condition.of.length - 1
        const next: Label = { at: -1 }
        const isAnd = condition.op === 'and'
        write(lines, one, isAnd && !isLast ? next : yes, isAnd || isLast ? no : next)
        if (!isLast) lines.push({ mark: next })
      }
      return
    case 'test': {
      for (const one of condition.load) lines.push({ insn: one })
      const source = condition.with === 'x' ? BPF_X : BPF_K
      const k = condition.with === 'x' ? 0 : condition.with
      lines.push({ jump: BPF_JMP | condition.jump | source, k, yes, no })
    }
  }
}

/** Words of the program; a jump that would be too far is made of three instructions, as all are then. */
const assemble = (lines: readonly Line[], isFar: boolean): number[] | null => {
  let at = 0
  for (const line of lines) {
    if ('mark' in line) line.mark.at = at
    else at += 'jump' in line && isFar ? 3 : 1
  }
  const words: number[] = []
  for (const line of lines) {
    if ('mark' in line) continue
    if ('insn' in line) {
      words.push(line.insn[0], line.insn[1])
      continue
    }
    const here = words.length / INSN_WORDS
    if (isFar) {
      words.push(insn(line.jump, 0, 1), line.k)
      words.push(insn(BPF_JMP | BPF_JA), line.yes.at - here - 2)
      words.push(insn(BPF_JMP | BPF_JA), line.no.at - here - 3)
      continue
    }
    const [yes, no] = [line.yes.at - here - 1, line.no.at - here - 1]
    if (yes > 255 || no > 255) return null
    words.push(insn(line.jump, yes, no), line.k)
  }
  return words
}

/** The program that takes what the condition is true of; without one, everything. */
export const programOf = (condition: Condition | null): Int32Array => {
  const takes: Line = { insn: [BPF_RET | BPF_K, WHOLE] }
  if (condition === null) return Int32Array.from(assemble([takes], false)!)
  const [yes, no]: Label[] = [{ at: -1 }, { at: -1 }]
  const lines: Line[] = []
  write(lines, condition, yes!, no!)
  lines.push({ mark: yes! }, takes, { mark: no! }, { insn: [BPF_RET | BPF_K, 0] })
  const words = assemble(lines, false) ?? assemble(lines, true)!
  if (words.length > BPF_MAXINSNS * INSN_WORDS) throw new FilterError('the expression is too long')
  return Int32Array.from(words)
}
