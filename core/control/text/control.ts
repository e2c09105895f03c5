/**
 * The control plane as people and programs speak to it: messages in iproute2's words (messages.ts) become numbers for
 * core/control/control.ts and its answers words again (codecs.ts); configurations and batches become changes of several
 * messages. Control thread; used by the API, the daemon, simulated hosts and tests. iproute2: lib/libnetlink.c.
 */
import { Errno } from '../../base/errno.ts'
import * as answers from '../answers.ts'
import { told } from '../answers.ts'
import type { ControlDeps, Run } from '../control.ts'
import { createControl } from '../control.ts'
import type * as numbers from '../rtnetlink.ts'
import type { Outcome } from './codecs.ts'
import { createCodecs } from './codecs.ts'
import { createTextCapture } from './capture.ts'
import { createConfig } from './config.ts'
import { createDumps } from './dumps.ts'
import type {
  ConfigStep,
  Control,
  Message,
  MessageOf,
  Refused,
  Reply,
  ReplyTo,
} from './messages.ts'
import { isRefused, refuseAs } from './names.ts'
import { createNotes } from './notes.ts'

export const createTextControl = (deps: ControlDeps) => {
  const plane = createControl(deps)
  const { revision, appliedBy } = plane
  const { read, written, why } = createCodecs(plane)
  const dump = createDumps(plane)
  /** Those that a request can make. */
  const kinds = plane.kinds.filter(({ boot }) => boot === undefined)
  const config = createConfig(dump, plane.kinds)
  const subscribe = createNotes(plane)
  const capture = createTextCapture(plane)

  // ---- what holds the lock

  /** One message. */
  const perform = async (run: Run, message: Message): Promise<Outcome> => {
    switch (message.type) {
      case 'CONFIG_GET':
        return { error: 0, item: config.get() }
      case 'CONFIG_SET':
        return setConfig(run, message)
      case 'BATCH':
        return batch(run, message)
    }
    const given = read(message)
    return isRefused(given) ? given : written(message, await run(given))
  }

  const batch = async (run: Run, { messages, atomic }: MessageOf<'BATCH'>): Promise<Outcome> => {
    if (atomic) return atomicBatch(run, messages)
    const outcomes: Outcome[] = []
    for (const message of messages) outcomes.push(await perform(run, message))
    return { error: 0, item: outcomes }
  }
  const atomicBatch = async (run: Run, messages: readonly Message[]): Promise<Outcome> => {
    const changes: numbers.RouteMessage[] = []
    for (const [index, message] of messages.entries()) {
      if (message.type !== 'RTM_NEWROUTE' && message.type !== 'RTM_DELROUTE')
        return {
          ...refuseAs(Errno.EOPNOTSUPP, 'Error: Only changes of routes can be atomic.'),
          index,
        }
      const given = read(message)
      if (isRefused(given)) return { ...given, index }
      changes.push(given as numbers.RouteMessage)
    }
    const outcome = await run({ type: 'ROUTE_BATCH', messages: changes })
    if (answers.isRefused(outcome)) return why(messages[outcome.index ?? 0], outcome)
    const items = outcome.item.map((item, k) => written(messages[k], told(item)))
    return { error: 0, item: items }
  }

  /** A configuration that is refused half-way is taken back to where it began. */
  const setConfig = async (
    run: Run,
    { config: wanted, dry_run }: MessageOf<'CONFIG_SET'>
  ): Promise<Outcome> => {
    const steps = config.diff(wanted)
    if (dry_run) return { error: 0, item: steps }
    const before = config.whole()
    const refused = await takeSteps(run, steps)
    if (refused === null) return { error: 0, item: steps }
    // each by itself: one that fails must not keep the others from being taken back
    for (const { message } of config.diff(before)) await perform(run, message)
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
    const item =
      message.type === 'BATCH'
        ? (outcome.item as Outcome[]).map((inner, k) => replyOf(message.messages[k], inner, at))
        : outcome.item
    return { error: 0, item, revision: at, applied_by: appliedBy(at) }
  }
  const request = async <M extends Message>(message: M): Promise<ReplyTo<M>> => {
    if (message.type === 'CONFIG_GET')
      return replyOf(message, { error: 0, item: config.get() }, revision()) as ReplyTo<M>
    if (plane.isRead(message)) return apply(message)
    const done = await plane.transaction(async (run) => told(await perform(run, message)))
    if (answers.isRefused(done)) return why(message, done) as ReplyTo<M>
    return replyOf(message, done.item, done.revision) as ReplyTo<M>
  }
  /** As the plane's apply: at once, on this very thread. */
  const apply = <M extends Message>(message: M): ReplyTo<M> => {
    const given = read(message)
    if (isRefused(given)) return given as ReplyTo<M>
    const done = plane.apply(given)
    const outcome = written(message, done)
    return replyOf(message, outcome, answers.isRefused(done) ? 0 : done.revision) as ReplyTo<M>
  }

  const control: Control = {
    request,
    dump: dump as Control['dump'],
    subscribe,
    capture,
    revision,
    kinds,
  }
  return { ...control, apply, poll: plane.poll, close: plane.close }
}
