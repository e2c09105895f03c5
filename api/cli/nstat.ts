/**
 * `softnet nstat`: protocol counters, since it was asked the last time: a file has what it said then. iproute2: misc/nstat.c,
 * whose daemon (-d, -t) is not here. Counters that fell are those of another daemon: what it says begins anew.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { nstatJson, nstatText } from '../iproute2/nstat.ts'
import type { Cli, Command } from './cli.ts'
import { getJson, printJson, printLines, Refused } from './cli.ts'
import { splitOptions } from './options.ts'
import { VERSION } from './version.ts'

type Counters = Readonly<Record<string, number>>
/** What was said last, by the place where the daemon was. */
type History = Record<string, Counters>

/** A shell pattern, as nstat takes it. */
const matches = (pattern: string, name: string): boolean =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`
  ).test(name)

const LONG: Readonly<Record<string, string>> = {
  '--ignore': '-a',
  '--json': '-j',
  '--nooutput': '-n',
  '--pretty': '-p',
  '--reset': '-r',
  '--noupdate': '-s',
  '--version': '-V',
  '--zeros': '-z',
}

/** Ours alone: in /tmp anybody may make files. */
const openHistory = (env: Cli['env']): number => {
  const uid = process.getuid?.() ?? 0
  const path = env.NSTAT_HISTORY ?? `/tmp/.softnet-nstat.u${uid}`
  try {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    if (fstatSync(fd).uid === uid) return fd
    closeSync(fd)
    throw new Refused('nstat: history file has been created by another user')
  } catch (error) {
    if (error instanceof Refused) throw error
    throw new Refused(`nstat: open history file ${path}: ${(error as Error).message}`)
  }
}

const readHistory = (fd: number): History => {
  const text = readFileSync(fd, 'utf8')
  try {
    return text === '' ? {} : (JSON.parse(text) as History)
  } catch {
    throw new Refused('nstat: history file is broken (-r makes a new one)')
  }
}

const writeHistory = (fd: number, history: History): void => {
  ftruncateSync(fd)
  writeSync(fd, JSON.stringify(history), 0)
}

/** What has come since. */
const since = (now: Counters, then: Counters = {}): Counters => {
  const before = (name: string): number => then[name] ?? 0
  const isOther = Object.entries(now).some(([name, value]) => value < before(name))
  if (isOther) return now
  return Object.fromEntries(
    Object.entries(now).map(([name, value]) => [name, value - before(name)])
  )
}

/** The counters of a look, with what the history makes of them; it is written again unless -s. */
const look = (now: Counters, on: ReadonlySet<string>, cli: Cli): Counters => {
  if (on.has('a') && on.has('s')) return now
  const fd = openHistory(cli.env)
  try {
    const history = on.has('r') ? {} : readHistory(fd)
    const shown = on.has('a') ? now : since(now, history[cli.endpoint])
    if (!on.has('s')) writeHistory(fd, { ...history, [cli.endpoint]: now })
    return shown
  } finally {
    closeSync(fd)
  }
}

export const nstat: Command = async (args, cli) => {
  const words = args.map((arg) => LONG[arg] ?? arg)
  const { on, rest } = splitOptions(words, 'azsjpnrV', 'nstat')
  if (on.has('V')) {
    cli.out(`nstat utility, softnet ${VERSION}\n`)
    return 0
  }
  const { kernel } = await getJson<{ kernel: Record<string, number> }>(cli, '/v1/nstat')
  // it rises and falls, and says nothing of what has come
  const { TcpCurrEstab: _, ...counters } = kernel
  const looked = look(counters, on, cli)
  if (on.has('n')) return 0
  const wanted = Object.fromEntries(
    Object.entries(looked).filter(
      ([name]) => rest.length === 0 || rest.some((pattern) => matches(pattern, name))
    )
  )
  const withZeros = on.has('z')
  if (cli.json || on.has('j')) printJson(cli, nstatJson(wanted, withZeros), on.has('p'))
  else printLines(cli, [nstatText(wanted, withZeros)])
  return 0
}
