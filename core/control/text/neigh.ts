/**
 * Neighbours between words and numbers, as `ip neigh` reads and prints them (ip/ipneigh.c).
 */
import { Errno } from '../../base/errno.ts'
import {
  NTF_PROXY,
  NTF_ROUTER,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../neigh/neigh-constants.ts'
import { formatMac, formatWords, parseAddr, parseMac } from '../../wire/text.ts'
import type * as numbers from '../rtnetlink.ts'
import type { NeighFilter, NeighItem, NeighName, NeighSpec, NudState, Refused } from './messages.ts'
import type { DeviceNames } from './names.ts'
import { badPrefix, familyNumber, noSuchDevice, refuseAs, isRefused } from './names.ts'

const STATES: Record<NudState, number> = {
  INCOMPLETE: NUD_INCOMPLETE,
  REACHABLE: NUD_REACHABLE,
  STALE: NUD_STALE,
  DELAY: NUD_DELAY,
  PROBE: NUD_PROBE,
  FAILED: NUD_FAILED,
  NOARP: NUD_NOARP,
  PERMANENT: NUD_PERMANENT,
  NONE: NUD_NONE,
}
/** By NUD_*. */
export const NUD_NAMES = new Map(
  Object.entries(STATES).map(([name, state]) => [state, name as NudState])
)

export const readNeighKey = (
  { dev, dst, proxy }: NeighName,
  names: DeviceNames
): numbers.EitherNeighKey | Refused => {
  const ifindex = names.ifindexOf(dev)
  if (ifindex === 0) return noSuchDevice(dev)
  const addr = parseAddr(dst)
  return addr === null ? badPrefix(dst, 'dst') : { ifindex, words: addr.words, isProxy: proxy }
}

export const readNeigh = (neigh: NeighSpec, names: DeviceNames): numbers.NeighChange | Refused => {
  const key = readNeighKey(neigh, names)
  if (isRefused(key)) return key
  const lladdr = neigh.lladdr === undefined ? null : parseMac(neigh.lladdr)
  if (neigh.lladdr !== undefined && lladdr === null)
    return refuseAs(Errno.EINVAL, `"${neigh.lladdr}" is invalid lladdr.`, 'lladdr')
  const state = STATES[(neigh.state ?? 'PERMANENT').toUpperCase() as NudState]
  if (state === undefined)
    return refuseAs(Errno.EINVAL, 'Error: argument is wrong: nud state is bad', 'state')
  const has = (flag: string): boolean => neigh.flags?.includes(flag) ?? false
  const flags = (has('router') ? NTF_ROUTER : 0) | (has('proxy') ? NTF_PROXY : 0)
  return { ...key, lladdr, state, flags }
}

export const readNeighFilter = (
  { family, dev, dst, state, proxy }: NeighFilter,
  names: DeviceNames
): numbers.NeighFilter | Refused => {
  const read: numbers.NeighFilter = { ...(proxy && { isProxy: true }) }
  if (family !== undefined) read.family = familyNumber(family)
  if (dev !== undefined) {
    read.ifindex = names.ifindexOf(dev)
    if (read.ifindex === 0) return noSuchDevice(dev)
  }
  if (dst !== undefined) {
    const addr = parseAddr(dst)
    if (addr === null) return badPrefix(dst, 'dst')
    read.words = addr.words
  }
  if (state !== undefined) read.states = state.reduce((bits, name) => bits | STATES[name], 0)
  return read
}

export const writeNeigh = (neigh: numbers.NeighInfo, names: DeviceNames): NeighItem => {
  const { ifindex, words, lladdr, state, flags, used, confirmed, updated, probes } = neigh
  return {
    dst: formatWords(...words),
    dev: names.nameOf(ifindex),
    ...(lladdr && { lladdr: formatMac(lladdr.hi, lladdr.lo) }),
    ...((flags & NTF_ROUTER) !== 0 && { router: true }),
    ...((flags & NTF_PROXY) !== 0 && { proxy: true }),
    used,
    confirmed,
    updated,
    probes,
    state: (flags & NTF_PROXY) !== 0 ? [] : [NUD_NAMES.get(state) ?? 'NONE'],
  }
}
