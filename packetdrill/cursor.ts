/** A place in a script's text, for parse.ts: takes what comes next, skips blanks and comments between. */
import { SyntaxFault } from './script.ts'

export type Cursor = ReturnType<typeof createCursor>

const BLANK = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|#[^\n]*)*/y

export const createCursor = (text: string) => {
  let at = 0
  const skip = (): void => {
    BLANK.lastIndex = at
    BLANK.exec(text)
    at = BLANK.lastIndex
  }
  const line = (): number => text.slice(0, at).split('\n').length
  const fail = (what: string): never => {
    const rest = text.slice(at).split('\n')[0]!.trim()
    throw new SyntaxFault(`line ${line()}: ${what} expected, not "${rest.slice(0, 60)}"`)
  }
  /** The groups of what comes next, or null. `pattern` is sticky. */
  const match = (pattern: RegExp): RegExpExecArray | null => {
    skip()
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found !== null) at = pattern.lastIndex
    return found
  }
  const is = (word: string): boolean => {
    skip()
    if (!text.startsWith(word, at)) return false
    at += word.length
    return true
  }
  const need = (word: string): void => {
    if (!is(word)) fail(`"${word}"`)
  }
  const take = (pattern: RegExp, what: string): RegExpExecArray => match(pattern) ?? fail(what)
  /** Everything up to `end`, which goes too. */
  const until = (end: string): string => {
    const stop = text.indexOf(end, at)
    if (stop < 0) fail(`"${end}"`)
    const found = text.slice(at, stop)
    at = stop + end.length
    return found
  }
  const isEnd = (): boolean => {
    skip()
    return at >= text.length
  }
  const since = (start: number): string =>
    text
      .slice(start, at)
      .replaceAll(/\/\/[^\n]*/g, '')
      .replace(/`?#[^\n]*$/s, '')
      .trim()
  const place = (): number => {
    skip()
    return at
  }
  return { match, is, need, take, until, isEnd, line, since, place, fail }
}
