/**
 * RTM_*MULTICAST: what each device receives of multicast, read from the groups that CPU 0 writes (inet/mc/mc-groups.ts), from the
 * memberships behind them, and the link-layer addresses that were added by hand. Control thread only.
 * Linux: net/core/dev_addr_lists.c, /proc/net/{dev_mcast,igmp,igmp6,mcfilter}.
 */
import { Errno } from '../../base/errno.ts'
import { isV4Mapped } from '../../base/family.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import {
  MC_REPORT_TIMER,
  MC_TRIES,
  MCAST_INCLUDE,
  MCG_GROUP,
  MCG_IFINDEX,
  MCG_REPORT,
  MCG_REPORT_AT,
  MCG_SERIAL,
  MCG_USERS,
  MCG_VERSION,
  MCT_HIGH,
  MCT_SEQ,
} from '../../inet/mc/mc-constants.ts'
import { addrKey } from '../../inet/mc/mc-filter.ts'
import { readMembers } from '../../inet/mc/mc-read.ts'
import { ARPHRD_ETHER, DEV_TYPE, deviceRow } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { MC_GROUP_WORDS, MC_TABLE_HEAD } from '../../shm/layout.ts'
import { IPV4_MULTICAST_HI, IPV6_MULTICAST_HI, ipv4MulticastLo } from '../../wire/ethernet.ts'
import type { Mac, Words } from '../../wire/text.ts'
import type { Outcome, Refused } from '../rtnl/answers.ts'
import { changed, chunks, isRefused, refuse } from '../rtnl/answers.ts'
import type { Links } from '../links/links.ts'
import type { MaddrFilter, MaddrGroup, MaddrInfo, MaddrLink, MessageOf } from '../rtnetlink.ts'

type MaddrsDeps = { arena: Arena; time: Time } & Pick<Links, 'isDevice' | 'list'>

/** Link-layer addresses of a device that are added by hand. */
const MOST_STATIC = 256

export const createMaddrs = ({ arena, time, isDevice, list }: MaddrsDeps) => {
  const { i32, layout } = arena
  const { mcTable } = layout
  const rows = mcTable + MC_TABLE_HEAD
  const byHand = new Map<number, Mac[]>()

  const wordsAt = (at: number): Words => [i32[at], i32[at + 1], i32[at + 2], i32[at + 3]]
  type Found = MaddrGroup & { ifindex: number; serial: number }
  const readGroups = (): Found[] => {
    const found: Found[] = []
    for (let n = 0; n < i32[mcTable + MCT_HIGH]; n++) {
      const row = rows + n * MC_GROUP_WORDS
      const report = i32[row + MCG_REPORT]
      const left = (i32[row + MCG_REPORT_AT] - time[TIME_MS]) | 0
      if (i32[row + MCG_IFINDEX] === 0) continue
      found.push({
        ifindex: i32[row + MCG_IFINDEX],
        words: wordsAt(row + MCG_GROUP),
        users: i32[row + MCG_USERS],
        serial: i32[row + MCG_SERIAL],
        version: i32[row + MCG_VERSION],
        report,
        dueMs: (report & MC_REPORT_TIMER) === 0 ? 0 : Math.max(0, left),
        sources: [],
      })
    }
    return found
  }
  /** All groups as they stood between two changes, the oldest first. */
  const groups = (): Found[] => {
    for (let tries = MC_TRIES; ; tries--) {
      const seq = Atomics.load(i32, mcTable + MCT_SEQ)
      const found = readGroups()
      if (tries === 0 || ((seq & 1) === 0 && Atomics.load(i32, mcTable + MCT_SEQ) === seq))
        return found.sort((a, b) => a.serial - b.serial)
    }
  }
  /** How many members include a source, and how many exclude it; and how often one has joined. */
  const countMembers = (ifindex: number, group: MaddrGroup): void => {
    const counts = new Map<string, MaddrGroup['sources'][number]>()
    for (const { mode, sources, users } of readMembers(arena, { ifindex, words: group.words })) {
      group.users += users - 1
      for (const words of sources) {
        const key = addrKey(words)
        const count = counts.get(key) ?? { words, included: 0, excluded: 0 }
        if (mode === MCAST_INCLUDE) count.included++
        else count.excluded++
        counts.set(key, count)
      }
    }
    group.sources.push(...counts.values())
  }

  /** The Ethernet address of a group; none of one that does not leave the host (RFC 1112 6.4, 2464 section 7). */
  const macOf = (words: Words): Mac | null => {
    if (isV4Mapped(Int32Array.from(words), 0))
      return { hi: IPV4_MULTICAST_HI, lo: ipv4MulticastLo(words[3]) }
    return ((words[0] >>> 16) & 15) < 2 ? null : { hi: IPV6_MULTICAST_HI, lo: words[3] }
  }
  const isSameMac = (a: Mac, b: Mac): boolean => a.hi === b.hi && a.lo === b.lo
  const linksOf = (ifindex: number, of: readonly MaddrGroup[]): MaddrLink[] => {
    const links: MaddrLink[] = []
    const use = (mac: Mac, isStatic: boolean): void => {
      const known = links.find((link) => isSameMac(link.mac, mac))
      if (known === undefined) links.push({ mac, users: 1, isStatic })
      else {
        known.users++
        known.isStatic ||= isStatic
      }
    }
    if (i32[deviceRow(arena, ifindex) + DEV_TYPE] === ARPHRD_ETHER)
      for (const { words } of of) {
        const mac = macOf(words)
        if (mac !== null) use(mac, false)
      }
    for (const mac of byHand.get(ifindex) ?? []) use(mac, true)
    return links
  }
  function* items({ ifindex }: MaddrFilter): Generator<MaddrInfo> {
    const all = groups()
    for (const dev of list()) {
      if (ifindex !== undefined && dev !== ifindex) continue
      const own = all.filter((group) => group.ifindex === dev)
      for (const group of own) countMembers(dev, group)
      // the latest first, as the kernel has them
      yield { ifindex: dev, links: linksOf(dev, own), groups: own.toReversed() }
    }
  }
  const dump = (filter: MaddrFilter = {}): Iterable<MaddrInfo[]> => chunks(items(filter))

  // ---- by hand

  const check = (ifindex: number): Refused | null =>
    isDevice(ifindex) ? null : refuse(Errno.ENODEV, null, 'dev')
  const itemOf = (ifindex: number): MaddrInfo => {
    for (const item of items({ ifindex })) return item
    throw new Error(`maddrs: no device ${ifindex}`)
  }
  /** Adding what is there already is no error (dev_mc_add_global). */
  const newMaddr = ({ ifindex, mac }: MessageOf<'RTM_NEWMULTICAST'>): Outcome<MaddrInfo> => {
    const wrong = check(ifindex)
    if (isRefused(wrong)) return wrong
    const macs = byHand.get(ifindex) ?? []
    if (!macs.some((one) => isSameMac(one, mac))) {
      if (macs.length >= MOST_STATIC) return refuse(Errno.ENOMEM)
      byHand.set(ifindex, [...macs, mac])
    }
    return changed(itemOf(ifindex))
  }
  const delMaddr = ({ ifindex, mac }: MessageOf<'RTM_DELMULTICAST'>): Outcome<MaddrInfo> => {
    const wrong = check(ifindex)
    if (isRefused(wrong)) return wrong
    const macs = byHand.get(ifindex) ?? []
    const left = macs.filter((one) => !isSameMac(one, mac))
    if (left.length === macs.length) return refuse(Errno.ENOENT, null, 'link')
    byHand.set(ifindex, left)
    return changed(itemOf(ifindex))
  }
  /** A device is gone: so is what was added to it. */
  const deviceGone = (ifindex: number): void => void byHand.delete(ifindex)

  return { dump, newMaddr, delMaddr, deviceGone }
}
