/** `softnet sysctl`, `softnet-stat`, `dropwatch`, `memory`, `flows`: what is counted, one look at a time. */
import type {
  DropItem,
  FlowItem,
  MemoryItem,
  SysctlItem,
  WorkerItem,
} from '../../core/control/text/messages.ts'
import { SOFTNET_STAT } from '../../core/shm/softnet-stat.ts'
import type { Cli, Command } from './cli.ts'
import {
  getItems,
  getJson,
  getText,
  printJson,
  printLines,
  Refused,
  segment,
  send,
  UsageError,
} from './cli.ts'
import { splitOptions } from './options.ts'
import { table } from './table.ts'

const sysctlName = (text: string): string => (text.includes('/') ? text.replaceAll('/', '.') : text)

const setSysctl = async (cli: Cli, assignment: string): Promise<SysctlItem> => {
  const at = assignment.indexOf('=')
  const name = sysctlName(assignment.slice(0, at).trim())
  const text = assignment.slice(at + 1).trim()
  if (at < 0) throw new UsageError(`sysctl: "${assignment}" must be of the form name=value`)
  try {
    const value = /^-?\d+$/.test(text) ? Number(text) : text
    return (await send<SysctlItem>(cli, 'PUT', `/v1/sysctl/${segment(name)}`, { value })).item
  } catch (error) {
    throw sysctlRefused(error, name, `setting key "${name}"`)
  }
}

const sysctlRefused = (error: unknown, name: string, doing: string): unknown => {
  if (!(error instanceof Refused) || error.status === 0) return error
  if (error.status === 404) {
    return new Refused(
      `sysctl: cannot stat /proc/sys/${name.replaceAll('.', '/')}: No such file or directory`,
      404
    )
  }
  return new Refused(
    `sysctl: ${doing}: ${error.message.replace(/^(RTNETLINK answers|Error|sysctl: [a-z]+ key "[^"]*"): /, '')}`,
    error.status
  )
}

const getSysctl = async (cli: Cli, name: string): Promise<SysctlItem> => {
  try {
    return await getJson<SysctlItem>(cli, `/v1/sysctl/${segment(name)}`)
  } catch (error) {
    throw sysctlRefused(error, name, `reading key "${name}"`)
  }
}

export const sysctl: Command = async (args, cli) => {
  const { on, rest } = splitOptions(args, 'wanjAXeq', 'sysctl')
  const isAll = on.has('a') || on.has('A')
  if (!isAll && rest.length === 0)
    throw new UsageError('Usage: softnet sysctl [ -a | -w ] [ -n ] NAME[=VALUE] ...')
  const items = isAll ? await getItems<SysctlItem>(cli, '/v1/sysctl') : []
  for (const word of rest) {
    items.push(
      word.includes('=') || on.has('w')
        ? await setSysctl(cli, word)
        : await getSysctl(cli, sysctlName(word))
    )
  }
  if (cli.json || on.has('j')) printJson(cli, items)
  else if (!on.has('q')) {
    printLines(
      cli,
      items.map(({ name, value }) => (on.has('n') ? String(value) : `${name} = ${value}`))
    )
  }
  return 0
}

const statText = (value: number, as: 'decimal' | 'percent' | undefined): string => {
  if (as === 'percent') return `${(value * 100).toFixed(1)}%`
  return as === 'decimal' ? value.toFixed(1) : String(value)
}

export const softnetStat: Command = async (args, cli) => {
  if (args.includes('--raw')) {
    cli.out(await getText(cli, '/v1/proc/net/softnet_stat'))
    return 0
  }
  const workers = await getItems<WorkerItem>(cli, '/v1/workers')
  if (cli.json || args.includes('-j')) {
    printJson(cli, workers)
    return 0
  }
  const columns = SOFTNET_STAT.filter((column) => 'title' in column)
  const head = ['CPU', ...columns.map(({ title }) => title), 'state']
  const rows = workers.map((w) => [
    w.cpu,
    ...columns.map((column) => statText(w[column.name], 'as' in column ? column.as : undefined)),
    !w.running ? 'stopped' : w.sleeping ? 'asleep' : 'running',
  ])
  printLines(cli, table(head, rows))
  return 0
}

/** A reason's row for each device, and one for what had none. */
const dropRows = ({ reason, place, count, worker, devices }: DropItem): (string | number)[][] => {
  const known = (of: (one: DropItem['devices'][number]) => number): number =>
    devices.reduce((sum, one) => sum + of(one), 0)
  const rest = {
    dev: '-',
    count: count - known((one) => one.count),
    worker: worker.map((n, cpu) => n - known((one) => one.worker[cpu]!)),
  }
  return [...devices, rest]
    .filter((one) => one.count > 0)
    .map((one) => [one.count, reason, place, one.dev, ...one.worker])
}
export const dropwatch: Command = async (args, cli) => {
  const drops = await getItems<DropItem>(cli, '/v1/drops')
  if (cli.json || args.includes('-j')) printJson(cli, drops)
  else if (drops.length === 0) cli.out('no packet was dropped\n')
  else {
    const cpus = drops[0]!.worker.map((_, cpu) => `CPU${cpu}`)
    const head = ['drops', 'reason', 'place', 'dev', ...cpus]
    printLines(cli, table(head, drops.flatMap(dropRows), ['reason', 'place', 'dev']))
  }
  return 0
}

const percent = (part: number, of: number): string => `${((part / of) * 100).toFixed(1)}%`

export const memory: Command = async (args, cli) => {
  const item = await getJson<MemoryItem>(cli, '/v1/memory')
  if (cli.json || args.includes('-j')) {
    printJson(cli, item)
    return 0
  }
  const head = ['holder', 'bytes', 'bound', 'used', '2K', '68K', 'of']
  const rows = item.holders.map((h) => [
    h.holder,
    h.bytes,
    h.bound,
    percent(h.bytes, h.bound),
    `${h.small}/${h.small_bound}`,
    `${h.large}/${h.large_bound}`,
    h.within ?? '',
  ])
  printLines(cli, [
    ...table(head, rows, ['holder', 'of']),
    `backlog  ${item.backlog.packets} packets, at most ${item.backlog.bound} from thread to thread when memory is short`,
    `fib      ${item.fib.inet.prefixes} + ${item.fib.inet6.prefixes} prefixes, tries ${item.fib.bytes}/${item.fib.bound} bytes, nexthops ${item.fib.nexthops}/${item.fib.nexthops_bound}, buckets ${item.fib.nexthop_buckets}/${item.fib.nexthop_buckets_bound}, tables ${item.fib.tables}/${item.fib.tables_bound}`,
    '',
    ...table(
      ['pool', 'role', 'rows free', '2K free', '68K free', '2K reserve', '68K reserve'],
      item.pools.map((p) => [
        p.thread,
        p.role,
        `${p.skbs_free}/${p.skbs}`,
        `${p.small_free}/${p.small}`,
        `${p.large_free}/${p.large}`,
        p.small_reserve,
        p.large_reserve,
      ]),
      ['role']
    ),
  ])
  return 0
}

/** The busiest first; `last` is the time since its latest packet. */
export const flows: Command = async (args, cli) => {
  const items = await getItems<FlowItem>(cli, '/v1/flows')
  items.sort((a, b) => Number(b['packets']) - Number(a['packets']))
  if (cli.json || args.includes('-j')) printJson(cli, items)
  else if (items.length === 0) cli.out('no flow yet\n')
  else {
    const head = Object.keys(items[0]!)
    const isText = head.filter((word) => typeof items[0]![word] === 'string')
    const cell = (item: FlowItem, word: string): string =>
      word === 'last' ? `${Number(item['last']) / 1000}s` : String(item[word])
    const rows = items.map((item) => head.map((word) => cell(item, word)))
    printLines(cli, table(head, rows, isText))
  }
  return 0
}
