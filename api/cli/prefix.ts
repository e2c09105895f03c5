/** Prefixes and addresses as `ip` takes them: of the family that -4 or -6 asked for. iproute2: lib/utils.c (get_prefix). */
import type { FamilyName } from '../../core/control/text/messages.ts'
import { parsePrefix } from '../../core/wire/text.ts'
import { UsageError } from './cli.ts'

export const badPrefix = (text: string): UsageError =>
  new UsageError(`Error: any valid prefix is expected rather than "${text}".`)

export const familyOfText = (text: string): FamilyName => (text.includes(':') ? 'inet6' : 'inet')

/** The word, when it is a prefix of that family, or of any where none is asked for. */
export const checkFamily = (word: string, family: FamilyName | undefined): string => {
  if (parsePrefix(word) === null) throw badPrefix(word)
  if (family !== undefined && familyOfText(word) !== family)
    throw new UsageError(`Error: ${family} prefix is expected rather than "${word}".`)
  return word
}
