/**
 * What every section of a configuration is made of: what a dump says of it now, and the steps that lead to what is wanted. Control
 * thread.
 */
import { parsePrefix } from '../../../wire/text.ts'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../nlm-flags.ts'
import type { ConfigStep, DumpItem, DumpOf, DumpType, Message, Refused } from '../messages.ts'
import { isRefused } from '../names.ts'

export type Dump = <T extends DumpType>(request: DumpOf<T>) => Iterable<DumpItem<T>[]> | Refused
export type Steps = { gone: ConfigStep[]; come: ConfigStep[] }

export const ADD = NLM_F_CREATE | NLM_F_EXCL
export const PUT = NLM_F_CREATE | NLM_F_REPLACE

/** What is asked for here is always there. */
export const drain = <T>(chunks: Iterable<T[]> | Refused): T[] => {
  if (isRefused(chunks)) throw new Error(chunks.message)
  return [...chunks].flat()
}

export const add = (message: Message, at: string): ConfigStep => ({ op: 'add', at, message })
/** What goes is in no wanted configuration, so it is nowhere. */
export const del = (message: Message): ConfigStep => ({ op: 'del', message })
export const change = (message: Message, at: string): ConfigStep => ({ op: 'change', at, message })

/** Are the words that `wanted` gives those that `current` has? */
export const agrees = (wanted: object, current: object): boolean =>
  Object.entries(wanted).every(([name, value]) => {
    const now = (current as Record<string, unknown>)[name]
    return (
      value === undefined ||
      JSON.stringify(value) === JSON.stringify(now) ||
      (typeof value !== 'object' && String(value) === String(now))
    )
  })

/** An address as it is printed, so that two ways of writing it are one. */
export const sameAddress = (text: string): string => {
  const prefix = parsePrefix(text)
  return prefix === null ? text : `${prefix.words.join()}/${prefix.prefixlen}`
}
