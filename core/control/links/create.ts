/**
 * Making links: the checks, a row, the kind's own part, which may take its time, and the device appears; both devices of
 * a pair at once. And what is there from the start. Control thread. Linux: rtnl_newlink_create() (net/core/rtnetlink.c).
 */
import { Errno } from '../../base/errno.ts'
import type { LinkAnswer, LinkKind, LinkRefusal } from '../../dev/kinds/link-kind.ts'
import { deviceRow } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Refused } from '../rtnl/answers.ts'
import { refuse } from '../rtnl/answers.ts'
import type { LinkChange } from '../rtnetlink.ts'
import type { createPatience } from '../rtnl/rtnl.ts'
import { TIMED_OUT } from '../rtnl/rtnl.ts'
import type { Change } from './change.ts'
import type { Follow } from './follow.ts'
import type { Kind, Registry } from './registry.ts'
import { asRefused, badName, isName } from './registry.ts'

export type CreateDeps = {
  arena: Arena
  registry: Registry
  follow: Pick<Follow, 'begin' | 'setUp'>
  within: ReturnType<typeof createPatience>
} & Pick<Change, 'apply' | 'checkWords'>

/** The first word in `data` that the kind does not know. */
const checkData = ({ data = {} }: LinkChange, kind: LinkKind): Refused | undefined => {
  const odd = Object.keys(data).find((key) => !kind.data.includes(key))
  if (odd === undefined) return undefined
  const words = kind.data.length === 0 ? 'nothing' : kind.data.join(', ')
  const why = `Unknown attribute "${odd}": type "${kind.name}" takes ${words}`
  return refuse(Errno.EINVAL, why, `data.${odd}`)
}
const isRefusal = (answer: LinkAnswer): answer is LinkRefusal => answer.error !== 0

export const createCreate = ({
  arena,
  registry,
  apply,
  checkWords,
  follow,
  within,
}: CreateDeps) => {
  const { kinds, of, reserve, release, show } = registry

  /** The kind that a link is to be made of. */
  const kindFor = ({ ifname, kind: name }: LinkChange): Kind | Refused => {
    if (!isName(ifname)) return badName('ifname')
    if (name === undefined) return refuse(Errno.EINVAL, 'The type is needed', 'kind')
    const kind = kinds.get(name)
    if (kind === undefined || kind.boot !== undefined)
      return refuse(Errno.EOPNOTSUPP, 'Unknown device type', 'kind')
    return kind
  }
  const open = (
    ifindex: number,
    kind: Kind,
    spec: LinkChange
  ): ReturnType<Kind['ops']['newlink']> =>
    kind.ops.newlink({ ifindex, row: deviceRow(arena, ifindex), spec })

  /** What the kind has made begins its life. */
  const appear = (ifindex: number, answer: LinkAnswer): number | Refused => {
    if (isRefusal(answer)) {
      release(ifindex)
      return asRefused(answer)
    }
    const { data, second = 0, secondChange } = answer
    const link = of(ifindex)
    link.data = data
    link.second = second
    if (second !== 0) of(second).second = ifindex
    const devices = second === 0 ? [ifindex] : [second, ifindex]
    devices.forEach(follow.begin)
    devices.forEach(show)
    if (secondChange !== undefined) apply(second, secondChange)
    return ifindex
  }
  const create = async (spec: LinkChange): Promise<number | Refused> => {
    const kind = kindFor(spec)
    if ('error' in kind) return kind
    const why = checkWords(spec, kind) ?? checkData(spec, kind)
    if (why) return why
    const ifindex = reserve(spec.ifname, kind, spec.ifindex)
    if (ifindex === 0)
      return spec.ifindex === undefined
        ? refuse(Errno.ENOBUFS)
        : refuse(Errno.EEXIST, null, 'ifindex')
    const opening = open(ifindex, kind, spec)
    const answer = await within(opening).catch((error: unknown) => {
      release(ifindex)
      throw error
    })
    if (answer === TIMED_OUT) {
      void abandon(ifindex, kind, opening)
      return refuse(Errno.ETIMEDOUT, null, 'kind')
    }
    return appear(ifindex, answer)
  }
  /** A device that opens too late is closed again; until then its name and its row are taken. */
  const abandon = async (
    ifindex: number,
    kind: Kind,
    opening: LinkAnswer | Promise<LinkAnswer>
  ): Promise<void> => {
    const devices = [ifindex]
    try {
      const answer = await opening
      if (isRefusal(answer)) return
      if (answer.second !== undefined) devices.push(answer.second)
      for (const device of devices) await kind.ops.dellink(device)
    } catch {
      // who asked has been told of the time-out, and nothing of the device is left
    } finally {
      devices.forEach(release)
    }
  }

  /** Makes what is there from the start; once, when all that hears of links is ready. */
  const boot = (): void => {
    for (const kind of kinds.values())
      for (const ifname of kind.boot ?? []) {
        const ifindex = reserve(ifname, kind)
        const answer = open(ifindex, kind, { ifname, flags: 0, change: 0 })
        if (answer instanceof Promise)
          throw new Error(`${ifname}: a device of the start is made at once`)
        appear(ifindex, answer)
        follow.setUp(ifindex, true)
      }
  }
  return { create, boot }
}
