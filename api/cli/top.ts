/**
 * `softnet top`: what the workers are doing now, as a picture that is drawn anew: load of each, packets of a call, drops by
 * reason, flows by rate. `-b` prints one picture after the other instead, as top(1) does.
 */
import type { DropItem, FlowItem, WorkerItem } from '../../core/control/text/messages.ts'
import type { Cli, Command } from './cli.ts'
import { getItems, printLines, UsageError } from './cli.ts'
import { table } from './table.ts'
import { openScreen } from './terminal.ts'

const HELP = `Usage: softnet top [ -b ] [ -n COUNT ] [ -d SECONDS ]
   -b one picture after the other, for files and pipes   -n so many pictures   -d seconds between them, 1 when not given
   q ends it
`

/** What there was at a moment. */
export type Sample = {
  /** Milliseconds. */
  readonly at: number
  readonly workers: readonly WorkerItem[]
  readonly drops: readonly DropItem[]
  readonly flows: readonly FlowItem[]
}

const sample = async (cli: Cli): Promise<Sample> => {
  const [workers, drops, flows] = await Promise.all([
    getItems<WorkerItem>(cli, '/v1/workers'),
    getItems<DropItem>(cli, '/v1/drops'),
    getItems<FlowItem>(cli, '/v1/flows'),
  ])
  return { at: performance.now(), workers, drops, flows }
}

const PREFIXES = ['', 'k', 'M', 'G']
/** A rate in four characters or five. */
export const rateText = (rate: number): string => {
  let [value, k] = [rate, 0]
  while (value >= 999.5 && k < PREFIXES.length - 1) {
    value /= 1000
    k++
  }
  const digits = k === 0 || value >= 99.95 ? 0 : 1
  return `${value.toFixed(digits)}${PREFIXES[k]}`
}

/** What counters have risen by, a second; what fell has begun anew. */
const riser =
  (before: Sample, now: Sample) =>
  (then: number | undefined, value: number): number => {
    const seconds = Math.max(0.001, (now.at - before.at) / 1000)
    const risen = then === undefined || value < then ? value : value - then
    return risen / seconds
  }
type Rise = ReturnType<typeof riser>

const stateOf = ({ running, sleeping }: WorkerItem): string =>
  running ? (sleeping ? 'asleep' : 'running') : 'stopped'

const workerLines = (before: Sample, now: Sample, rise: Rise): string[] => {
  const rows = now.workers.map((worker) => {
    const then = before.workers.find(({ cpu }) => cpu === worker.cpu)
    const of = (name: 'processed' | 'calls' | 'vectors' | 'time_squeeze' | 'dropped'): number =>
      rise(then?.[name], worker[name])
    const calls = of('calls')
    return [
      worker.cpu,
      `${(worker.busy_ratio * 100).toFixed(1)}%`,
      rateText(of('processed')),
      (calls === 0 ? 0 : of('vectors') / calls).toFixed(1),
      rateText(of('time_squeeze')),
      rateText(of('dropped')),
      worker.backlog_len,
      stateOf(worker),
    ]
  })
  const head = ['CPU', 'load', 'pkt/s', 'pkt/call', 'squeeze/s', 'drop/s', 'backlog', 'state']
  return table(head, rows, ['state'])
}

const dropLines = (before: Sample, now: Sample, rise: Rise, most: number): string[] => {
  const rows = now.drops
    .filter(({ count }) => count > 0)
    .map(({ reason, count }) => {
      const then = before.drops.find((drop) => drop.reason === reason)?.count ?? 0
      return { reason, count, rate: rise(then, count) }
    })
    .sort((a, b) => b.rate - a.rate || b.count - a.count)
    .slice(0, most)
  if (rows.length === 0) return ['no packet was dropped']
  return table(
    ['drop/s', 'all', 'reason'],
    rows.map(({ reason, count, rate }) => [rateText(rate), count, reason]),
    ['reason']
  )
}

const endOf = (addr: unknown, port: unknown): string => {
  const text = String(addr).includes(':') ? `[${addr}]` : String(addr)
  return `${text}:${port}`
}
const nameOf = ({ protocol, src, sport, dst, dport }: FlowItem): string =>
  `${protocol} ${endOf(src, sport)} > ${endOf(dst, dport)}`
const flowLines = (before: Sample, now: Sample, rise: Rise, most: number): string[] => {
  const then = new Map(before.flows.map((flow) => [nameOf(flow), Number(flow['packets'])]))
  const rows = now.flows
    .map((flow) => {
      const name = nameOf(flow)
      const packets = Number(flow['packets'])
      return { name, packets, worker: flow.worker, rate: rise(then.get(name) ?? 0, packets) }
    })
    .sort((a, b) => b.rate - a.rate || b.packets - a.packets)
    .slice(0, most)
  if (rows.length === 0) return ['no flow yet']
  return table(
    ['pkt/s', 'packets', 'CPU', 'flow'],
    rows.map(({ name, packets, worker, rate }) => [rateText(rate), packets, worker, name]),
    ['flow']
  )
}

const MOST_DROPS = 5
/** What is between the parts, and their heads. */
const EXTRA_LINES = 8

/** A picture of what has happened between two moments, in so many columns and rows. */
export const picture = (
  before: Sample,
  now: Sample,
  size: { columns: number; rows: number }
): string[] => {
  const rise = riser(before, now)
  const sum = (name: 'processed' | 'dropped', of: Sample): number =>
    of.workers.reduce((all, worker) => all + worker[name], 0)
  const packets = rise(sum('processed', before), sum('processed', now))
  const lost = (of: Sample): number => of.drops.reduce((all, { count }) => all + count, 0)
  const drops = dropLines(before, now, rise, MOST_DROPS)
  const room = size.rows - now.workers.length - drops.length - EXTRA_LINES
  const lines = [
    `softnet top: ${now.workers.length} workers, ${rateText(packets)} packets/s, ${rateText(rise(lost(before), lost(now)))} drops/s`,
    '',
    ...workerLines(before, now, rise),
    '',
    ...drops,
    '',
    ...flowLines(before, now, rise, Math.max(1, room)),
  ]
  return lines.map((line) => line.slice(0, size.columns)).slice(0, Math.max(1, size.rows))
}

const readOptions = (args: readonly string[]) => {
  const options = { batch: false, count: Infinity, seconds: 1 }
  const words = args.values()
  const numberOf = (flag: string): number => {
    const value = Number(words.next().value)
    if (!(value > 0)) throw new UsageError(`top: ${flag} needs a number greater than 0`)
    return value
  }
  for (const word of words) {
    if (word === '-b') options.batch = true
    else if (word === '-n') options.count = Math.ceil(numberOf('-n'))
    else if (word === '-d') options.seconds = numberOf('-d')
    else throw new UsageError(`top: inapt option "${word}", try "softnet top --help"`)
  }
  return options
}

/** For files, as many flows as there are. */
const ON_PAPER = { columns: 512, rows: 512 }
/** Keys that end it: q, and what interrupts and ends other programs. */
const END = ['q', 'Q', '\u0003', '\u0004', '\u001b']

const FIRST_MS = 200
const watch = async (
  cli: Cli,
  { count, seconds }: ReturnType<typeof readOptions>,
  screen: NonNullable<ReturnType<typeof openScreen>>
): Promise<void> => {
  try {
    let before = await sample(cli)
    // the first picture is not long in coming
    let waitMs = Math.min(FIRST_MS, seconds * 1000)
    for (let shown = 0; shown <= count; shown++) {
      const key = await screen.key(waitMs)
      if ((key !== undefined && END.includes(key)) || shown === count) return
      const now = await sample(cli)
      screen.draw(picture(before, now, screen))
      before = now
      waitMs = seconds * 1000
    }
  } finally {
    screen.close()
  }
}

export const top: Command = async (args, cli) => {
  if (args[0] === '--help' || args[0] === '-h') {
    cli.out(HELP)
    return 0
  }
  const options = readOptions(args)
  const screen = options.batch ? null : openScreen(cli.out)
  if (screen !== null) {
    await watch(cli, options, screen)
    return 0
  }
  let before = await sample(cli)
  for (let shown = 0; shown < options.count; shown++) {
    await Bun.sleep(options.seconds * 1000)
    const now = await sample(cli)
    printLines(cli, [...picture(before, now, ON_PAPER), ''])
    before = now
  }
  return 0
}
