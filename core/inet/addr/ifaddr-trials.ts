/**
 * Which addresses are tried first, since another may have them: CPU 0 asks (dad.ts), ifaddr-verdicts.ts hears what came of it. Control
 * thread only. Linux: addrconf_dad_begin(), ipv6_allow_optimistic_dad() (net/ipv6/addrconf.c).
 */
import { IFF_LOOPBACK, IFF_NOARP } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf4, Conf6, confRow } from '../../shm/devconf.ts'
import { byFamily } from '../af-ops.ts'
import {
  IFA_F_DADFAILED,
  IFA_F_NODAD,
  IFA_F_OPTIMISTIC,
  IFA_F_TENTATIVE,
} from './ifaddr-constants.ts'
import type { Held, HeldAddrs, NewIfaddr } from './ifaddr-held.ts'
import type { IfaddrRoutes } from './ifaddr-routes.ts'

type IfaddrTrialsDeps = {
  arena: Arena
  onChanged: (at: Held) => void
} & Pick<HeldAddrs, 'setFlags' | 'renumber'> &
  Pick<IfaddrRoutes, 'has' | 'change'>
export type IfaddrTrials = ReturnType<typeof createIfaddrTrials>

export const createIfaddrTrials = (deps: IfaddrTrialsDeps) => {
  const { arena, onChanged, setFlags, renumber, has, change } = deps
  const { i32 } = arena

  const confOf = (ifindex: number, word: number): number => i32[confRow(arena, ifindex) + word]
  const either = (ifindex: number, word: number): boolean =>
    confOf(ifindex, word) > 0 || confOf(CONF_ALL, word) > 0
  /** Does the device have others on its link who could have the address? */
  const hasOthers = (ifindex: number): boolean =>
    !has(ifindex, IFF_LOOPBACK) && !has(ifindex, IFF_NOARP)
  /** Is an IPv4 address of this device tried first (RFC 5227 section 2.1)? */
  const isTried4 = ({ ifindex, flags }: Pick<Held, 'ifindex' | 'flags'>): boolean =>
    (flags & IFA_F_NODAD) === 0 && hasOthers(ifindex) && either(ifindex, Conf4.dad_transmits)
  /** A router has to be sure (ipv6_allow_optimistic_dad). */
  const mayBeOptimistic = (ifindex: number): boolean =>
    either(ifindex, Conf6.optimistic_dad) && confOf(ifindex, Conf6.forwarding) === 0
  const firstFlags6 = ({ ifindex, flags }: Pick<Held, 'ifindex' | 'flags'>): number => {
    const isTried =
      (flags & IFA_F_NODAD) === 0 && hasOthers(ifindex) && either(ifindex, Conf6.accept_dad)
    const optimistic = mayBeOptimistic(ifindex) ? flags & IFA_F_OPTIMISTIC : 0
    return isTried ? IFA_F_TENTATIVE | optimistic : 0
  }
  /** Flags that an address begins with: is it tried first (RFC 4862 section 5.4), and used meanwhile? */
  const firstFlags = byFamily<(spec: NewIfaddr) => number>(
    (spec) => (isTried4(spec) ? IFA_F_TENTATIVE : 0),
    firstFlags6
  )
  /** Who comes to a link does not know who is there: the address may be another's by now (RFC 5227 section 2.1). */
  const tryAgain = (at: Held): void => {
    change(at, () => {
      renumber(at)
      setFlags(at, (at.flags & ~IFA_F_DADFAILED) | IFA_F_TENTATIVE)
    })
    onChanged(at)
  }
  /** An IPv6 address stays with a device that goes down, and is tried when that is up again (addrconf_ifdown). */
  const keepDown = (at: Held): void => {
    renumber(at)
    setFlags(at, (at.flags & ~IFA_F_DADFAILED) | firstFlags6(at))
  }
  return { firstFlags, isTried4, tryAgain, keepDown }
}
