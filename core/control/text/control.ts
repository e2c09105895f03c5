/**
 * The control plane as people and programs speak to it: messages in iproute2's words (messages.ts) become numbers for
 * core/control/control.ts and its answers words again (codecs.ts); configurations and batches become changes of several
 * messages. Control thread; used by the API, the daemon, simulated hosts and tests. iproute2: lib/libnetlink.c.
 */
import { Errno } from '../../base/errno.ts'
import * as answers from '../rtnl/answers.ts'
import { told } from '../rtnl/answers.ts'
import type { ControlDeps } from '../control.ts'
import { createControl } from '../control.ts'
import { drawMac } from '../links/link-row.ts'
import type * as numbers from '../rtnetlink.ts'
import type { Run } from '../rtnl/transactions.ts'
import type { Outcome } from './codecs.ts'
import { createCodecs } from './codecs.ts'
import { createTextCapture } from './capture.ts'
import { createConfig } from './config/config.ts'
import { createNetnsConfig, type OtherNets } from './config/config-netns.ts'
import { createDumps } from './dumps.ts'
import type {
  ConfigStep,
  Control,
  KeepState,
  LinkItem,
  NexthopItem,
  Message,
  MessageOf,
  Refused,
  Reply,
  ReplyTo,
  StackConfig,
} from './messages.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../nlm-flags.ts'
import { DEFAULT_NETNS } from './link.ts'
import { formatMac } from '../../wire/text.ts'
import { isRefused, noSuchNetns, refuseAs } from './names.ts'
import { createNotes } from './notes.ts'
import { createTextTrace } from './trace.ts'

export type TextControl = ReturnType<typeof createTextControl>

/** Makes no state that is to be there again: what is about sockets, or learned. */
const isState = (message: Message): boolean =>
  message.type !== 'SOCK_DESTROY' &&
  message.type !== 'NEIGH_FLUSH' &&
  message.type !== 'RT_CACHE_FLUSH' &&
  !(message.type === 'RTM_NEWNEIGH' && (message.neigh.state ?? 'PERMANENT') !== 'PERMANENT')

/** A message that makes a link which there is not. */
const isNewLink = (message: Message): message is MessageOf<'RTM_NEWLINK'> =>
  message.type === 'RTM_NEWLINK' && (message.flags & NLM_F_CREATE) !== 0
/** A device of another net is to be ours. */
const isForHere = (message: Message): message is MessageOf<'RTM_NEWLINK'> =>
  message.type === 'RTM_NEWLINK' &&
  (message.flags & NLM_F_CREATE) === 0 &&
  message.link.netns === DEFAULT_NETNS
/** An end in another net is made there: its address is drawn here, so that it has it again. */
const withFarAddress = (message: Message, random: () => number): Message => {
  if (!isNewLink(message)) return message
  const { link } = message
  const peer = link.data?.['peer'] as { netns?: string; address?: string } | undefined
  if (peer?.netns === undefined || peer.address !== undefined) return message
  const { hi, lo } = drawMac(random)
  const address = formatMac(hi, lo)
  return { ...message, link: { ...link, data: { ...link.data, peer: { address, ...peer } } } }
}

type RouteChange = MessageOf<'RTM_NEWROUTE'> | MessageOf<'RTM_DELROUTE'>
const isRouteChange = (message: Message): message is RouteChange =>
  message.type === 'RTM_NEWROUTE' || message.type === 'RTM_DELROUTE'
/** What a batch answers of a route that was changed: its item is not read out. */
const DONE: Outcome = { error: 0, item: null }

export const createTextControl = (deps: ControlDeps & { otherNets?: OtherNets }) => {
  const { nets, otherNets } = deps
  const plane = createControl(deps)
  const { revision, appliedBy } = plane
  const { read, written, why } = createCodecs(plane)
  const dump = createDumps(plane)
  /** Those that a request can make. */
  const kinds = plane.kinds.filter(({ boot }) => boot === undefined)
  const config = createConfig(dump, plane.kinds, plane)
  const netnsConfig = createNetnsConfig(otherNets)
  const subscribe = createNotes(plane)
  const capture = createTextCapture(plane)
  const traces = createTextTrace(plane, deps.nowUs)

  const configOf = async (isWhole = false): Promise<StackConfig> => {
    const netns = await netnsConfig.get(isWhole)
    return { ...(isWhole ? config.whole() : config.get()), ...netns }
  }
  const stepsTo = async (wanted: StackConfig): Promise<ConfigStep[]> =>
    config.diff(wanted, wanted.netns && (await netnsConfig.steps(wanted.netns)))

  /** A link that is made again has the address that was drawn for it, as its peer has; a nexthop object its id. */
  const asMade = (message: Message, item: unknown): Message => {
    if (message.type === 'RTM_NEWNEXTHOP')
      return { ...message, nexthop: { ...message.nexthop, id: (item as NexthopItem).id } }
    if (!isNewLink(message)) return message
    const { address, link: name, link_netnsid } = item as LinkItem
    const link = { address, ...message.link }
    if (name === undefined || link_netnsid !== undefined) return { ...message, link }
    const given = link.data?.['peer']
    const peer = { address: addressOf(name), ...(typeof given === 'object' ? given : { name }) }
    return { ...message, link: { ...link, data: { ...link.data, peer } } }
  }
  const addressOf = (ifname: string): string => {
    const found = dump({ type: 'RTM_GETLINK', filter: { ifname } })
    return isRefused(found) ? '' : [...(found as Iterable<LinkItem[]>)].flat()[0].address
  }

  // ---- what is kept

  let keep: KeepState | null = null
  /** From now on every change is kept; with `isWhole`, what is there now is all that there is to keep. */
  const keepIn = async (where: KeepState, isWhole: boolean): Promise<void> => {
    if (isWhole) where.replace(await configOf())
    keep = where
  }
  /** Done by the change that holds the lock. */
  let made: Message[] = []
  /** Null, or why what was done is not kept. */
  const keepMade = async (): Promise<Refused | null> => {
    const messages = made.filter(isState)
    made = []
    if (keep === null || messages.length === 0) return null
    try {
      await keep.append(messages)
      if (keep.isLong()) keep.replace(await configOf())
      return null
    } catch (error) {
      const why = (error as Error).message
      return refuseAs(Errno.EIO, `Error: the change is in force, but could not be kept: ${why}`)
    }
  }

  let isPacking = false
  /** The whole in the place of many changes. */
  const pack = async (): Promise<void> => {
    isPacking = true
    await plane.transaction(async () => {
      if (keep?.isLong()) keep.replace(await configOf())
      return told(null)
    })
    isPacking = false
  }
  /** What was changed in another net, in the order of all changes: theirs may be about what ours have made. */
  const keepOf = (name: string, messages: readonly Message[]): void => {
    if (keep === null) return
    void keep.append(messages.map((message) => ({ type: 'NETNS' as const, name, message })))
    if (keep.isLong() && !isPacking) void pack()
  }

  // ---- what holds the lock

  /** One message. */
  const perform = async (run: Run, message: Message): Promise<Outcome> => {
    switch (message.type) {
      case 'CONFIG_GET':
        return { error: 0, item: await configOf(message.whole) }
      case 'NETNS':
        return inNetns(run, message)
      case 'CONFIG_SET':
        return setConfig(run, message)
      case 'BATCH':
        return batch(run, message)
    }
    const asked = keep === null ? message : withFarAddress(message, deps.random)
    const given = read(asked)
    if (isRefused(given)) return given
    const outcome = written(asked, await run(given))
    if (!isRefused(outcome) && keep !== null) made.push(asMade(asked, outcome.item))
    return outcome
  }

  /** It is kept there, behind what was done here before; and what it ends of ours ends with it. */
  const inNetns = async (run: Run, { name, message }: MessageOf<'NETNS'>): Promise<Outcome> => {
    if (otherNets === undefined) return noSuchNetns(name)
    const unkept = await keepMade()
    if (unkept !== null) return unkept
    const came = isForHere(message) ? await bring(run, name, message) : null
    if (came !== null) return came
    const reply = await otherNets.request(name, message)
    for (const ifindex of nets?.gone() ?? []) await run({ type: 'RTM_DELLINK', ifindex })
    return reply as Outcome
  }
  /** A device comes from another net, where it is asked for: here it is made, and kept as what was asked. */
  const bring = async (
    run: Run,
    name: string,
    message: MessageOf<'RTM_NEWLINK'>
  ): Promise<Outcome | null> => {
    const { ifname, newname } = message.link
    const came = await otherNets!.bring(name, ifname, async ({ address, mtu, peer }) => {
      const flags = NLM_F_CREATE | NLM_F_EXCL
      const link = { ifname: newname ?? ifname, kind: 'veth', address, mtu, data: { peer } }
      const asked = { type: 'RTM_NEWLINK', flags, link } as const
      const given = read(asked)
      return isRefused(given) ? given : written(asked, await run(given))
    })
    if (came !== null && !isRefused(came) && keep !== null)
      made.push({ type: 'NETNS', name, message })
    return came
  }
  const batch = async (run: Run, { messages, atomic }: MessageOf<'BATCH'>): Promise<Outcome> => {
    if (atomic) return atomicBatch(run, messages)
    if (messages.every(isRouteChange)) return routeBatch(run, messages)
    const outcomes: Outcome[] = []
    for (const message of messages) outcomes.push(await perform(run, message))
    return { error: 0, item: outcomes }
  }
  /** Changes of routes alone are one message, however many they are: a full table is a million of them. */
  const routeBatch = async (run: Run, messages: readonly RouteChange[]): Promise<Outcome> => {
    const outcomes: Outcome[] = []
    const changes: numbers.RouteMessage[] = []
    const places: number[] = []
    for (const [k, message] of messages.entries()) {
      const given = read(message)
      outcomes.push(isRefused(given) ? given : DONE)
      if (isRefused(given)) continue
      changes.push(given as numbers.RouteMessage)
      places.push(k)
    }
    const all = await run({ type: 'ROUTE_BATCH', messages: changes, atomic: false })
    if (answers.isRefused(all)) return why(messages[0], all)
    for (const [k, refused] of all.item.entries()) {
      const message = messages[places[k]]
      if (refused === null) made.push(message)
      else outcomes[places[k]] = why(message, refused)
    }
    return { error: 0, item: outcomes }
  }
  const atomicBatch = async (run: Run, messages: readonly Message[]): Promise<Outcome> => {
    const changes: numbers.RouteMessage[] = []
    for (const [index, message] of messages.entries()) {
      if (!isRouteChange(message))
        return {
          ...refuseAs(Errno.EOPNOTSUPP, 'Error: Only changes of routes can be atomic.'),
          index,
        }
      const given = read(message)
      if (isRefused(given)) return { ...given, index }
      changes.push(given as numbers.RouteMessage)
    }
    const all = await run({ type: 'ROUTE_BATCH', messages: changes, atomic: true })
    if (answers.isRefused(all)) return why(messages[all.index ?? 0], all)
    for (const message of messages) made.push(message)
    return { error: 0, item: messages.map(() => DONE) }
  }

  /** A configuration that is refused half-way is taken back to where it began. */
  const setConfig = async (
    run: Run,
    { config: wanted, dry_run }: MessageOf<'CONFIG_SET'>
  ): Promise<Outcome> => {
    const steps = await stepsTo(wanted)
    if (dry_run) return { error: 0, item: steps }
    const before = await configOf(true)
    const refused = await takeSteps(run, steps)
    if (refused === null) return { error: 0, item: steps }
    // each by itself: one that fails must not keep the others from being taken back
    for (const { message } of await stepsTo(before)) await perform(run, message)
    return refused
  }
  const takeSteps = async (run: Run, steps: readonly ConfigStep[]): Promise<Refused | null> => {
    for (const [index, { at, message }] of steps.entries()) {
      const outcome = await perform(run, message)
      if (!isRefused(outcome)) continue
      const field = [at, outcome.field].filter((part) => part !== undefined).join('.')
      return { ...outcome, ...(field !== '' && { field }), index }
    }
    return null
  }

  // ---- requests

  /** What a batch holds is answered with the revision of all of it. */
  const replyOf = (message: Message, outcome: Outcome, at: number): Reply => {
    if (isRefused(outcome)) return outcome
    const applied_by = appliedBy(at)
    const done = ({ item }: { item: unknown }): Reply => ({
      error: 0,
      item,
      revision: at,
      applied_by,
    })
    if (message.type !== 'BATCH') return done(outcome)
    const inner = outcome.item as Outcome[]
    return done({ item: inner.map((one) => (isRefused(one) ? one : done(one))) })
  }
  const request = async <M extends Message>(
    message: M,
    ifAt?: readonly number[]
  ): Promise<ReplyTo<M>> => {
    if (message.type === 'CONFIG_GET')
      return replyOf(
        message,
        { error: 0, item: await configOf(message.whole) },
        revision()
      ) as ReplyTo<M>
    if (plane.isRead(message)) return apply(message)
    const done = await plane.transaction(async (run) => {
      if (ifAt !== undefined && !ifAt.includes(revision())) return answers.refuse(Errno.ESTALE)
      const outcome = await perform(run, message)
      return told((await keepMade()) ?? outcome)
    })
    if (answers.isRefused(done)) return why(message, done) as ReplyTo<M>
    return replyOf(message, done.item, done.revision) as ReplyTo<M>
  }
  /** As the plane's apply: at once, on this very thread. */
  const apply = <M extends Message>(message: M): ReplyTo<M> => {
    const given = read(message)
    if (isRefused(given)) return given as ReplyTo<M>
    if (keep !== null && !plane.isRead(message)) throw new Error('what is kept takes its time')
    const done = plane.apply(given)
    const outcome = written(message, done)
    return replyOf(message, outcome, answers.isRefused(done) ? 0 : done.revision) as ReplyTo<M>
  }

  /** A message as a part of a change of another net, which holds the lock of both. */
  const inside = async (message: Message): Promise<Outcome> => {
    const given = read(message)
    return isRefused(given) ? given : written(message, await plane.inside(given))
  }

  const control: Control = {
    request,
    dump: dump as Control['dump'],
    subscribe,
    capture,
    ...traces,
    revision,
    kinds,
  }
  const { publish, poll, reap, nameOf, close } = plane
  return { ...control, apply, inside, keepIn, keepOf, publish, poll, reap, nameOf, close }
}
