/** One command line, from its words to its exit status: 0 done, 1 refused, 2 usage. main.ts gives it the process. */
import type { Cli } from './cli.ts'
import { UsageError } from './cli.ts'
import { COMMANDS } from './commands.ts'
import { USAGE, WHERE } from './usage.ts'
import { complain } from './complain.ts'

const help = (): string => {
  const lines = Object.entries(COMMANDS).map(([name, { does }]) => `  ${name.padEnd(13)} ${does}`)
  return `${USAGE}\n${lines.join('\n')}\n${WHERE}\n`
}

export type Options = {
  api?: string
  token?: string
  netns?: string
  json: boolean
  showCurl: boolean
  version: boolean
  help: boolean
  rest: string[]
}

const TARGETS = ['api', 'token', 'netns'] as const

/** --api, --token and --netns, whose value may be the next word or follow a "=": how many words it took, 0 when it is neither. */
const readTarget = (words: readonly string[], at: number, options: Options): number => {
  for (const name of TARGETS) {
    const word = words[at]!
    if (word.startsWith(`--${name}=`)) {
      options[name] = word.slice(name.length + 3)
      return 1
    }
    if (word !== `--${name}`) continue
    const value = words[at + 1]
    if (value === undefined) throw new UsageError(`softnet: --${name} needs a value`)
    options[name] = value
    return 2
  }
  return 0
}

/**
 * Options before the command's name; --api, --token and --netns are understood after it too, where they say the same, but not
 * for the daemon.
 */
export const readOptions = (argv: readonly string[]): Options => {
  const options: Options = { json: false, showCurl: false, version: false, help: false, rest: [] }
  let at = 0
  while (at < argv.length && argv[at]!.startsWith('-')) {
    const word = argv[at]!
    const taken = readTarget(argv, at, options)
    at += taken || 1
    if (taken > 0) continue
    if (word === '--show-curl') options.showCurl = true
    else if (word === '-j' || word === '--json') options.json = true
    else if (word === '-V' || word === '--version') options.version = true
    else if (word === '-h' || word === '--help') options.help = true
    else throw new UsageError(`softnet: unknown option "${word}", try "softnet --help"`)
  }
  const command = argv[at]
  const rest = argv.slice(at)
  if (command === 'up' || command === 'demo') {
    // The daemon listens where its clients look.
    options.rest =
      options.api === undefined ? rest : [command, '--api', options.api, ...rest.slice(1)]
    return options
  }
  for (let i = 0; i < rest.length; i++) {
    // What follows -- belongs to the program that exec runs.
    if (rest[i] === '--') {
      options.rest.push(...rest.slice(i))
      break
    }
    const taken = readTarget(rest, i, options)
    if (taken === 0) options.rest.push(rest[i]!)
    else i += taken - 1
  }
  // It asks the daemon itself, and then enters the namespace.
  if (command === 'exec' && options.netns !== undefined)
    options.rest.splice(1, 0, '--netns', options.netns)
  return options
}

export const run = async (rest: readonly string[], cli: Cli): Promise<number> => {
  const [name, ...args] = rest
  try {
    if (name === 'help' && args.length > 0) return run([...args, '--help'], cli)
    if (name === undefined || name === 'help') {
      ;(name === undefined ? cli.err : cli.out)(help())
      return name === undefined ? 2 : 0
    }
    const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
    if (entry === undefined)
      throw new UsageError(`softnet: "${name}" is no command, try "softnet help"`)
    const { run: command, usage } = entry
    if (usage !== undefined && (args[0] === '--help' || args[0] === '-h')) {
      cli.out(`Usage: softnet ${name} ${usage}\n`)
      return 0
    }
    return (await command(args, cli)) ?? 0
  } catch (error) {
    return complain(error, cli)
  }
}
