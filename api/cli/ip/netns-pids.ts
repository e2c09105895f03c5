/**
 * `ip netns pids`, `identify`, `attach` and `set`: which processes are in a namespace, and what its name and its number are. Processes
 * are in the kernel's namespaces, which this machine's /proc tells of; softnet's have none. iproute2: ip/ipnetns.c.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import type { NetnsItem } from '../../endpoints/deps.ts'
import { getItems, Refused, UsageError } from '../cli.ts'
import type { Cli } from '../cli.ts'
import type { Words } from '../words.ts'

const NO_FILE = 'No such file or directory'
const isPid = (word: string): boolean => /^\d+$/.test(word)

/** The namespace that a process is in, as the kernel names it; undefined: there is no such process, or it is not ours to ask. */
const netOf = (pid: number | string): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return undefined
  }
}
const all = (cli: Cli): Promise<NetnsItem[]> => getItems<NetnsItem>(cli, '/v1/netns')
const noExtra = (words: Words): void => {
  if (!words.isEmpty()) throw new UsageError('extra arguments specified')
}

/** The processes in one. */
export const pids = async (words: Words, name: string, cli: Cli): Promise<void> => {
  noExtra(words)
  const item = (await all(cli)).find((one) => one.name === name)
  if (item === undefined) throw new Refused(`Cannot open network namespace: ${NO_FILE}`)
  const net = item.pid === undefined ? undefined : netOf(item.pid)
  if (net === undefined) return
  for (const pid of readdirSync('/proc').filter(isPid)) if (netOf(pid) === net) cli.out(`${pid}\n`)
}

/** The name of the one that a process is in, which may have none; without a process of this one. */
export const identify = async (words: Words, cli: Cli): Promise<void> => {
  const pid = words.isEmpty() ? String(process.pid) : words.next()
  noExtra(words)
  if (!isPid(pid)) throw new UsageError(`Specified string '${pid}' is not a pid`)
  const net = netOf(pid)
  if (net === undefined) throw new Refused(`Cannot open network namespace: ${NO_FILE}`)
  const items = await all(cli)
  const item = items.find((one) => one.pid !== undefined && netOf(one.pid) === net)
  cli.out(`${item?.name ?? ''}\n`)
}

/** A name for the namespace of a process: namespaces that have one are made by the daemon. */
export const attach = async (words: Words, cli: Cli): Promise<never> => {
  const [name, pid] = words.rest()
  if (name === undefined || pid === undefined)
    throw new UsageError('No netns name and PID specified')
  if (!isPid(pid)) throw new UsageError(`Invalid PID: ${pid}`)
  const file = `/run/netns/${name}`
  if ((await all(cli)).some((one) => one.name === name))
    throw new Refused(`Cannot create namespace file "${file}": File exists`)
  const why = netOf(pid) === undefined ? NO_FILE : 'Operation not supported'
  throw new Refused(`Bind /proc/${pid}/ns/net -> ${file} failed: ${why}`)
}

/** A number for one: it is given when it is first needed, and by nobody. */
export const setId = async (words: Words, cli: Cli): Promise<never> => {
  const [name, nsid] = words.rest()
  if (name === undefined) throw new UsageError('No netns name specified')
  if (nsid === undefined) throw new UsageError('No nsid specified')
  const wrong = (why: string): UsageError =>
    new UsageError(`Error: argument "${nsid}" is wrong: ${why}`)
  const id = Number(nsid)
  if (nsid !== 'auto' && !(Number.isInteger(id) && Math.abs(id) < 2 ** 31))
    throw wrong('Invalid "netnsid" value')
  if (id < 0) throw wrong('"netnsid" value should be >= 0')
  const items = await all(cli)
  const item = items.find((one) => one.name === name)
  if (item === undefined) throw new Refused(`Cannot open network namespace "${name}": ${NO_FILE}`)
  if (item.id !== undefined) throw new Refused('Error: Peer netns already has a nsid assigned.')
  if (items.some((one) => one.id === id))
    throw new Refused('Error: The specified nsid is already used.')
  throw new Refused('RTNETLINK answers: Operation not supported')
}
