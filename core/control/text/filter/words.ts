/** The words of an expression, read one after the other, with a way back. */
import { FilterError, tokens } from './lex.ts'

export type Words = ReturnType<typeof createWords>

export const createWords = (text: string) => {
  const all = tokens(text)
  let at = 0
  /** The word ahead; '' at the end. */
  const peek = (ahead = 0): string => all[at + ahead] ?? ''
  const next = (): string => {
    const word = all[at]
    if (word === undefined) throw new FilterError('syntax error: the expression ends too early')
    at++
    return word
  }
  const take = (...wanted: string[]): boolean => {
    if (!wanted.includes(peek()) || at >= all.length) return false
    at++
    return true
  }
  const expect = (wanted: string): void => {
    if (!take(wanted)) throw new FilterError(`syntax error: "${wanted}" is missing`)
  }
  /** What `read` finds, or null, with nothing read, where it finds nothing. */
  const attempt = <T>(read: () => T): T | null => {
    const start = at
    try {
      return read()
    } catch (error) {
      if (!(error instanceof FilterError)) throw error
      at = start
      return null
    }
  }
  return { peek, next, take, expect, attempt, isEmpty: () => at >= all.length }
}
