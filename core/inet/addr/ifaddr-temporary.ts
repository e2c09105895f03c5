/**
 * Temporary addresses, so that nobody can follow a host by its addresses: beside each whose network may have them
 * (IFA_F_MANAGETEMPADDR) stands one of a random interface identifier, and another takes its place before it is deprecated.
 * ifaddr-table.ts and ifaddr-verdicts.ts say what becomes of addresses. Control thread only.
 * RFC 8981; Linux: manage_tempaddrs(), ipv6_create_tempaddr(), delete_tempaddrs(), ipv6_gen_rnd_iid() (net/ipv6/addrconf.c).
 */
import { AF_INET6 } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import type { Arena } from '../../shm/arena.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'
import type { Words } from '../../wire/text.ts'
import {
  IFA_F_DEPRECATED,
  IFA_F_MANAGETEMPADDR,
  IFA_F_OPTIMISTIC,
  IFA_F_TEMPORARY,
  IFA_F_TENTATIVE,
} from './ifaddr-constants.ts'
import type { Held, HeldAddrs, HeldEvent } from './ifaddr-held.ts'
import type { IfaddrTable } from './ifaddr-table.ts'
import { isReservedId } from './stable-id.ts'

type TemporaryDeps = {
  arena: Arena
  nowMs: () => number
  random: () => number
  onChanged: (at: Held) => void
} & Pick<IfaddrTable, 'enter' | 'drop'> &
  Pick<HeldAddrs, 'list' | 'secondsTo' | 'setFlags' | 'setLifetimes'>
export type TemporaryAddrs = ReturnType<typeof createTemporaryAddrs>

type Temporary = { of: Held; sinceMs: number; isReplaced: boolean }

const LEAST_RETRANS_MS = 10

export const createTemporaryAddrs = (deps: TemporaryDeps) => {
  const { arena, nowMs, random, onChanged, enter, drop } = deps
  const { list, secondsTo, setFlags, setLifetimes } = deps
  const { i32 } = arena
  const made = new Map<Held, Temporary>()
  /** How many have been tried for an address since one was good (TEMP_IDGEN_RETRIES). */
  const tries = new WeakMap<Held, number>()
  /** Seconds by which the devices' addresses age earlier, so that hosts do not all change at once (DESYNC_FACTOR). */
  const desyncs = new Map<number, number>()

  const conf = (ifindex: number, word: number): number => i32[confRow(arena, ifindex) + word]
  /** Seconds that the next one needs until it is ours (REGEN_ADVANCE). */
  const regenAdvance = (ifindex: number): number => {
    const probeMs = Math.max(LEAST_RETRANS_MS, conf(ifindex, Conf6.retrans_time_ms))
    const probes = conf(ifindex, Conf6.regen_max_retry) * conf(ifindex, Conf6.dad_transmits)
    return conf(ifindex, Conf6.regen_min_advance) + Math.floor((probes * probeMs) / 1000)
  }
  const mostPreferred = (ifindex: number): number => {
    const most = conf(ifindex, Conf6.temp_prefered_lft)
    const bound = Math.min(conf(ifindex, Conf6.max_desync_factor), most - regenAdvance(ifindex))
    const drawn = desyncs.get(ifindex)
    if (drawn !== undefined && drawn <= bound) return most - drawn
    const desync = bound > 0 ? (random() >>> 0) % bound : 0
    desyncs.set(ifindex, desync)
    return most - desync
  }

  /** Makes one for an address, unless it would hardly live (RFC 8981 section 3.4): is there one now? */
  const create = (of: Held): boolean => {
    const { ifindex } = of
    if (conf(ifindex, Conf6.use_tempaddr) <= 0 || !list().includes(of)) return false
    const validLft = Math.min(secondsTo(of.validUntil), conf(ifindex, Conf6.temp_valid_lft))
    const left = Math.min(secondsTo(of.preferredUntil), validLft)
    const least = regenAdvance(ifindex) + 1
    if (least > left) return false
    const preferredLft = Math.max(least, Math.min(left, mostPreferred(ifindex)))
    const tried = tries.get(of) ?? 0
    if (tried >= conf(ifindex, Conf6.regen_max_retry)) {
      i32[confRow(arena, ifindex) + Conf6.use_tempaddr] = -1
      return false
    }
    tries.set(of, tried + 1)
    const at = draw(of, validLft, preferredLft)
    if (typeof at === 'number') return at === -Errno.EEXIST && create(of)
    made.set(at, { of, sinceMs: nowMs(), isReplaced: false })
    return true
  }
  const draw = (of: Held, validLft: number, preferredLft: number): Held | number => {
    const [hi, lo] = [random() | 0, random() | 0]
    if (isReservedId(hi, lo)) return -Errno.EEXIST
    const { ifindex, family, prefixlen, scope, broadcast } = of
    const words: Words = [of.words[0], of.words[1], hi, lo]
    const flags = IFA_F_TEMPORARY | (of.flags & IFA_F_OPTIMISTIC)
    const spec = { ifindex, family, words, prefixlen, scope, broadcast, flags }
    return enter({ ...spec, validLft, preferredLft, isAuto: true })
  }

  /** They live as long as the address does, and no longer than they may (RFC 8981 section 3.4). */
  const renew = (of: Held): void => {
    const { ifindex } = of
    const mostValid = conf(ifindex, Conf6.temp_valid_lft)
    for (const [at, { sinceMs }] of madeOf(of)) {
      const age = Math.floor((nowMs() - sinceMs) / 1000)
      const validLft = Math.max(0, Math.min(secondsTo(of.validUntil), mostValid - age))
      const left = Math.max(0, Math.min(secondsTo(of.preferredUntil), mostPreferred(ifindex) - age))
      const preferredLft = Math.min(left, validLft)
      setLifetimes(at, validLft, preferredLft)
      if (preferredLft > 0) setFlags(at, at.flags & ~IFA_F_DEPRECATED)
      if ((at.flags & IFA_F_TENTATIVE) === 0) onChanged(at)
    }
  }
  const madeOf = (of: Held): [Held, Temporary][] => [...made].filter(([, one]) => one.of === of)
  /**
   * An address is there, or has other lifetimes now. Where Linux makes one only if the device has none at all, each network gets
   * its own (RFC 8981 section 3.4: "for such prefix").
   */
  const manage = (of: Held): void => {
    renew(of)
    if (!madeOf(of).some(([at]) => at.preferredUntil > nowMs())) create(of)
  }
  const follow = (event: HeldEvent, at: Held): void => {
    if (event === 'left') made.delete(at)
    else if (at.family !== AF_INET6) return
    else if (event === 'set' && (at.flags & IFA_F_MANAGETEMPADDR) !== 0) manage(at)
    // with it those go that were made for it, and when it may have none any more
    else for (const [other] of madeOf(at)) drop(other)
  }
  /** Those that are deprecated soon have successors (addrconf_verify_rtnl). */
  const replace = (): void => {
    const isNear = ({ ifindex, flags, preferredUntil }: Held): boolean =>
      (flags & (IFA_F_TENTATIVE | IFA_F_DEPRECATED)) === 0 &&
      preferredUntil - nowMs() <= regenAdvance(ifindex) * 1000
    for (const [at, one] of [...made]) {
      if (one.isReplaced || !isNear(at)) continue
      tries.delete(one.of)
      one.isReplaced = create(one.of)
    }
  }
  /** Another has it: it goes, and one more is tried. False: it is not a temporary one (addrconf_dad_stop). */
  const failed = (at: Held): boolean => {
    const one = made.get(at)
    if (one === undefined) return false
    create(one.of)
    drop(at)
    return true
  }

  return { follow, replace, failed }
}
