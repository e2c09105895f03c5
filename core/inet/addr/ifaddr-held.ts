/**
 * The addresses that there are, in the order they came, each in a row of shared memory with its lifetimes. Control thread only; source.ts reads the
 * rows on the path. Linux: struct in_ifaddr, struct inet6_ifaddr.
 */
import type { Publisher } from '../../control/rtnl/publish.ts'
import type { Arena } from '../../shm/arena.ts'
import { IFADDR_WORDS } from '../../shm/layout.ts'
import type { Words } from '../../wire/text.ts'
import {
  FOREVER,
  IFA_ADDR,
  IFA_BROADCAST,
  IFA_CHANGES,
  IFA_F_DADFAILED,
  IFA_F_DEPRECATED,
  IFA_F_TENTATIVE,
  IFA_FAMILY,
  IFA_FLAGS,
  IFA_IFINDEX,
  IFA_PREFERRED_UNTIL,
  IFA_PREFIXLEN,
  IFA_SCOPE,
  IFA_SERIAL,
  IFA_TOP,
  IFA_VALID_UNTIL,
} from './ifaddr-constants.ts'

export type Ifaddr = {
  ifindex: number
  family: number
  words: Words
  prefixlen: number
  scope: number
  flags: number
  /** IPv4; 0 for none. */
  broadcast: number
  /** Seconds from now on, or FOREVER: then it goes, and then it is deprecated. */
  validLft: number
  preferredLft: number
  /** IPv4: where it is not the device's name. */
  label?: string
}
/** An address as it is asked for; without lifetimes it stays. */
export type NewIfaddr = Omit<Ifaddr, Lft> & Partial<Pick<Ifaddr, Lft>> & Origin
/** Made of a prefix, of which a router, or another address, says whether it is on the link. */
type Origin = {
  isAuto?: boolean
  /** Of a stable one: how many before it were another's. */
  taken?: number
}
type Lft = 'validLft' | 'preferredLft'
/** As it is kept: when its lifetimes end, in milliseconds of control's clock, and its row. */
export type Held = Omit<Ifaddr, Lft> &
  Origin & { validUntil: number; preferredUntil: number; index: number }
/** It has come, or has other lifetimes or flags; somebody has taken it away; it leaves, for whatever reason. */
export type HeldEvent = 'set' | 'removed' | 'left'
export type HeldDeps = {
  arena: Arena
  /** Milliseconds of control's clock. */
  nowMs: () => number
} & Pick<Publisher, 'retire'>
export type HeldAddrs = ReturnType<typeof createHeldAddrs>

export const sameAddr = (a: Pick<Held, 'words'>, words: Words): boolean =>
  a.words.every((word, k) => word === words[k])

export const createHeldAddrs = ({ arena, nowMs, retire }: HeldDeps) => {
  const { i32, layout } = arena
  const top = layout.ifaddrs + IFA_TOP
  i32[top] = 1
  const free = Array.from(
    { length: layout.config.ifaddrs - 1 },
    (_, k) => layout.config.ifaddrs - 1 - k
  )
  const held = new Set<Held>()
  let serial = 0
  /** When the next lifetime ends. */
  let nextEnd = Infinity

  const rowOf = (at: Held): number => layout.ifaddrs + at.index * IFADDR_WORDS
  const until = (seconds: number): number =>
    seconds >= FOREVER ? Infinity : nowMs() + seconds * 1000
  const secondsTo = (end: number): number =>
    end === Infinity ? FOREVER : Math.max(0, Math.ceil((end - nowMs()) / 1000))
  /** As it is at this moment. */
  const seen = ({ validUntil, preferredUntil, ...held }: Held): Ifaddr => {
    const { index: _, isAuto: __, taken: ___, ...at } = held
    return {
      ...at,
      validLft: secondsTo(validUntil),
      preferredLft: secondsTo(preferredUntil),
    }
  }
  const list = (): Held[] => [...held]

  const touch = (): void => {
    i32[layout.ifaddrs + IFA_CHANGES]++
  }
  const setFlags = (at: Held, flags: number): void => {
    at.flags = flags
    i32[rowOf(at) + IFA_FLAGS] = flags
    touch()
  }
  const wordOf = (end: number): number => (end === Infinity ? -1 : Math.ceil(end / 1000) | 0)
  const setLifetimes = (at: Held, validLft: number, preferredLft: number): void => {
    at.validUntil = until(validLft)
    at.preferredUntil = until(preferredLft)
    nextEnd = Math.min(nextEnd, at.validUntil, at.preferredUntil)
    const row = rowOf(at)
    i32[row + IFA_VALID_UNTIL] = wordOf(at.validUntil)
    i32[row + IFA_PREFERRED_UNTIL] = wordOf(at.preferredUntil)
  }
  const hasRoom = (): boolean => free.length !== 0
  /** Gives it a row; there must be room. */
  const enter = (at: Held, validLft: number, preferredLft: number): void => {
    at.index = free.pop()!
    setLifetimes(at, validLft, preferredLft)
    const row = rowOf(at)
    i32[row + IFA_FAMILY] = at.family
    i32.set(at.words, row + IFA_ADDR)
    i32[row + IFA_PREFIXLEN] = at.prefixlen
    i32[row + IFA_SCOPE] = at.scope
    i32[row + IFA_FLAGS] = at.flags
    i32[row + IFA_BROADCAST] = at.broadcast
    i32[row + IFA_SERIAL] = ++serial
    if (at.index >= i32[top]) i32[top] = at.index + 1
    Atomics.store(i32, row + IFA_IFINDEX, at.ifindex)
    touch()
    held.add(at)
  }
  const leave = (at: Held): void => {
    held.delete(at)
    Atomics.store(i32, rowOf(at) + IFA_IFINDEX, 0)
    touch()
    retire(() => {
      free.push(at.index)
    })
  }

  /** From now on it is another one for who tries it: what was found out so far is not about it. */
  const renumber = (at: Held): void => {
    i32[rowOf(at) + IFA_SERIAL] = ++serial
  }
  /** The address that lies in a row and is being tried still. */
  const triedAt = (row: number, tried: number): Held | undefined => {
    const index = (row - layout.ifaddrs) / IFADDR_WORDS
    if (i32[row + IFA_SERIAL] !== tried) return undefined
    return list().find(
      (at) =>
        at.index === index && (at.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === IFA_F_TENTATIVE
    )
  }

  /** Ends those that have outlived their lifetimes, and tells of those that are deprecated now (addrconf_verify, check_lifetime). */
  const expire = (end: (at: Held) => void, deprecated: (at: Held) => void): void => {
    const now = nowMs()
    if (now < nextEnd) return
    nextEnd = Infinity
    for (const at of list()) {
      if (!held.has(at)) continue
      if (at.validUntil <= now) {
        end(at)
        continue
      }
      if (at.preferredUntil > now) nextEnd = Math.min(nextEnd, at.preferredUntil)
      else if ((at.flags & IFA_F_DEPRECATED) === 0) {
        setFlags(at, at.flags | IFA_F_DEPRECATED)
        deprecated(at)
      }
      nextEnd = Math.min(nextEnd, at.validUntil)
    }
  }

  return {
    list,
    seen,
    secondsTo,
    setFlags,
    setLifetimes,
    hasRoom,
    enter,
    leave,
    renumber,
    triedAt,
    expire,
  }
}
