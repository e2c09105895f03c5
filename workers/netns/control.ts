/**
 * The namespaces as the control thread has them: which there are, and calls to their thread, which starts with the first.
 * Linux counterpart: `ip netns`.
 */
import { Errno } from '../../core/base/errno.ts'
import type { LabSpec } from '../lab/lab-data.ts'
import type { Thread } from '../threads.ts'
import { createCalls, type Caller } from './calls.ts'
import type { NetnsFunctions } from './main.ts'
import type { NetAnswer, NetCall } from './nets.ts'

/** As many as there is memory for: a small one takes some 4 MB. */
export const MAX_NETNS = 64

type NetnsDeps = {
  start: () => Promise<Thread>
  /** Namespaces of the kernel's have names too. */
  isTaken: (name: string) => boolean
}
type Named = { readonly name: string; readonly addresses?: readonly string[] }

export const createNamespaces = ({ start, isTaken }: NetnsDeps) => {
  const named = new Map<string, Named>()
  let calls: Promise<Caller<NetnsFunctions>> | null = null
  const thread = (): Promise<Caller<NetnsFunctions>> => {
    calls ??= start().then(
      ({ worker }) => createCalls<NetnsFunctions>(worker, {}),
      (error) => {
        calls = null
        throw error
      }
    )
    return calls
  }
  const add = async (name: string): Promise<number> => {
    if (named.has(name) || isTaken(name)) return Errno.EEXIST
    if (named.size >= MAX_NETNS) return Errno.ENOSPC
    const call = await thread()
    await call('add', name)
    named.set(name, { name })
    return 0
  }
  const del = async (name: string): Promise<number> => {
    if (isTaken(name)) return Errno.EBUSY
    if (!named.delete(name)) return Errno.ENOENT
    const call = await thread()
    await call('del', name)
    return 0
  }
  const ask = async (asked: NetCall): Promise<NetAnswer> => (await thread())('ask', asked)
  /** The hosts of a scene. */
  const addLab = async (lab: LabSpec): Promise<void> => {
    const call = await thread()
    await call('lab', lab)
    for (const { hosts } of lab.lans)
      for (const { name, config } of hosts)
        named.set(name, { name, addresses: (config.link?.[0]?.addresses ?? []).map(String) })
  }
  return {
    nets: { add, del, names: () => [...named.keys()] },
    ask,
    addLab,
    list: (): Named[] => [...named.values()],
  }
}
