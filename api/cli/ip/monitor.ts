/** `ip monitor`: changes as they happen, until the daemon goes or the user ends it. */
import type {
  AddressItem,
  BucketItem,
  LinkItem,
  NeighItem,
  NexthopItem,
  RouteItem,
  RuleItem,
  WatchKind,
} from '../../../core/control/text/messages.ts'
import { addrLines } from '../../iproute2/addr.ts'
import { linkChangeText } from '../../iproute2/link.ts'
import { neighText } from '../../iproute2/neigh.ts'
import { bucketText, nexthopText } from '../../iproute2/nexthop.ts'
import { routeText } from '../../iproute2/route.ts'
import { ruleText } from '../../iproute2/rule.ts'
import { readEvents } from '../events.ts'
import { getStream, printJson, Refused, UsageError } from '../cli.ts'
import type { IpObject } from './object.ts'
import { matchWord } from '../words.ts'

const KINDS = [
  'link',
  'address',
  'route',
  'rule',
  'nexthop',
  'neigh',
] as const satisfies readonly WatchKind[]

/** As the objects' own commands, of the one device where that was said. */
const textOf = (kind: string, item: unknown, isOfDev: boolean): string => {
  switch (kind) {
    case 'route':
      return routeText(item as RouteItem, isOfDev ? { omit: new Set(['dev']) } : {})
    case 'rule':
      return ruleText(item as RuleItem)
    case 'nexthop':
      return nexthopText(item as NexthopItem)
    case 'nexthop_bucket':
      return bucketText(item as BucketItem)
    case 'neigh':
      return neighText(item as NeighItem, { omitDev: isOfDev })
    case 'link':
      return linkChangeText(item as LinkItem)
    case 'address':
      return addrLines(item as AddressItem).join('\n')
    default:
      return JSON.stringify(item)
  }
}

const HELP =
  'Usage: softnet ip monitor [ all | link | address | route | rule | nexthop | neigh ]... [ dev DEV ]\n'

export const ipMonitor: IpObject = async (words, options, cli) => {
  if (words.take('help')) {
    cli.out(HELP)
    return 0
  }
  const kinds: WatchKind[] = []
  let dev: { dev?: string } = {}
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'dev') {
      dev = { dev: words.next() }
      continue
    }
    const kind = word === 'all' ? undefined : matchWord(word, KINDS)
    if (kind === undefined && word !== 'all')
      throw new UsageError(`Argument "${word}" is unknown, try "ip monitor help".`)
    kinds.push(...(kind === undefined ? KINDS : [kind]))
  }
  const wanted = kinds.length === 0 ? [...KINDS] : kinds
  if (wanted.includes('nexthop')) wanted.push('nexthop_bucket')
  const events = await getStream(cli, '/v1/watch', { kinds: wanted.join(','), ...dev })
  for await (const { event, data } of readEvents(events)) {
    if (event === undefined || data === undefined) continue
    const note = JSON.parse(data) as { event?: string; item?: unknown }
    if (options.json) printJson(cli, { kind: event, ...note })
    else if (event === 'resync') cli.out('resync\n')
    else
      cli.out(
        `${note.event === 'del' ? 'Deleted ' : ''}${textOf(event, note.item, dev.dev !== undefined)}\n`
      )
  }
  throw new Refused('softnet: the daemon ended the stream')
}
