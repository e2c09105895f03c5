/**
 * A command line read as iproute2 reads it: word by word, keywords in any order, each word allowed to be cut short as long
 * as it is a beginning of the first keyword that fits.
 */
import { incomplete, UsageError } from './cli.ts'

/** The first of `names` that begins with `word`: their order is iproute2's. */
export const matchWord = <T extends string>(word: string, names: readonly T[]): T | undefined =>
  names.find((name) => name === word) ?? names.find((name) => word !== '' && name.startsWith(word))

export type Words = ReturnType<typeof createWords>

export const createWords = (args: readonly string[]) => {
  let at = 0
  const words = {
    isEmpty: (): boolean => at >= args.length,
    peek: (): string | undefined => args[at],
    /** The next word, which must be there. */
    next: (): string => {
      const word = args[at++]
      if (word === undefined) throw incomplete()
      return word
    },
    /** Takes the next word when it is this one. */
    take: (...names: string[]): boolean => {
      const word = args[at]
      if (word === undefined || !names.includes(word)) return false
      at++
      return true
    },
    rest: (): string[] => args.slice(at),
    number: (keyword: string): number => {
      const word = words.next()
      const value = /^0x[0-9a-f]+$/i.test(word) || /^\d+$/.test(word) ? Number(word) : Number.NaN
      if (!Number.isSafeInteger(value)) {
        throw new UsageError(`Error: argument "${word}" is wrong: "${keyword}" value is invalid`)
      }
      return value
    },
    onOff: (keyword: string): boolean => {
      const word = words.next()
      if (word === 'on') return true
      if (word === 'off') return false
      throw new UsageError(`Error: argument of "${keyword}" must be "on" or "off", not "${word}"`)
    },
  }
  return words
}

export const unknownCommand = (word: string, object: string): UsageError =>
  new UsageError(`Command "${word}" is unknown, try "ip ${object} help".`)

export const garbage = (word: string, what: string): UsageError =>
  new UsageError(`Error: either "${what}" is duplicate, or "${word}" is a garbage.`)

/** Splits "-tinmoe" into letters. */
export const letters = (arg: string): string[] => (/^-[^-]/.test(arg) ? [...arg.slice(1)] : [])
