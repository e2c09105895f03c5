/** `ip vrf`, and what other objects ask of VRFs and of masters. iproute2: ip/ipvrf.c. */
import type { LinkItem } from '../../../core/control/text/messages.ts'
import type { Cli } from '../cli.ts'
import { getItems, printJson, printLines, Refused, UsageError } from '../cli.ts'
import type { IpObject, IpOptions } from './object.ts'
import { createWords, matchWord, unknownCommand, type Words } from '../words.ts'

const HELP = 'Usage: softnet ip vrf [ show ] [ NAME ]\n'

type Vrf = { name: string; table: number }

const vrfs = async (cli: Cli): Promise<Vrf[]> =>
  (await getItems<LinkItem>(cli, '/v1/links', { kind: 'vrf' })).map(({ ifname, linkinfo }) => ({
    name: ifname,
    table: Number(linkinfo?.info_data?.['table']),
  }))

const wrong = (name: string, why: string): UsageError =>
  new UsageError(`Error: argument "${name}" is wrong: ${why}\n`)

/** `vrf NAME` of a route is `table ID`. */
export const vrfAsTable = async (words: Words, cli: Cli): Promise<Words> => {
  const all = words.rest()
  const at = all.indexOf('vrf')
  const name = all[at + 1]
  if (at < 0 || name === undefined) return words
  const vrf = (await vrfs(cli)).find((one) => one.name === name)
  if (vrf === undefined) throw wrong(name, 'Invalid VRF')
  return createWords(all.toSpliced(at, 2, 'table', String(vrf.table)))
}

/** `master NAME` and `vrf NAME` of a selection; undefined where the next word is neither. */
export const takeMaster = (words: Words): { word: 'master' | 'vrf'; name: string } | undefined => {
  if (words.take('master')) return { word: 'master', name: words.next() }
  return words.take('vrf') ? { word: 'vrf', name: words.next() } : undefined
}
export type Master = NonNullable<ReturnType<typeof takeMaster>>

/** Whether a device is enslaved to it, by the device's name. */
export const slavesOf = async (
  master: Master | undefined,
  cli: Cli
): Promise<(dev: string) => boolean> => {
  if (master === undefined) return () => true
  const links = await getItems<LinkItem>(cli, '/v1/links')
  const known = links.find(({ ifname }) => ifname === master.name)
  if (master.word === 'vrf' && known?.linkinfo?.info_kind !== 'vrf')
    throw wrong(master.name, 'Not a valid VRF name')
  if (known === undefined) throw wrong(master.name, 'Device does not exist')
  const slaves = new Set(
    links.filter((link) => link.master === master.name).map(({ ifname }) => ifname)
  )
  return (dev) => slaves.has(dev)
}

const show = async (words: Words, { json, pretty }: IpOptions, cli: Cli): Promise<number> => {
  const all = await vrfs(cli)
  if (!words.isEmpty()) {
    const name = words.next()
    const vrf = all.find((one) => one.name === name)
    if (vrf === undefined) throw new Refused('Invalid VRF')
    printLines(cli, [`${name} ${vrf.table}`])
  } else if (json) printJson(cli, all, pretty)
  else {
    const line = (name: string, table: string): string => `${name.padEnd(16)}  ${table.padStart(5)}`
    const lines = all.map(({ name, table }) => line(name, String(table)))
    const body = lines.length > 0 ? lines : ['No VRF has been configured']
    printLines(cli, [line('Name', 'Table'), '-----------------------', ...body])
  }
  return 0
}

export const ipVrf: IpObject = async (words, options, cli) => {
  if (words.isEmpty()) return show(words, options, cli)
  const word = words.next()
  switch (matchWord(word, ['show', 'list', 'lst', 'help'])) {
    case 'show':
    case 'list':
    case 'lst':
      return show(words, options, cli)
    case 'help':
      cli.out(HELP)
      return 0
    default:
      throw unknownCommand(word, 'vrf')
  }
}
