/**
 * RTM_*LINK: the messages of links, over the registry of devices and what makes (create.ts), changes (change.ts), follows
 * (follow.ts) and ends (destroy.ts) them. What a kind of device is of its own is in its file (dev/kinds/, workers/devices/).
 * Control thread. Linux: net/core/rtnetlink.c.
 */
import { Errno } from '../../base/errno.ts'
import type { Outcome } from '../rtnl/answers.ts'
import { changed, chunks, refuse, told } from '../rtnl/answers.ts'
import type { LinkChange, LinkFilter, LinkInfo, MessageOf } from '../rtnetlink.ts'
import { formatMac } from '../../wire/text.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../nlm-flags.ts'
import { TIMED_OUT } from '../rtnl/rtnl.ts'
import { type ChangeDeps, createChange } from './change.ts'
import { type CreateDeps, createCreate } from './create.ts'
import { createDestroy, type DestroyDeps } from './destroy.ts'
import { createFollow, type FollowDeps } from './follow.ts'
import { createQdiscs } from './qdiscs.ts'
import { asRefused, createRegistry, type RegistryDeps } from './registry.ts'

type Parts = FollowDeps & ChangeDeps & CreateDeps & DestroyDeps
type LinksDeps = RegistryDeps &
  Omit<Parts, 'registry' | 'follow' | 'setUp' | 'apply' | 'checkWords' | 'freeSlaves'>
export type Links = ReturnType<typeof createLinks>

export const createLinks = (deps: LinksDeps) => {
  const registry = createRegistry(deps)
  const follow = createFollow({ ...deps, registry })
  const { checkWords, check, apply, freeSlaves } = createChange({ ...deps, ...follow, registry })
  const { create, boot } = createCreate({ ...deps, registry, follow, apply, checkWords })
  const { destroy, leaveNet, close } = createDestroy({ ...deps, ...follow, registry, freeSlaves })
  const { newQdisc, delQdisc } = createQdiscs({ ...deps, registry })
  const { of, item, list, isDevice, isTaken, isUp, ifindexOf, nameOf, kindOf, masterOf } = registry
  const { within } = deps

  const noDevice = refuse(Errno.ENODEV, null, 'ifname')

  /**
   * Into another net, where it begins as one that is new: without addresses, and down (dev_change_net_namespace). null: it is there
   * already.
   */
  const moveLink = async (
    ifindex: number,
    netns: string,
    { newname }: LinkChange
  ): Promise<Outcome<LinkInfo> | null> => {
    const { kind, name } = of(ifindex)
    if (kind.ops.move === undefined)
      return refuse(Errno.EINVAL, 'The interface netns is immutable', 'netns')
    const last = item(ifindex)
    const address = formatMac(last.mac.hi, last.mac.lo)
    const to = { netns, name: newname ?? name, address, mtu: last.mtu }
    const answer = await within(kind.ops.move(ifindex, to))
    if (answer === TIMED_OUT) return refuse(Errno.ETIMEDOUT)
    if (answer.error !== 0) return asRefused(answer)
    if ('isHere' in answer) return null
    await leaveNet(ifindex)
    return changed(last)
  }
  const newLink = async ({
    link: spec,
    flags,
  }: MessageOf<'RTM_NEWLINK'>): Promise<Outcome<LinkInfo>> => {
    let ifindex = ifindexOf(spec.ifname)
    if (ifindex === 0) {
      if (isTaken(spec.ifname)) return refuse(Errno.EBUSY, null, 'ifname')
      if ((flags & NLM_F_CREATE) === 0) return noDevice
      const made = await create(spec)
      if (typeof made !== 'number') return made
      ifindex = made
    } else if ((flags & NLM_F_EXCL) !== 0) return refuse(Errno.EEXIST, null, 'ifname')
    else if (spec.kind !== undefined && spec.kind !== kindOf(ifindex))
      return refuse(Errno.EEXIST, 'A link of another kind has this name', 'kind')
    const why = check(spec, ifindex)
    if (why !== undefined) return why
    const left = spec.netns === undefined ? null : await moveLink(ifindex, spec.netns, spec)
    if (left !== null) return left
    apply(ifindex, spec)
    const answer = await within(of(ifindex).kind.ops.changed?.(ifindex))
    return answer === TIMED_OUT ? refuse(Errno.ETIMEDOUT) : changed(item(ifindex))
  }
  const delLink = async ({ ifindex }: MessageOf<'RTM_DELLINK'>): Promise<Outcome<LinkInfo>> => {
    if (!isDevice(ifindex)) return noDevice
    if (of(ifindex).kind.boot !== undefined) return refuse(Errno.EOPNOTSUPP, null, 'ifname')
    const last = item(ifindex)
    await destroy(ifindex)
    return changed(last)
  }
  const getLink = ({ ifindex }: MessageOf<'RTM_GETLINK'>): Outcome<LinkInfo> =>
    isDevice(ifindex) ? told(item(ifindex)) : noDevice
  function* items({ ifindex, kind, isUp: up, master }: LinkFilter): Generator<LinkInfo> {
    for (const one of list()) {
      if (ifindex !== undefined && one !== ifindex) continue
      if (kind !== undefined && kindOf(one) !== kind) continue
      if (up !== undefined && isUp(one) !== up) continue
      if (master !== undefined && masterOf(one) !== master) continue
      yield item(one)
    }
  }
  const dump = (filter: LinkFilter = {}): Iterable<LinkInfo[]> => chunks(items(filter), 64)

  const { look, failed, hasCarrier } = follow
  return {
    boot,
    close,
    newLink,
    delLink,
    newQdisc,
    delQdisc,
    getLink,
    dump,
    list,
    ifindexOf,
    nameOf,
    kindOf,
    isDevice,
    item,
    hasCarrier,
    look,
    failed,
  }
}
