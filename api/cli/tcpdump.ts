/** `softnet tcpdump`: frames as they go by, a line each, or as pcapng into a file or a pipe. */
import { createWriteStream } from 'node:fs'
import type { Cli, Command } from './cli.ts'
import { getLines, getStream, UsageError } from './cli.ts'

const HELP = `Usage: softnet tcpdump [ -i DEV|any ] [ -w FILE|- ] [ -c N ] [ -s LEN ] [ -Q in|out|inout ] [ --drops ] [ FILTER ]
   -i DEV   frames of one device (any: of all)    -w FILE  write pcapng; "-" is standard output
   -c N     end with N frames                      -s LEN   keep LEN octets of each
   -Q WAY   only what comes in, or goes out        --drops  what dies unused as well, with its reason
   FILTER   an expression as tcpdump takes it, such as "tcp port 80 and not host 10.0.0.1"
`

type Params = Record<string, string>
type Wanted = { file: string | null; query: Params }

const VALUES: Readonly<Record<string, string>> = {
  i: 'dev',
  c: 'limit',
  s: 'snaplen',
  Q: 'direction',
}
/** Options that change nothing here: no names are looked up, and every line is written at once. */
const IGNORED = ['n', 'nn', 'l', 'U', 'p']

const readArgs = (args: readonly string[]): Wanted => {
  const query: Params = {}
  let file: string | null = null
  let at = 0
  for (; at < args.length && args[at]!.startsWith('-'); at++) {
    const word = args[at]!
    if (word === '--drops') query.drops = '1'
    else if (!IGNORED.includes(word.slice(1))) {
      const letter = word[1] ?? ''
      const isKnown = letter === 'w' || Object.hasOwn(VALUES, letter)
      if (!isKnown || word.startsWith('--'))
        throw new UsageError(`tcpdump: invalid option -- '${word.replace(/^-+/, '')}'`)
      const value = word.length > 2 ? word.slice(2) : args[++at]
      if (value === undefined)
        throw new UsageError(`tcpdump: option requires an argument -- '${letter}'`)
      if (letter === 'w') file = value
      else query[VALUES[letter]!] = value
    }
  }
  const filter = args.slice(at).join(' ')
  if (filter !== '') query.filter = filter
  return { file, query }
}

const clock = (seconds: number): string => {
  const [time] = new Date(seconds * 1000).toTimeString().split(' ')
  return `${time}.${String(Math.floor((seconds % 1) * 1e6)).padStart(6, '0')}`
}
type Line = {
  time: number
  dev: string
  direction: 'in' | 'out'
  drop: string | null
  frame: string
  lost?: number
}
const lineText = ({ time, dev, direction, drop, frame }: Line): string => {
  const way = direction === 'in' ? 'In ' : 'Out'
  return `${clock(time)} ${dev} ${way} ${frame}${drop === null ? '' : ` [dropped: ${drop}]`}\n`
}

const print = async (cli: Cli, query: Params): Promise<void> => {
  let lost = 0
  let seen = 0
  for await (const line of getLines<Line>(cli, '/v1/capture', query)) {
    if (line.lost !== undefined) lost = line.lost
    else {
      seen++
      cli.out(cli.json ? `${JSON.stringify(line)}\n` : lineText(line))
    }
  }
  cli.err(`${seen} packets captured\n${lost} packets dropped\n`)
}
/** Whole chunks as they come: a reader of the pipe that goes ends it. */
const save = async (cli: Cli, query: Params, file: string): Promise<void> => {
  const body = await getStream(cli, '/v1/capture', query, 'application/x-pcapng')
  const target = file === '-' ? process.stdout : createWriteStream(file)
  const gone = new Promise<never>((_, reject) => target.once('error', reject))
  for await (const chunk of body)
    if (!target.write(chunk))
      await Promise.race([new Promise((resolve) => target.once('drain', resolve)), gone])
  if (file !== '-') await new Promise<void>((resolve) => target.end(() => resolve()))
}

export const tcpdump: Command = async (args, cli) => {
  if (args.includes('--help') || args.includes('-h')) {
    cli.out(HELP)
    return 0
  }
  const { file, query } = readArgs(args)
  if (file === null) await print(cli, query)
  else await save(cli, query, file)
  return 0
}
