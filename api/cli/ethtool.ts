/** `softnet ethtool`: -x -X -l -L -k -K -g -G -S -n -N -i. */
import type {
  ChannelsItem,
  DrvinfoItem,
  FeaturesItem,
  FlowHashItem,
  RingsItem,
  RssItem,
  RssSpec,
} from '../../core/control/text/messages.ts'
import {
  channelsText,
  drvinfoText,
  FLOW_LETTERS,
  featuresJson,
  featuresText,
  flowHashText,
  ringsText,
  rssText,
  statsText,
} from '../iproute2/ethtool.ts'
import type { Cli, Command } from './cli.ts'
import { getJson, printJson, printLines, Refused, segment, send, UsageError } from './cli.ts'
import { VERSION } from './version.ts'
import { createWords, type Words } from './words.ts'

const HELP = `Usage: softnet ethtool { -x | -l | -k | -g | -S | -i } DEV
       softnet ethtool -n DEV [ rx-flow-hash TYPE ]
       softnet ethtool -N DEV rx-flow-hash TYPE { s | d | f | n }...
       softnet ethtool -X DEV { equal N | weight W0 W1 ... | default } [ hkey KEY ]
       softnet ethtool -L DEV combined N
       softnet ethtool -K DEV FEATURE { on | off } ...
       softnet ethtool -G DEV [ rx N ] [ tx N ]
       softnet ethtool --version
`

const LONG: Readonly<Record<string, string>> = {
  '--show-rxfh-indir': '-x',
  '--show-rxfh': '-x',
  '--set-rxfh-indir': '-X',
  '--rxfh': '-X',
  '--show-channels': '-l',
  '--set-channels': '-L',
  '--show-features': '-k',
  '--show-offload': '-k',
  '--features': '-K',
  '--offload': '-K',
  '--show-ring': '-g',
  '--set-ring': '-G',
  '--statistics': '-S',
  '--driver': '-i',
  '--show-nfc': '-n',
  '--show-ntuple': '-n',
  '--config-nfc': '-N',
  '--config-ntuple': '-N',
  '--help': '-h',
}

/** ethtool's short names of features. */
const FEATURE_NAMES: Readonly<Record<string, string>> = {
  rx: 'rx-checksumming',
  tx: 'tx-checksumming',
  sg: 'scatter-gather',
  tso: 'tcp-segmentation-offload',
  gso: 'generic-segmentation-offload',
  gro: 'generic-receive-offload',
  lro: 'large-receive-offload',
  rxvlan: 'rx-vlan-offload',
  txvlan: 'tx-vlan-offload',
  ntuple: 'ntuple-filters',
  rxhash: 'receive-hashing',
}

/** ethtool's own first words when something is refused. */
const WHAT: Readonly<Record<string, string>> = {
  '-x': 'Cannot get RX ring count',
  '-X': 'Cannot set RX flow hash configuration',
  '-l': 'netlink error',
  '-L': 'netlink error',
  '-k': 'netlink error',
  '-K': 'netlink error',
  '-g': 'netlink error',
  '-G': 'netlink error',
  '-S': 'no stats available',
  '-i': 'Cannot get driver information',
  '-n': 'Cannot get RX network flow hashing options',
  rules: 'Cannot get RX rings',
  '-N': 'Cannot change RX network flow hashing options',
}

const readRss = (words: Words): Omit<RssSpec, 'ifname'> => {
  const rss: Omit<RssSpec, 'ifname'> = {}
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'equal') rss.equal = words.number('equal')
    else if (word === 'default') rss.default = true
    else if (word === 'hkey') rss.hkey = words.next()
    else if (word === 'weight') {
      rss.weight = []
      while (/^\d+$/.test(words.peek() ?? '')) rss.weight.push(words.number('weight'))
    } else throw new UsageError(`ethtool: bad command line argument(s): ${word}`)
  }
  return rss
}

const readFeatures = (words: Words): Record<string, boolean> => {
  const features: Record<string, boolean> = {}
  while (!words.isEmpty()) {
    const word = words.next()
    features[FEATURE_NAMES[word] ?? word] = words.onOff(word)
  }
  return features
}

const readNumbers = (words: Words, names: readonly string[]): Record<string, number> => {
  const numbers: Record<string, number> = {}
  while (!words.isEmpty()) {
    const word = words.next()
    if (!names.includes(word))
      throw new UsageError(`ethtool: bad command line argument(s): ${word}`)
    numbers[word] = words.number(word)
  }
  return numbers
}

const FLOW_TYPES: readonly string[] = ['tcp4', 'udp4', 'ip4', 'tcp6', 'udp6', 'ip6']
const readFlowType = (words: Words): string => {
  const word = words.next()
  if (word !== 'rx-flow-hash')
    throw new UsageError(`ethtool: bad command line argument(s): ${word}`)
  const type = words.next()
  if (!FLOW_TYPES.includes(type))
    throw new UsageError(`ethtool: bad command line argument(s): ${type}`)
  return type
}

/** Shows one thing of a device: as ethtool prints it, or ethtool's JSON, an array. */
const show = async <T>(
  cli: Cli,
  path: string,
  text: (item: T) => string,
  json: (item: T) => unknown = (item) => item
): Promise<number> => {
  const item = await getJson<T>(cli, path)
  if (cli.json) printJson(cli, [json(item)])
  else printLines(cli, [text(item)])
  return 0
}

/** There are no rules that steer single flows: RSS steers all (rxclass_rule_getall). */
const showRules = async (path: string, cli: Cli): Promise<number> => {
  const { rx, combined } = await getJson<ChannelsItem>(cli, `${path}/channels`)
  printLines(cli, [`${rx + combined} RX rings available`, 'Total 0 rules', ''])
  return 0
}

const run = async (option: string, dev: string, words: Words, cli: Cli): Promise<number> => {
  const path = `/v1/links/${segment(dev)}`
  switch (option) {
    case '-x':
      return show<RssItem>(cli, `${path}/rss`, rssText)
    case '-l':
      return show<ChannelsItem>(cli, `${path}/channels`, channelsText)
    case '-k':
      return show<FeaturesItem>(cli, `${path}/features`, featuresText, featuresJson)
    case '-g':
      return show<RingsItem>(cli, `${path}/rings`, ringsText)
    case '-S':
      return show<Record<string, number>>(cli, `${path}/stats`, statsText)
    case '-i':
      return show<DrvinfoItem>(cli, `${path}/driver`, drvinfoText)
    case 'rules':
      return showRules(path, cli)
    case '-n':
      return show<FlowHashItem>(
        cli,
        `${path}/rx-flow-hash?flow-type=${segment(readFlowType(words))}`,
        flowHashText
      )
    case '-X':
      await send(cli, 'PUT', `${path}/rss`, readRss(words))
      return 0
    case '-L':
      await send(cli, 'PUT', `${path}/channels`, readNumbers(words, ['combined']))
      return 0
    case '-K':
      await send(cli, 'PUT', `${path}/features`, readFeatures(words))
      return 0
    case '-G':
      await send(cli, 'PUT', `${path}/rings`, readNumbers(words, ['rx', 'tx']))
      return 0
    case '-N': {
      const type = readFlowType(words)
      const fields = [...words.next()].map((letter) => FLOW_LETTERS[letter])
      if (fields.includes(undefined))
        throw new UsageError('ethtool: fields are the letters s d f n')
      await send(cli, 'PUT', `${path}/rx-flow-hash`, { 'flow-type': type, fields })
      return 0
    }
    default:
      throw new UsageError(`ethtool: bad command line argument(s): ${option}`)
  }
}

export const ethtool: Command = async (args, cli) => {
  const words = createWords(args)
  const isJson = words.take('--json', '-j')
  const given = words.peek()
  const letter = given?.startsWith('-') ? (LONG[given] ?? given) : '-i'
  if (given?.startsWith('-')) words.next()
  if (letter === '--version') {
    cli.out(`ethtool of softnet ${VERSION}\n`)
    return 0
  }
  if (letter === '-h' || given === undefined) {
    ;(given === undefined ? cli.err : cli.out)(HELP)
    return given === undefined ? 2 : 0
  }
  if (!Object.hasOwn(WHAT, letter))
    throw new UsageError(`ethtool: bad command line argument(s): ${given}`)
  if (words.isEmpty())
    throw new UsageError('ethtool: bad command line argument(s): a device is needed')
  const dev = words.next()
  const option = letter === '-n' && words.isEmpty() ? 'rules' : letter
  try {
    return await run(option, dev, words, isJson ? { ...cli, json: true } : cli)
  } catch (error) {
    if (!(error instanceof Refused) || error.status === 0) throw error
    const phrase = error.message.replace(/^(RTNETLINK answers|Error|netlink error): /, '')
    // of a device that is not there the names of its statistics are missed first
    const what =
      option === '-S' && /^No such device/.test(phrase)
        ? 'Cannot get stats strings information'
        : WHAT[option]
    throw new Refused(`${what}: ${phrase}`, error.status)
  }
}
