/**
 * What CPU 0 has found out by trying an address (dad.ts): it is ours, or another's. Control thread only.
 * Linux: addrconf_dad_completed(), addrconf_dad_failure() (net/ipv6/addrconf.c).
 */
import { AF_INET6 } from '../../base/family.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf6, confRow } from '../../shm/devconf.ts'
import type { Words } from '../../wire/text.ts'
import { linkLocalOf } from './eui64.ts'
import {
  IFA_F_DADFAILED,
  IFA_F_MANAGETEMPADDR,
  IFA_F_OPTIMISTIC,
  IFA_F_PERMANENT,
  IFA_F_STABLE_PRIVACY,
  IFA_F_TENTATIVE,
} from './ifaddr-constants.ts'
import type { IfaddrDevices } from './ifaddr-devices.ts'
import type { Held, HeldAddrs } from './ifaddr-held.ts'
import type { IfaddrRoutes } from './ifaddr-routes.ts'
import type { IfaddrTable } from './ifaddr-table.ts'
import type { TemporaryAddrs } from './ifaddr-temporary.ts'
import { stableIdOf } from './stable-id.ts'

type IfaddrVerdictsDeps = {
  arena: Arena
  onChanged: (at: Held) => void
} & Pick<HeldAddrs, 'seen' | 'setFlags' | 'triedAt'> &
  Pick<IfaddrRoutes, 'change' | 'followAnycast'> &
  Pick<IfaddrDevices, 'switched6'> &
  Pick<IfaddrTable, 'enter' | 'drop'> &
  Pick<TemporaryAddrs, 'failed'>

export const createIfaddrVerdicts = (deps: IfaddrVerdictsDeps) => {
  const { arena, onChanged, seen, setFlags, triedAt, change, enter, drop } = deps
  const { followAnycast, switched6, failed } = deps
  const { i32 } = arena
  const confOf = (ifindex: number, word: number): number => i32[confRow(arena, ifindex) + word]

  /** Nobody else has it: now it is ours. */
  const dadCompleted = (row: number, tried: number): void => {
    const at = triedAt(row, tried)
    if (at === undefined) return
    change(at, () => {
      setFlags(at, at.flags & ~(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC))
      onChanged(at)
    })
    followAnycast()
  }
  /**
   * Somebody else has it: it stays, for all to see, and is nobody's address; of IPv6 one that would end anyway goes, and a router
   * may name it again (addrconf_dad_stop).
   */
  const dadFailed = (row: number, tried: number): void => {
    const at = triedAt(row, tried)
    if (at === undefined || failed(at)) return
    change(at, () => setFlags(at, (at.flags & ~IFA_F_OPTIMISTIC) | IFA_F_DADFAILED))
    if ((at.flags & IFA_F_STABLE_PRIVACY) !== 0) enterNext(at)
    if (at.family === AF_INET6 && (at.flags & IFA_F_PERMANENT) === 0) return drop(at)
    onChanged(at)
    // who answers to the address of our own MAC is our double (RFC 4862 section 5.4.5)
    const { ifindex } = at
    const isOfMac = linkLocalOf(arena, ifindex).every((word, k) => word === at.words[k])
    const strictness = Math.max(
      confOf(ifindex, Conf6.accept_dad),
      confOf(CONF_ALL, Conf6.accept_dad)
    )
    if (!isOfMac || strictness < 2) return
    i32[confRow(arena, ifindex) + Conf6.disable_ipv6] = 1
    switched6(ifindex)
  }
  /** The next of the addresses that a secret makes is tried, so many times (RFC 7217 section 6). */
  const enterNext = (at: Held): void => {
    const taken = (at.taken ?? 0) + 1
    const id = stableIdOf(arena, at.ifindex, at.words, taken)
    if (id === null) return
    const flags = at.flags & (IFA_F_STABLE_PRIVACY | IFA_F_MANAGETEMPADDR)
    const words: Words = [at.words[0], at.words[1], ...id]
    enter({ ...seen(at), words, flags, isAuto: at.isAuto === true, taken })
  }
  return { dadCompleted, dadFailed }
}
