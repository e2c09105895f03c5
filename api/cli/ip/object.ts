/** What `ip` gives each of its objects, a file each beside this one: the words behind the object's name, and the options. */
import type { FamilyName } from '../../../core/control/text/messages.ts'
import type { Cli } from '../cli.ts'
import type { Words } from '../words.ts'

export type IpOptions = {
  readonly json: boolean
  readonly pretty: boolean
  readonly stats: boolean
  /** -s -s */
  readonly errors: boolean
  readonly details: boolean
  readonly oneline: boolean
  readonly brief: boolean
  readonly family?: FamilyName
}

export type IpObject = (words: Words, options: IpOptions, cli: Cli) => Promise<number | undefined>
