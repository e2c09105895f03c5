/** `softnet ss`: sockets of the stack. Options are ss's; addresses and ports are always numbers. */
import { readFileSync, writeFileSync } from 'node:fs'
import type { LinkItem, SockItem, SockProtocol } from '../../core/control/text/messages.ts'
import { type SsShow, ssSummary, ssText } from '../iproute2/ss.ts'
import { SOCK_STATES } from '../endpoints/sockets.ts'
import type { Cli, Command } from './cli.ts'
import { getItems, inNetns, printJson, Refused, segment, send, UsageError } from './cli.ts'
import { ssDiag } from './ss/diag.ts'
import { followSockets } from './ss/follow.ts'
import { parseSsFilter, readSsState } from './ss/filter.ts'
import { createSsTables } from './ss/tables.ts'
import { VERSION } from './version.ts'
import { letters } from './words.ts'

const HELP = `Usage: softnet ss [ OPTIONS ] [ state STATE ] [ FILTER ]
   -t tcp   -u udp   -w raw   -0 packet   -x unix, -M, -S, -d, --tipc, --vsock, --xdp: none here   -4 IPv4   -6 IPv6
   -f FAMILY := { inet | inet6 | link | unix | netlink | vsock | tipc | xdp }
   -A QUERY := { all | inet | tcp | udp | raw | packet | packet_raw | packet_dgram | unix ... }[,QUERY], with ! without it
   -a all   -l listening   -n numeric (always)   -H no header   -O one line   -s summary   -j JSON
   -i internal information   -m memory   -e extended   -o timers   -p, -T processes   -K close what matches   -V version
   --tos type of service and priority   -E what ends from now on   -D FILE to write TCP sockets to, as messages of sock_diag
   -N NETNS of a network namespace   -F FILE with more of the filter
   FILTER := { src | dst } [ADDR[/LEN]][:PORT] | { sport | dport } { = != < > <= >= } :PORT | dev DEV | fwmark MARK[/MASK],
             joined by and, or, not, ( )
`

/** By their long names; in letters that ss has none for, those that only have a long one. */
const LONG: Readonly<Record<string, string>> = {
  tcp: 't',
  udp: 'u',
  raw: 'w',
  packet: '0',
  unix: 'x',
  mptcp: 'M',
  sctp: 'S',
  dccp: 'd',
  tipc: 'tipc',
  vsock: 'vsock',
  xdp: 'xdp',
  ipv4: '4',
  ipv6: '6',
  family: 'f',
  query: 'A',
  socket: 'A',
  filter: 'F',
  net: 'N',
  all: 'a',
  listening: 'l',
  numeric: 'n',
  'no-header': 'H',
  oneline: 'O',
  summary: 's',
  json: 'j',
  info: 'i',
  tos: 'tos',
  cgroup: 'cgroup',
  bpf: 'b',
  events: 'E',
  diag: 'D',
  tipcinfo: 'tipcinfo',
  memory: 'm',
  extended: 'e',
  options: 'o',
  kill: 'K',
  resolve: 'r',
  processes: 'p',
  threads: 'T',
  context: 'Z',
  contexts: 'z',
  help: 'h',
  version: 'V',
}
const KNOWN = new Set([...Object.values(LONG)])
const TAKES_ARGUMENT = ['f', 'A', 'D', 'F', 'N']

/** What asks for tables. */
const TABLE: Readonly<Record<string, string>> = {
  t: 'tcp',
  u: 'udp',
  w: 'raw',
  '0': 'packet',
  x: 'unix',
  M: 'mptcp',
  S: 'sctp',
  d: 'dccp',
  tipc: 'tipc',
  vsock: 'vsock',
  xdp: 'xdp',
}

/** The option that a long name, or the beginning of one alone, is for (getopt_long). */
const longOption = (name: string): string => {
  const found = LONG[name]
  if (found !== undefined) return found
  const begun = Object.keys(LONG).filter((each) => each.startsWith(name))
  if (begun.length === 1) return LONG[begun[0]!]!
  if (begun.length === 0) throw new UsageError(`ss: unrecognized option '--${name}'`)
  const possible = begun.map((each) => ` '--${each}'`).join('')
  throw new UsageError(`ss: option '--${name}' is ambiguous; possibilities:${possible}`)
}
const readFilter = (file: string): string => {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch {
    throw new UsageError('fopen filter file: No such file or directory')
  }
}

const readOptions = (args: readonly string[]) => {
  const on = new Set<string>()
  const rest: string[] = []
  const tables = createSsTables()
  const said: { netns?: string; filter?: string; diag?: string } = {}
  const apply = (option: string, value: string): void => {
    on.add(option)
    if (TABLE[option] !== undefined) tables.take(TABLE[option])
    else if (option === '4' || option === '6') tables.family(option === '4' ? 'inet' : 'inet6')
    else if (option === 'f' && value === 'help') on.add('h')
    else if (option === 'f') tables.family(value)
    else if (option === 'A') tables.query(value)
    else if (option === 'N') said.netns = value
    else if (option === 'D') said.diag = value
    else if (option === 'F' && said.filter !== undefined)
      throw new UsageError('More than one filter file')
    else if (option === 'F') said.filter = readFilter(value)
  }
  const words = args.values()
  const argument = (option: string): string => {
    const value = words.next().value
    if (value === undefined) throw new UsageError(`ss: option requires an argument -- '${option}'`)
    return value
  }
  for (const arg of words) {
    const [, name, value] = /^--([^=]+)(?:=(.*))?$/.exec(arg) ?? []
    if (name !== undefined) {
      const option = longOption(name)
      const takes = TAKES_ARGUMENT.includes(option)
      if (value !== undefined && !takes)
        throw new UsageError(`ss: option '--${name}' doesn't allow an argument`)
      apply(option, takes ? (value ?? argument(option)) : '')
      continue
    }
    const given = letters(arg)
    if (given.length === 0) rest.push(arg)
    for (const [k, letter] of given.entries()) {
      if (!KNOWN.has(letter)) throw new UsageError(`ss: invalid option -- '${letter}'`)
      if (!TAKES_ARGUMENT.includes(letter)) apply(letter, '')
      else {
        // the rest of the word is the argument, or the next one
        apply(letter, given.slice(k + 1).join('') || argument(letter))
        break
      }
    }
  }
  return { on, rest, tables, ...said }
}

const fetchSockets = async (cli: Cli, protocols: readonly SockProtocol[]): Promise<SockItem[]> => {
  const lists = await Promise.all(
    protocols.map((protocol) => getItems<SockItem>(cli, `/v1/sockets/${protocol}`))
  )
  return lists.flat()
}

const NETIDS: readonly SockItem['netid'][] = ['p_dgr', 'p_raw', 'raw', 'udp', 'tcp']
const EVERY: readonly SockProtocol[] = ['raw', 'udp', 'tcp']

/** As the kernel has them: protocol by protocol, IPv4 first, and listeners before the rest. */
const inOrder = (a: SockItem, b: SockItem): number => rankOf(a) - rankOf(b)
const rankOf = ({ netid, family, state }: SockItem): number =>
  NETIDS.indexOf(netid) * 4 + (family === 'inet' ? 0 : 2) + (state === 'LISTEN' ? 0 : 1)
/** Of those that are shown, unless states are named: all, those that listen, or what the tables have. */
const statesOf = (on: ReadonlySet<string>, ofTables: readonly string[]): readonly string[] => {
  if (on.has('a')) return SOCK_STATES
  return on.has('l') ? ['LISTEN', 'UNCONN'] : ofTables
}

/** -D: TCP sockets alone, whatever tables are asked for. */
const writeDiag = async (
  cli: Cli,
  file: string,
  isWanted: (sock: SockItem) => boolean,
  withMemory: boolean
): Promise<void> => {
  const socks = (await fetchSockets(cli, ['tcp'])).filter(isWanted).sort(inOrder)
  const links = await getItems<LinkItem>(cli, '/v1/links')
  const ifindexOf = (dev: string): number =>
    links.find(({ ifname }) => ifname === dev)?.ifindex ?? 0
  const octets = ssDiag(socks, withMemory, ifindexOf)
  try {
    writeFileSync(file === '-' ? 1 : file, octets)
  } catch (error) {
    const { code } = error as { code?: string }
    const why = code === 'EACCES' ? 'Permission denied' : 'No such file or directory'
    throw new Refused(`fopen dump file: ${why}`)
  }
}

export const ss: Command = async (args, outside) => {
  const { on, rest, tables, netns, filter, diag } = readOptions(args)
  const cli = inNetns(outside, netns)
  if (on.has('h')) {
    cli.out(HELP)
    return 0
  }
  if (on.has('V')) {
    cli.out(`ss utility, softnet ${VERSION}\n`)
    return 0
  }
  if (on.has('Z') || on.has('z')) throw new Refused('ss: SELinux is not enabled.')
  if (on.has('cgroup')) throw new Refused('ss: there are no cgroups here.')
  if (on.has('b'))
    throw new Refused('ss: filters of sockets are known to their applications alone.')
  if (on.has('s')) {
    cli.out(ssSummary(await fetchSockets(cli, EVERY)))
    return 0
  }
  const shown = tables.settle()
  if (shown.count === 0) {
    cli.err('ss: no socket tables to show with such filter.\n')
    return 0
  }
  const { states: named, words } = readSsState(rest)
  const states = named.length > 0 ? named : statesOf(on, shown.states)
  const matches = parseSsFilter([...words, ...(filter === undefined ? [] : [filter])])
  const show: SsShow = {
    netid: shown.count > 1,
    state: new Set(states).size > 1,
    header: !on.has('H'),
    info: on.has('i'),
    memory: on.has('m'),
    extended: on.has('e'),
    options: on.has('o'),
    oneline: on.has('O'),
    tos: on.has('tos'),
  }
  const isShown = (sock: SockItem): boolean => shown.has(sock) && matches(sock)
  if (on.has('E')) return followSockets(cli, shown.protocols, isShown, show)
  if (diag !== undefined) {
    const wanted = (sock: SockItem): boolean =>
      shown.isOfFamily(sock) && states.includes(sock.state) && matches(sock)
    await writeDiag(cli, diag, wanted, on.has('m'))
    return 0
  }
  const all = await fetchSockets(cli, shown.protocols)
  const socks = all.filter((sock) => isShown(sock) && states.includes(sock.state)).sort(inOrder)
  if (on.has('K')) {
    for (const sock of socks) await send(cli, 'DELETE', `/v1/sockets/${segment(sock.sk)}`)
  }
  if (cli.json || on.has('j')) {
    printJson(cli, socks)
    return 0
  }
  cli.out(ssText(socks, show))
  return 0
}
