/**
 * The namespaces as the control thread has them: which there are, and calls to their thread, which starts with the first.
 * Linux counterpart: `ip netns`.
 */
import { Errno } from '../../core/base/errno.ts'
import type { TextControl } from '../../core/control/text/control.ts'
import type { OtherNets } from '../../core/control/text/config/config-netns.ts'
import type { Message, Reply } from '../../core/control/text/messages.ts'
import { noSuchNetns } from '../../core/control/text/names.ts'
import type { LabSpec } from '../lab/lab-data.ts'
import type { Thread } from '../threads.ts'
import { createCalls, type Caller } from './calls.ts'
import { createFar, type FarState } from './far.ts'
import type { NetnsFunctions } from './main.ts'
import type { NetAnswer, NetCall } from './nets.ts'

/** As many as there is memory for: a small one takes some 4 MB. */
export const MAX_NETNS = 64

type NetnsDeps = {
  start: () => Promise<Thread>
  /** Its number. */
  thread: number
  /** Namespaces of the kernel's have names too. */
  isTaken: (name: string) => boolean
  /** The stack of one is over, and another begins. */
  onError: (name: string, error: string) => void
}
type Named = { readonly name: string; readonly id?: number; readonly addresses?: readonly string[] }
/** As the API has it: what goes on comes piece by piece, with null at its end. */
type Answer = Omit<NetAnswer, 'body'> & {
  body: string | { next: () => Promise<Uint8Array | null>; cancel: () => void }
}
/** What their thread may call. */
export type ControlFunctions = {
  tell: (port: number, state: FarState) => void
  keep: TextControl['keepOf']
  /** What is asked of a namespace, and reaches into the default net: that has the lock which is taken first. */
  request: (name: string, message: Message) => Promise<Reply>
  failed: NetnsDeps['onError']
}

export const createNamespaces = ({ start, thread, isTaken, onError }: NetnsDeps) => {
  const named = new Map<string, Named>()
  let control: Pick<TextControl, 'keepOf' | 'request' | 'poll' | 'reap'> | null = null
  /** Until devices of ours that had their other ends there are gone as well. */
  let reaping: Promise<unknown> = Promise.resolve()
  const functions: ControlFunctions = {
    tell: (port, state) => {
      tell(port, state)
      if (state === null) reaping = control!.reap()
      else control!.poll()
    },
    keep: (name, messages) => control!.keepOf(name, messages),
    request: (name, message) => control!.request({ type: 'NETNS', name, message }),
    failed: onError,
  }
  let calls: Promise<Caller<NetnsFunctions>> | null = null
  const begin = async (): Promise<Caller<NetnsFunctions>> => {
    try {
      const { worker } = await start()
      return createCalls<NetnsFunctions>(worker, functions)
    } catch (error) {
      calls = null
      throw error
    }
  }
  const call: Caller<NetnsFunctions> = (name, ...args) => {
    calls ??= begin()
    return calls.then((there) => there(name, ...args))
  }
  const { far, bring, tell, gone, nsids } = createFar({
    call,
    isNet: (name) => named.has(name),
    thread,
  })

  const add = async (name: string): Promise<number> => {
    if (named.has(name) || isTaken(name)) return Errno.EEXIST
    if (named.size >= MAX_NETNS) return Errno.ENOSPC
    await call('add', name)
    named.set(name, { name })
    return 0
  }
  const del = async (name: string): Promise<number> => {
    if (isTaken(name)) return Errno.EBUSY
    if (!named.delete(name)) return Errno.ENOENT
    await call('del', name)
    nsids.forget(name)
    return 0
  }
  /** What it is asked may end devices of ours. */
  const ask = async (asked: NetCall): Promise<Answer> => {
    const { body, ...answer } = await call('ask', asked)
    await reaping
    if (typeof body === 'string') return { ...answer, body }
    const next = () => call('nextPiece', body)
    return { ...answer, body: { next, cancel: () => void call('cancelStream', body) } }
  }
  /** The hosts of a scene. */
  const addLab = async (lab: LabSpec): Promise<void> => {
    await call('lab', lab)
    for (const { hosts } of lab.lans)
      for (const { name, config } of hosts)
        named.set(name, { name, addresses: (config.link?.[0]?.addresses ?? []).map(String) })
  }
  const otherNets: OtherNets = {
    configs: async (isWhole) => (named.size === 0 ? [] : call('configs', isWhole)),
    request: async (name, message) =>
      named.has(name) ? call('request', name, message) : noSuchNetns(name),
    bring: async (name, ifname, make) => {
      if (!named.has(name)) return noSuchNetns(name)
      const leaving = await call('leaving', name, ifname)
      if (leaving === null) return null
      const { port, ...more } = leaving
      return bring({ netns: name, ifname, port }, () => make(more))
    },
  }
  const list = (): Named[] =>
    [...named.values()].map((one) => {
      const id = nsids.find(one.name)
      return { ...one, ...(id !== undefined && { id }) }
    })
  return {
    nets: { add, del, gone, names: () => [...named.keys()] },
    otherNets,
    far,
    /** The control that has them. */
    attach: (to: NonNullable<typeof control>): void => {
      control = to
    },
    ask,
    addLab,
    list,
  }
}
