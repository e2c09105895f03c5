/**
 * Messages as changes: one change at a time, each in one revision, told of and answered in their order, when every worker works
 * with it. What a message does is its part's (control.ts has the tables). Control thread. Linux: rtnetlink_rcv_msg(),
 * net/core/rtnetlink.c.
 */
import { Errno } from '../../base/errno.ts'
import type { Outcome, Reply } from './answers.ts'
import { isRefused, refuse, told } from './answers.ts'
import type { Note, Notes } from './notes.ts'
import type { Publisher } from './publish.ts'
import type { ItemOf, Message, MessageOf, MessageType } from '../rtnetlink.ts'
import type { Rtnl } from './rtnl.ts'

/** Messages that change nothing: they need not wait for a change that is under way. */
export type Reads = {
  [T in ReadType]: (message: MessageOf<T>) => Outcome<unknown>
}
/** Changes of shared memory alone. */
export type Changes = {
  [T in ChangeType]: (message: MessageOf<T>) => Outcome<unknown>
}
/** Changes that wait for a device or for another thread. */
export type SlowChanges = {
  [T in Exclude<MessageType, ReadType | ChangeType>]: (
    message: MessageOf<T>
  ) => Promise<Outcome<unknown>>
}
type ReadType =
  | Extract<MessageType, `RTM_GET${string}` | `${string}_GET`>
  | 'ETHTOOL_GRXFH'
  | 'ETHTOOL_GDRVINFO'
type ChangeType =
  | `RTM_${'NEW' | 'DEL'}${'ROUTE' | 'RULE' | 'NEXTHOP' | 'ADDR' | 'QDISC' | 'MULTICAST' | 'MROUTE'}`
  | 'MVIF_SET'
  | 'ROUTE_BATCH'
  | `ETHTOOL_MSG_${'RSS' | 'CHANNELS' | 'FEATURES' | 'RINGS'}_SET`
  | 'ETHTOOL_SRXFH'
  | 'RPS_SET'
  | 'SYSCTL_SET'
/** Runs a message as a part of the change that holds the lock. */
export type Run = <M extends Message>(message: M) => Promise<Outcome<ItemOf<M>>>

type TransactionsDeps = {
  reads: Reads
  changes: Changes
  slowChanges: SlowChanges
  rtnl: Rtnl
  notes: Pick<Notes, 'take' | 'tell'>
  /** A message is about to run: sets the clock that the parts read. */
  setClock: () => void
} & Pick<Publisher, 'raise' | 'settle' | 'revision' | 'appliedBy'>

export type Transactions = ReturnType<typeof createTransactions>

export const createTransactions = (deps: TransactionsDeps) => {
  const { reads, changes, slowChanges, rtnl, notes, setClock } = deps
  const { raise, settle, revision, appliedBy } = deps
  /** Has the change that runs written anything? */
  let isDirty = false
  /** Changes that are not answered yet. */
  let underWay = 0
  let answered: Promise<unknown> = Promise.resolve()
  /** Does a change that nobody has asked for wait for another one? */
  let isWaiting = false

  const isRead = ({ type }: { type: string }): boolean => Object.hasOwn(reads, type)
  const isImmediate = ({ type }: Message): boolean => Object.hasOwn(changes, type)
  const handlerOf = (table: object, { type }: Message) =>
    (table as Record<MessageType, never>)[type]

  /** A message that is answered in this turn. */
  const runNow = (table: Reads | Changes, message: Message): Outcome<unknown> => {
    setClock()
    const handler: (message: Message) => Outcome<unknown> = handlerOf(table, message)
    const outcome = handler(message)
    if (!isRefused(outcome) && outcome.changed) isDirty = true
    return outcome
  }
  /** Any message, by who holds the lock. */
  const perform = async (message: Message): Promise<Outcome<unknown>> => {
    if (isRead(message)) return runNow(reads, message)
    if (isImmediate(message)) return runNow(changes, message)
    setClock()
    const handler: (message: Message) => Promise<Outcome<unknown>> = handlerOf(slowChanges, message)
    const outcome = await handler(message)
    if (!isRefused(outcome) && outcome.changed) isDirty = true
    return outcome
  }
  const replyOf = <T>(outcome: Outcome<T>, at: number): Reply<T> =>
    isRefused(outcome)
      ? outcome
      : { error: 0, item: outcome.item, revision: at, applied_by: appliedBy(at) }

  /** What the change that has just run leaves: its notifications, and the revision that holds it, if it made one. */
  const finish = (): { made: number | null; mine: Note[] } => {
    const mine = notes.take()
    const hasChanged = isDirty || mine.length > 0
    isDirty = false
    return { made: hasChanged ? raise() : null, mine }
  }
  /** Runs a change by itself and publishes it; the next one need not wait until the workers have it. */
  const change = <T>(fn: (run: Run) => Promise<Outcome<T>>) =>
    rtnl.run(async () => {
      try {
        const outcome = await fn(perform as Run)
        return { outcome, ...finish() }
      } catch (error) {
        finish()
        throw error
      }
    })
  /**
   * Several messages as one change, in one revision: `fn` runs them when all changes before it are done, and nothing
   * else changes until it is done. A later one is not heard of before an earlier one.
   */
  const transaction = async <T>(fn: (run: Run) => Promise<Outcome<T>>): Promise<Reply<T>> => {
    if (rtnl.isFull()) return refuse(Errno.ENOBUFS)
    underWay++
    try {
      const { outcome, made, mine } = await change(fn)
      if (made === null) return replyOf(outcome, revision())
      const answer = answered.then(async () => {
        await settle(made)
        notes.tell(mine, made)
      })
      answered = answer.catch(() => {})
      await answer
      return replyOf(outcome, made)
    } finally {
      underWay--
    }
  }
  /** A message as a part of a change of another net, which holds the lock of both. */
  const inside = async (message: Message): Promise<Outcome<unknown>> => {
    underWay++
    try {
      const outcome = await perform(message)
      const { made, mine } = finish()
      if (made !== null) {
        await settle(made)
        notes.tell(mine, made)
      }
      return outcome
    } finally {
      underWay--
    }
  }
  /**
   * Answers a message that needs no other thread (a get, or a change of routes, addresses, sysctls) at once, and
   * publishes without waiting: for reads, and for who runs the workers on this very thread. A change is refused while
   * another one is under way.
   */
  const apply = <M extends Message>(message: M): Reply<ItemOf<M>> => {
    if (isRead(message)) return replyOf(runNow(reads, message) as Outcome<ItemOf<M>>, revision())
    if (!isImmediate(message)) throw new Error(`${message.type} can not be applied at once`)
    if (underWay > 0) return refuse(Errno.EBUSY)
    const outcome = runNow(changes, message) as Outcome<ItemOf<M>>
    const { made, mine } = finish()
    const at = made ?? revision()
    notes.tell(mine, at)
    return replyOf(outcome, at)
  }

  /** What changes though nobody asks for it is a change like any other; `write` says whether it has written anything. */
  const byItself = (write: () => boolean): void => {
    if (underWay === 0) {
      isDirty = write()
      const { made, mine } = finish()
      if (made !== null) notes.tell(mine, made)
    } else if (!isWaiting) {
      isWaiting = true
      void transaction(async () => {
        isWaiting = false
        isDirty = write()
        return told(null)
      })
    }
  }
  /** Tells what is no change of ours, behind the changes whose revisions are out already. */
  const tellBehind = (one: Note): void => {
    const tellNow = (): void => notes.tell([one], revision())
    if (underWay === 0) tellNow()
    else answered = answered.then(tellNow)
  }
  return { isRead, transaction, inside, apply, byItself, tellBehind }
}
