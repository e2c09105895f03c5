/**
 * `ip netns`: the other nets of the daemon, by their names. Each is a whole stack with an arena of its own, which whoever runs
 * this one makes (Nets); what is said here is which there are to be. Control thread. iproute2: ip/ipnetns.c.
 */
import { Errno } from '../base/errno.ts'
import type { Outcome } from './rtnl/answers.ts'
import { changed, refuse, told } from './rtnl/answers.ts'
import type { Links } from './links/links.ts'
import { NLM_F_EXCL } from './nlm-flags.ts'
import type { MessageOf, NetnsItem } from './rtnetlink.ts'

/** What makes and ends nets, with an errno, or 0. */
export type Nets = {
  names: () => readonly string[]
  /** Devices of ours whose other ends were in nets that have ended, or are gone from them. */
  gone: () => readonly number[]
  add: (name: string) => Promise<number>
  del: (name: string) => Promise<number>
}
type NetnsDeps = Pick<Links, 'delLink'> & {
  /** Without it there is one net. */
  nets: Nets | undefined
  /** control.ts: tells watchers. */
  onEvent: (event: 'new' | 'del', item: NetnsItem) => void
}

const NAME_MAX = 255
/** A name is a file's (invalid_name). */
const isName = (name: string): boolean =>
  name !== '' && name.length <= NAME_MAX && !name.includes('/') && name !== '.' && name !== '..'

export const createNetns = ({ nets, delLink, onEvent }: NetnsDeps) => {
  const change = async (
    event: 'new' | 'del',
    name: string,
    make: ((name: string) => Promise<number>) | undefined
  ): Promise<Outcome<NetnsItem>> => {
    if (!isName(name)) return refuse(Errno.EINVAL)
    const error = make === undefined ? Errno.EOPNOTSUPP : await make(name)
    if (error !== 0) return refuse(error)
    for (const ifindex of nets?.gone() ?? []) await delLink({ type: 'RTM_DELLINK', ifindex })
    onEvent(event, { name })
    return changed({ name })
  }
  const newNetns = async ({ flags, name }: MessageOf<'NETNS_NEW'>): Promise<Outcome<NetnsItem>> => {
    const outcome = await change('new', name, nets?.add)
    const isThere = outcome.error === Errno.EEXIST && (flags & NLM_F_EXCL) === 0
    return isThere ? told({ name }) : outcome
  }
  const delNetns = ({ name }: MessageOf<'NETNS_DEL'>) => change('del', name, nets?.del)
  function* dump(): Generator<NetnsItem[]> {
    yield (nets?.names() ?? []).map((name) => ({ name }))
  }
  return { newNetns, delNetns, dump }
}
