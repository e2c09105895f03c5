/** `ip route`: show, add, append, replace, change, delete, get, flush. iproute2: ip/iproute.c. */
import type {
  FamilyName,
  MetricName,
  NexthopItem,
  NexthopSpec,
  RouteItem,
  RouteLookup,
  RouteMetrics,
  RouteSpec,
  RouteType,
} from '../../../core/control/text/messages.ts'
import type { Prefix } from '../../../core/wire/text.ts'
import { parsePrefix } from '../../../core/wire/text.ts'
import {
  lookupJson,
  lookupText,
  type RouteShow,
  routeJson,
  routeText,
} from '../../iproute2/route.ts'
import { contains, inKernelOrder, prefixOf } from '../../iproute2/route-order.ts'
import { METRICS, ROUTE_TYPES } from '../../schemas/route.ts'
import type { Cli } from '../cli.ts'
import {
  getItems,
  getJson,
  incomplete,
  printJson,
  printLines,
  Refused,
  segment,
  send,
  UsageError,
} from '../cli.ts'
import type { IpObject, IpOptions } from './object.ts'
import { vrfAsTable } from './vrf.ts'
import { badPrefix, checkFamily, familyOfText } from '../prefix.ts'
import { garbage, matchWord, unknownCommand, type Words } from '../words.ts'

const HELP = `Usage: softnet ip route { show | flush } [ SELECTOR ]
       softnet ip route flush cache
       softnet ip route get ADDRESS [ from ADDRESS ] [ iif DEV ] [ oif DEV ] [ vrf NAME ] [ tos TOS ] [ mark MARK ]
                            [ ipproto PROTO ] [ sport PORT ] [ dport PORT ]
       softnet ip route { add | append | replace | change | delete } [ TYPE ] PREFIX [ via [ FAMILY ] ADDRESS ] [ dev DEV ]
                        [ table TABLE | vrf NAME ] [ proto PROTO ] [ scope SCOPE ] [ src ADDRESS ] [ metric N ] [ tos TOS ]
                        [ nhid ID ] [ METRIC [ lock ] N ]... [ onlink ] [ pref { low | medium | high } ] [ expires SECONDS ]
                        [ nexthop via ADDRESS dev DEV weight N ]...
METRIC := { mtu | advmss | window | rtt | rttvar | ssthresh | hoplimit | initcwnd | initrwnd | rto_min | quickack }
SELECTOR := [ [ root | match | exact ] PREFIX ] [ table TABLE | all | vrf NAME ] [ dev DEV ] [ via ADDRESS ] [ proto PROTO ]
            [ scope SCOPE ] [ type TYPE ]
`

const isRouteType = (word: string): word is RouteType =>
  (ROUTE_TYPES as readonly string[]).includes(word)

/** "default", or a prefix as it was typed. */
const readDst = (text: string): string => {
  if (text === 'default' || text === 'any' || text === 'all') return 'default'
  const prefix = parsePrefix(text)
  if (prefix === null) throw badPrefix(text)
  return prefix.prefixlen === 0 ? 'default' : text
}

const readVia = (words: Words, hop: { gateway?: string; via?: RouteSpec['via'] }): void => {
  const word = words.next()
  if (word === 'inet' || word === 'inet6') hop.via = { family: word, host: words.next() }
  else hop.gateway = word
}

const readWeight = (word: string): number => {
  const weight = Number(word)
  if (Number.isInteger(weight) && weight >= 1 && weight <= 256) return weight
  throw new UsageError(`Error: argument "${word}" is wrong: "weight" is invalid`)
}
const readNexthop = (words: Words): NexthopSpec => {
  const hop: NexthopSpec = {}
  for (;;) {
    if (words.take('via')) readVia(words, hop)
    else if (words.take('dev')) hop.dev = words.next()
    else if (words.take('weight')) hop.weight = readWeight(words.next())
    else if (words.take('onlink')) hop.flags = ['onlink']
    else break
  }
  if (Object.keys(hop).length === 0)
    throw new UsageError('Error: unexpected end of line after "nexthop"')
  return hop
}

/** Raw numbers are the kernel's own: eighths and quarters of a millisecond. */
const RAW_UNITS: Readonly<Record<string, number>> = { rtt: 8, rttvar: 4, rto_min: 1 }
const readTime = (word: string, raw: number, name: string): number => {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(s|sec|secs|ms|msec|msecs)?$/.exec(word) ?? []
  if (digits === undefined)
    throw new UsageError(`Error: argument "${word}" is wrong: "${name}" value is invalid`)
  if (unit === undefined) return Math.floor(Number(digits) / raw)
  return Math.ceil(Number(digits) * (unit.startsWith('s') ? 1000 : 1))
}
const readMetric = (words: Words, name: MetricName, metrics: RouteMetrics): void => {
  if (words.take('lock')) metrics.lock = [...(metrics.lock ?? []), name]
  const raw = RAW_UNITS[name]
  metrics[name] = raw === undefined ? words.number(name) : readTime(words.next(), raw, name)
}

const readRoute = (words: Words, family: FamilyName | undefined): RouteSpec => {
  let dst: string | undefined
  const route: Omit<RouteSpec, 'dst'> = {}
  const metrics: RouteMetrics = {}
  if (words.isEmpty()) throw incomplete()
  while (!words.isEmpty()) {
    const word = words.next()
    const metric = METRICS.find((name) => name === word)
    if (word === 'via') readVia(words, route)
    else if (word === 'dev' || word === 'oif') route.dev = words.next()
    else if (word === 'table') route.table = words.next()
    else if (word === 'proto' || word === 'protocol') route.protocol = words.next()
    else if (word === 'scope') route.scope = words.next()
    else if (word === 'src') route.prefsrc = words.next()
    else if (word === 'metric' || word === 'priority' || word === 'preference')
      route.metric = words.number('metric')
    else if (word === 'tos' || word === 'dsfield') route.tos = words.number('tos')
    else if (word === 'nhid') route.nhid = words.number('id')
    else if (word === 'onlink') route.flags = ['onlink']
    else if (word === 'pref') route.pref = readPref(words.next())
    else if (word === 'expires') route.expires = words.number('expires')
    else if (word === 'nexthop') route.nexthops = [...(route.nexthops ?? []), readNexthop(words)]
    else if (metric !== undefined) readMetric(words, metric, metrics)
    else if (word === 'type') route.type = readType(words.next())
    else if (dst === undefined && isRouteType(word) && !words.isEmpty()) route.type = word
    else if (word === 'to' && dst === undefined) dst = readDst(words.next())
    else if (dst === undefined) dst = readDst(word)
    else throw garbage(word, 'to')
  }
  if (dst === undefined) throw incomplete()
  if (Object.keys(metrics).length > 0) route.metrics = [metrics]
  const known = family ?? (dst === 'default' ? familyOfText(gatewayOf(route)) : undefined)
  return { dst, ...route, ...(known && { family: known }) }
}

const gatewayOf = ({ gateway, prefsrc, nexthops }: Omit<RouteSpec, 'dst'>): string =>
  gateway ?? nexthops?.[0]?.gateway ?? prefsrc ?? ''

const readType = (word: string): RouteType => {
  if (!isRouteType(word))
    throw new UsageError(`Error: argument "${word}" is wrong: node type value is invalid`)
  return word
}

const readPref = (word: string): string => {
  if (['low', 'medium', 'high'].includes(word)) return word
  throw new UsageError(`Error: argument "${word}" is wrong: "pref" value is invalid`)
}

/** DELETE has no body: the prefix is in the path, what else tells the route apart in the query. */
const deleteRoute = async (route: RouteSpec, cli: Cli): Promise<void> => {
  const any = route.family === 'inet6' ? '::/0' : '0.0.0.0/0'
  const prefix = parsePrefix(route.dst === 'default' ? any : route.dst)!
  const addr = (route.dst === 'default' ? any : route.dst).split('/')[0]!
  await send(
    cli,
    'DELETE',
    `/v1/tables/${segment(route.table ?? 'main')}/routes/${segment(addr)}/${prefix.prefixlen}`,
    undefined,
    {
      params: {
        metric: route.metric,
        tos: route.tos,
        dev: route.dev,
        gateway: route.gateway,
        nhid: route.nhid,
        type: route.type,
        protocol: route.protocol,
        scope: route.scope,
      },
    }
  )
}

const change = async (
  verb: 'add' | 'append' | 'replace' | 'change' | 'delete',
  words: Words,
  options: IpOptions,
  cli: Cli
) => {
  const route = readRoute(await vrfAsTable(words, cli), options.family)
  if (verb === 'delete') await deleteRoute(route, cli)
  else if (verb === 'add') await send(cli, 'POST', '/v1/routes', route)
  else if (verb === 'append')
    await send(cli, 'POST', '/v1/routes', route, { params: { append: 1 } })
  else await send(cli, 'PUT', '/v1/routes', route, { mustExist: verb === 'change' })
  return 0
}

type Selection = {
  readonly params: Record<string, string | undefined>
  readonly table: string
  readonly via?: string
  readonly near?: { how: 'root' | 'match' | 'exact'; prefix: Prefix }
  /** Of a VRF: not those to its own addresses and to broadcasts. */
  readonly isVrf: boolean
}

const readSelection = async (given: Words, { family }: IpOptions, cli: Cli): Promise<Selection> => {
  const words = await vrfAsTable(given, cli)
  const isVrf = words !== given
  const params: Record<string, string | undefined> = {}
  let table = 'main'
  let via: string | undefined
  let near: Selection['near']
  let how: 'root' | 'match' | 'exact' = 'exact'
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'table') table = words.next()
    else if (word === 'dev' || word === 'oif') params.dev = words.next()
    else if (word === 'via') via = checkFamily(words.next(), family)
    else if (word === 'proto' || word === 'protocol') params.protocol = words.next()
    else if (word === 'scope') params.scope = words.next()
    else if (word === 'type') params.type = readType(words.next())
    else if (word === 'root' || word === 'match' || word === 'exact') how = word
    else if (isRouteType(word)) params.type = word
    else if (word !== 'to') near = { how, prefix: readNear(word, family) }
  }
  params.family =
    near === undefined
      ? (family ?? (via?.includes(':') ? 'inet6' : undefined))
      : near.prefix.family === 4
        ? 'inet'
        : 'inet6'
  return { params, table, isVrf, ...(via && { via }), ...(near && { near }) }
}

const readNear = (word: string, family: FamilyName | undefined): Prefix => {
  const isDefault = word === 'default' || word === 'all' || word === 'any'
  const any = family === 'inet6' ? '::/0' : '0.0.0.0/0'
  return parsePrefix(isDefault ? any : checkFamily(word, family))!
}

const isSelected = ({ via, near, isVrf }: Selection, route: RouteItem): boolean => {
  if (isVrf && (route.type === 'local' || route.type === 'broadcast')) return false
  if (via !== undefined && route.gateway !== via) return false
  if (near === undefined) return true
  const prefix = prefixOf(route)
  if (near.how === 'root') return contains(near.prefix, prefix)
  if (near.how === 'match') return contains(prefix, near.prefix)
  return contains(near.prefix, prefix) && prefix.prefixlen === near.prefix.prefixlen
}

const select = async (
  chosen: Selection,
  isAllFamilies: boolean,
  cli: Cli
): Promise<RouteItem[]> => {
  const family = chosen.params.family ?? (isAllFamilies ? undefined : 'inet')
  const { table } = chosen
  const items = await getItems<RouteItem>(cli, '/v1/routes', { ...chosen.params, family, table })
  return inKernelOrder(items.filter((route) => isSelected(chosen, route)))
}

/** The nexthop objects that routes go by. */
const objectsOf = async (routes: readonly RouteItem[], cli: Cli) => {
  if (routes.every(({ nhid }) => nhid === undefined)) return undefined
  const objects = await getItems<NexthopItem>(cli, '/v1/nexthops')
  return new Map(objects.map((one) => [one.id, one]))
}

const show = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  const chosen = await readSelection(words, options, cli)
  const routes = await select(chosen, chosen.table === 'all', cli)
  const omit = new Set<'dev' | 'via' | 'table' | 'protocol' | 'scope'>()
  if (chosen.params.dev !== undefined) omit.add('dev')
  if (chosen.via !== undefined) omit.add('via')
  if (chosen.table !== 'all') omit.add('table')
  if (chosen.params.protocol !== undefined) omit.add('protocol')
  if (chosen.params.scope !== undefined) omit.add('scope')
  const objects = options.details ? await objectsOf(routes, cli) : undefined
  const shown: RouteShow = { details: options.details, omit, ...(objects && { objects }) }
  if (options.json)
    printJson(
      cli,
      routes.map((route) => routeJson(route, shown)),
      options.pretty
    )
  else {
    const texts = routes.map((route) => routeText(route, shown))
    printLines(cli, options.oneline ? texts.map((text) => text.replaceAll('\n', '\\')) : texts)
  }
  return 0
}

const readPort = (words: Words, field: string): number => {
  const word = words.next()
  const value = /^(?:0x[0-9a-f]+|\d+)$/i.test(word) ? Number(word) : Number.NaN
  if (value <= 0xffff) return value
  throw new UsageError(`Error: argument "${word}" is wrong: invalid ${field}`)
}
const get = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  const params: Record<string, string | number> = {}
  if (words.isEmpty()) throw incomplete()
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'from') params.src = words.next()
    else if (word === 'iif' || word === 'oif') params[word] = words.next()
    else if (word === 'dev' || word === 'vrf') params.oif = words.next()
    else if (word === 'tos' || word === 'dsfield') params.tos = words.number('tos')
    else if (word === 'mark') params.mark = words.number('mark')
    else if (word === 'ipproto') params.ipproto = words.next()
    else if (word === 'sport' || word === 'dport') params[word] = readPort(words, word)
    else if (word !== 'to') {
      params.dst = checkFamily(word, options.family).split('/')[0]!
    }
  }
  const found = await getJson<RouteLookup>(cli, '/v1/route-lookup', params)
  if (options.json) printJson(cli, [lookupJson(found, options)], options.pretty)
  else {
    const text = lookupText(found, options)
    printLines(cli, [options.oneline ? text.replaceAll('\n', '\\') : text])
  }
  return 0
}

const flush = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  if (words.isEmpty()) throw new UsageError('"ip route flush" requires arguments.')
  if (words.take('cache')) {
    await send(cli, 'POST', '/v1/route-cache:flush', { family: options.family ?? 'inet' })
    return 0
  }
  const routes = await select(await readSelection(words, options, cli), false, cli)
  for (const table of new Set(routes.map((route) => route.table))) {
    const lines = routes
      .filter((route) => route.table === table)
      .map(({ dst, family, metric, tos, type }) =>
        JSON.stringify({
          op: 'del',
          dst,
          family,
          type,
          ...(metric && { metric }),
          ...(tos && { tos }),
        })
      )
    const response = await cli.fetch(`/v1/tables/${segment(table)}/routes:batch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: lines.join('\n'),
    })
    if (response.status !== 200) throw new Refused('Failed to flush: some routes are still there.')
  }
  return 0
}

export const ipRoute: IpObject = async (words, options, cli) => {
  if (words.isEmpty()) return show(words, options, cli)
  const word = words.next()
  const verb = matchWord(word, [
    'list',
    'show',
    'lst',
    'get',
    'add',
    'append',
    'change',
    'chg',
    'replace',
    'delete',
    'flush',
    'help',
  ])
  switch (verb) {
    case 'list':
    case 'show':
    case 'lst':
      return show(words, options, cli)
    case 'get':
      return get(words, options, cli)
    case 'chg':
      return change('change', words, options, cli)
    case 'add':
    case 'append':
    case 'change':
    case 'replace':
    case 'delete':
      return change(verb, words, options, cli)
    case 'flush':
      return flush(words, options, cli)
    case 'help':
      cli.out(HELP)
      return 0
    default:
      throw unknownCommand(word, 'route')
  }
}
