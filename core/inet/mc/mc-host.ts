/**
 * The host's side of IGMP and MLD, one for each family: says on each link what has changed of its groups, answers
 * queries, and speaks the version that the oldest querier of the link knows. CPU 0, by one timer for all links.
 * Linux: igmp_group_added(), igmp_heard_query(), igmpv3_send_cr() (net/ipv4/igmp.c), net/ipv6/mcast.c.
 * RFC 3376 section 5 and 7.2, RFC 3810 section 6 and 8.2; versions count as IGMP's do.
 */
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import { DEV_FLAGS, deviceRow, IFF_LOOPBACK } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Conf4, Conf6, confRow } from '../../shm/devconf.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import type { Words } from '../../wire/text.ts'
import { byFamily } from '../af-ops.ts'
import {
  MC_REPORT_LAST,
  MC_REPORT_TIMER,
  MCAST_EXCLUDE,
  MCG_REPORT,
  MCG_REPORT_AT,
  MCG_VERSION,
} from './mc-constants.ts'
import { createMcTable } from './mc-table.ts'
import { createForcedVersion } from './mc-version.ts'
import {
  addrKey,
  both,
  isSameFilter,
  type McFilter,
  minus,
  NOTHING,
  type Sources,
  sourcesOf,
  takesSource,
  union,
} from './mc-filter.ts'
import {
  ALLOW_NEW_SOURCES,
  BLOCK_OLD_SOURCES,
  CHANGE_TO_EXCLUDE,
  CHANGE_TO_INCLUDE,
  type McQuery,
  type McRecord,
  type McWire,
  MODE_IS_EXCLUDE,
  MODE_IS_INCLUDE,
} from './mc-records.ts'

type McHostDeps = {
  arena: Arena
  family: number
  time: Time
  wheel: TimerWheel
  /** TIMER_WORDS free words. */
  timer: number
  random: () => number
  wire: Pick<McWire, 'sendReport' | 'sendOldReport' | 'sendLeave'>
  /** The groups of a device, of this family (mc-groups.ts). */
  groupsOf: (ifindex: number) => { words: Words; filter: McFilter }[]
}
export type McHost = ReturnType<typeof createMcHost>

type HostGroup = {
  readonly words: Words
  filter: McFilter
  /** What is yet to be told: how often the mode, and how often each source. */
  modeLeft: number
  readonly changed: Map<string, { words: Words; left: number }>
  /** When it is reported, and of which sources (null: all); null when it is not. */
  reportAt: number | null
  asked: Sources | null
  /** Older versions: reports that nobody asked for, and whether the last one heard was ours. */
  unsolicited: number
  isReporter: boolean
}
type HostLink = {
  readonly ifindex: number
  readonly groups: Map<string, HostGroup>
  qrv: number
  qiMs: number
  qriMs: number
  /** Until when there is a querier of version 1, of version 2. */
  v1Until: number | null
  v2Until: number | null
  generalAt: number | null
  changeAt: number | null
}

const DEFAULT_QI_MS = 125_000
const DEFAULT_QRI_MS = 10_000
/** Sources of a query that are remembered; who asks for more hears of all. */
const MOST_ASKED = 64
/** Changes of one moment make one report. */
const AT_ONCE_MS = 1

const isLinkLocal4 = (words: Words): boolean => words[3] >>> 8 === 0xe00000
/** Of which groups a family speaks, and where its settings are. */
const FAMILY = byFamily(
  {
    isReported: (words: Words, linkLocals: boolean): boolean =>
      words[3] !== (0xe0000001 | 0) && (linkLocals || !isLinkLocal4(words)),
    qrv: Sysctl.igmp_qrv,
    linkLocals: Sysctl.igmp_link_local_mcast_reports,
    intervals: [Conf4.igmpv2_unsolicited_report_interval, Conf4.igmpv3_unsolicited_report_interval],
  },
  {
    isReported: (words: Words): boolean =>
      ((words[0] >>> 16) & 15) > 1 &&
      !(words[0] === (0xff020000 | 0) && words[1] === 0 && words[2] === 0 && words[3] === 1),
    qrv: Sysctl.mld_qrv,
    linkLocals: Sysctl.igmp_link_local_mcast_reports,
    intervals: [Conf6.mldv1_unsolicited_report_interval, Conf6.mldv2_unsolicited_report_interval],
  }
)

export const createMcHost = (deps: McHostDeps) => {
  const { arena, family, time, wheel, timer, random, wire, groupsOf } = deps
  const { i32, layout } = arena
  const own = FAMILY(family)
  const forcedVersion = createForcedVersion(deps)
  const { find } = createMcTable(arena)
  const key = new Int32Array(4)
  const links = new Map<number, HostLink>()
  const conf = (ifindex: number, word: number): number => i32[confRow(arena, ifindex) + word]
  const sysctl = (at: number): number => i32[layout.sysctl + at]
  const now = (): number => time[TIME_MS]
  const isBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0
  const isDue = (at: number | null): boolean => at !== null && !isBefore(now(), at)
  /** 1 .. ms from now. */
  const within = (ms: number): number => (now() + 1 + ((random() >>> 0) % Math.max(1, ms))) | 0
  const sooner = (at: number | null, other: number): number =>
    at !== null && isBefore(at, other) ? at : other
  const isReported = (words: Words): boolean => own.isReported(words, sysctl(own.linkLocals) !== 0)

  // ---- the version that is spoken

  const versionOf = (link: HostLink): number => {
    const forced = forcedVersion(link.ifindex)
    if (forced !== 0) return forced
    if (link.v1Until !== null && isBefore(now(), link.v1Until)) return 1
    return link.v2Until !== null && isBefore(now(), link.v2Until) ? 2 : 3
  }
  const unsolicitedMs = (link: HostLink): number =>
    conf(link.ifindex, own.intervals[versionOf(link) === 3 ? 1 : 0])
  /** An older querier is there: what it would not understand is not said any more. */
  const forgetChanges = (link: HostLink): void => {
    link.changeAt = null
    link.generalAt = null
    for (const [key, group] of link.groups) {
      group.modeLeft = 0
      group.changed.clear()
      if (isSameFilter(group.filter, NOTHING)) link.groups.delete(key)
    }
  }

  // ---- what has changed here

  const groupOf = (link: HostLink, words: Words): HostGroup => {
    const key = addrKey(words)
    let group = link.groups.get(key)
    if (group === undefined) {
      group = {
        words,
        filter: NOTHING,
        modeLeft: 0,
        changed: new Map(),
        reportAt: null,
        asked: null,
        unsolicited: 0,
        isReporter: false,
      }
      link.groups.set(key, group)
    }
    return group
  }
  /** RFC 3376 section 5.1: a new mode is told with all its sources, else those that have come and gone are. */
  const noteChange = (link: HostLink, group: HostGroup, before: McFilter): void => {
    const { filter, changed } = group
    if (before.mode !== filter.mode) {
      group.modeLeft = link.qrv
      changed.clear()
    } else {
      const differing = union(
        minus(before.sources, filter.sources),
        minus(filter.sources, before.sources)
      )
      for (const [key, words] of differing) changed.set(key, { words, left: link.qrv })
    }
    link.changeAt = sooner(link.changeAt, (now() + AT_ONCE_MS) | 0)
  }
  /** The older versions know of joining and leaving alone. */
  const noteOldChange = (link: HostLink, group: HostGroup, before: McFilter): void => {
    const had = !isSameFilter(before, NOTHING)
    const has = !isSameFilter(group.filter, NOTHING)
    if (has && !had) {
      group.unsolicited = link.qrv
      group.reportAt = (now() + AT_ONCE_MS) | 0
      group.asked = null
    }
    if (has || !had) return
    if (versionOf(link) === 2 && group.isReporter) wire.sendLeave(link.ifindex, group.words)
    link.groups.delete(addrKey(group.words))
  }
  /** What a device receives of a group was `before` and is `after`. */
  const onChange = (ifindex: number, words: Words, before: McFilter, after: McFilter): void => {
    const link = links.get(ifindex)
    if (link === undefined || !isReported(words)) return
    const group = groupOf(link, words)
    group.filter = after
    if (versionOf(link) === 3) noteChange(link, group, before)
    else noteOldChange(link, group, before)
    soon()
  }
  /** A device has come up, or is down or gone: what is told of its groups begins or ends. */
  const onDevice = (ifindex: number, isUp: boolean): void => {
    links.delete(ifindex)
    const isLoopback = (i32[deviceRow(arena, ifindex) + DEV_FLAGS] & IFF_LOOPBACK) !== 0
    if (isUp && !isLoopback) {
      links.set(ifindex, {
        ifindex,
        groups: new Map(),
        qrv: sysctl(own.qrv),
        qiMs: DEFAULT_QI_MS,
        qriMs: DEFAULT_QRI_MS,
        v1Until: null,
        v2Until: null,
        generalAt: null,
        changeAt: null,
      })
      for (const { words, filter } of groupsOf(ifindex)) onChange(ifindex, words, NOTHING, filter)
    }
    soon()
  }

  /** All groups of the device are told as if they were new: who told of them before was nobody. */
  const sayAgain = (ifindex: number): void => {
    const link = links.get(ifindex)
    if (link === undefined) return
    for (const group of link.groups.values()) {
      if (isSameFilter(group.filter, NOTHING)) continue
      if (versionOf(link) === 3) noteChange(link, group, NOTHING)
      else noteOldChange(link, group, NOTHING)
    }
    soon()
  }

  // ---- what others say

  /** The querier's own values, where it tells them (RFC 3376 section 4.1.6 and 4.1.7). */
  const adopt = (link: HostLink, { qrv, qqi }: McQuery): void => {
    link.qrv = qrv !== 0 ? qrv : sysctl(own.qrv)
    link.qiMs = qqi !== 0 ? qqi * 1000 : DEFAULT_QI_MS
    if (link.qriMs >= link.qiMs) link.qriMs = Math.max(0, link.qiMs - 1000)
  }
  /** RFC 3376 section 7.2.1. */
  const noteVersion = (link: HostLink, version: number): void => {
    if (version === 3) return
    const until = (now() + link.qrv * link.qiMs + link.qriMs) | 0
    if (version === 1) link.v1Until = until
    else link.v2Until = until
    forgetChanges(link)
  }
  /** A query came in on the device. */
  const heardQuery = (ifindex: number, query: McQuery): void => {
    const link = links.get(ifindex)
    if (link === undefined) return
    noteVersion(link, query.version)
    const version = versionOf(link)
    if (version !== 3) answerOld(link, version, query)
    else {
      adopt(link, query)
      answer(link, query)
    }
    soon()
  }
  const answerOld = (link: HostLink, version: number, query: McQuery): void => {
    const { group: asked, maxRespMs } = query
    for (const group of link.groups.values()) {
      // what asks a host of version 1 asks it of everything
      const isMeant = version === 1 || asked === null || addrKey(asked) === addrKey(group.words)
      if (!isMeant || isSameFilter(group.filter, NOTHING)) continue
      group.asked = null
      group.reportAt = sooner(group.reportAt, within(version === 1 ? DEFAULT_QRI_MS : maxRespMs))
    }
  }
  /** RFC 3376 section 5.2. */
  const answer = (link: HostLink, { group: words, sources, maxRespMs }: McQuery): void => {
    const at = within(maxRespMs)
    if (link.generalAt !== null && isBefore(link.generalAt, at)) return
    if (words === null) {
      if (sources.length === 0) link.generalAt = at
      return
    }
    const group = link.groups.get(addrKey(words))
    if (group === undefined || isSameFilter(group.filter, NOTHING)) return
    const wanted = sources.length === 0 || sources.length > MOST_ASKED ? null : sourcesOf(sources)
    if (group.reportAt === null) group.asked = wanted
    else if (wanted === null || group.asked === null) group.asked = null
    else {
      const together = union(group.asked, wanted)
      group.asked = together.size > MOST_ASKED ? null : together
    }
    group.reportAt = sooner(group.reportAt, at)
  }
  /** Another host has reported the group in an older version: ours need not. */
  const heardReport = (ifindex: number, words: Words): void => {
    const link = links.get(ifindex)
    const group = link?.groups.get(addrKey(words))
    if (link === undefined || group === undefined || versionOf(link) === 3) return
    group.reportAt = null
    group.unsolicited = 0
    group.isReporter = false
    soon()
  }

  // ---- what is said

  const stateRecord = ({ words, filter }: HostGroup): McRecord => ({
    type: filter.mode === MCAST_EXCLUDE ? MODE_IS_EXCLUDE : MODE_IS_INCLUDE,
    group: words,
    sources: [...filter.sources.values()],
  })
  /** Of the sources asked for, those that are wanted. */
  const askedRecord = (group: HostGroup, asked: Sources): McRecord | null => {
    const { mode, sources } = group.filter
    const wanted = mode === MCAST_EXCLUDE ? minus(asked, sources) : both(asked, sources)
    if (wanted.size === 0) return null
    return { type: MODE_IS_INCLUDE, group: group.words, sources: [...wanted.values()] }
  }
  const sayAll = (link: HostLink): void => {
    link.generalAt = null
    const records = [...link.groups.values()]
      .filter(({ filter }) => !isSameFilter(filter, NOTHING))
      .map(stateRecord)
    if (records.length > 0) wire.sendReport(link.ifindex, records)
  }
  const sayGroup = (link: HostLink, group: HostGroup): void => {
    const { asked } = group
    const version = versionOf(link)
    group.reportAt = null
    group.asked = null
    if (isSameFilter(group.filter, NOTHING)) return
    if (version === 3) {
      const record = asked === null ? stateRecord(group) : askedRecord(group, asked)
      if (record !== null) wire.sendReport(link.ifindex, [record])
      return
    }
    wire.sendOldReport(link.ifindex, version, group.words)
    group.isReporter = true
    if (group.unsolicited > 0 && --group.unsolicited > 0)
      group.reportAt = within(unsolicitedMs(link))
  }
  /** One telling of what has changed of a group. */
  const changeRecords = (group: HostGroup): McRecord[] => {
    const { words, filter, changed } = group
    if (group.modeLeft > 0) {
      group.modeLeft--
      for (const [key, source] of changed) if (--source.left <= 0) changed.delete(key)
      const type = filter.mode === MCAST_EXCLUDE ? CHANGE_TO_EXCLUDE : CHANGE_TO_INCLUDE
      return [{ type, group: words, sources: [...filter.sources.values()] }]
    }
    const told: Record<'allow' | 'block', Words[]> = { allow: [], block: [] }
    for (const [key, source] of changed) {
      told[takesSource(filter, source.words) ? 'allow' : 'block'].push(source.words)
      if (--source.left <= 0) changed.delete(key)
    }
    return [
      { type: ALLOW_NEW_SOURCES, group: words, sources: told.allow },
      { type: BLOCK_OLD_SOURCES, group: words, sources: told.block },
    ].filter(({ sources }) => sources.length > 0)
  }
  const sayChanges = (link: HostLink): void => {
    link.changeAt = null
    const records: McRecord[] = []
    let isMore = false
    for (const [key, group] of link.groups) {
      records.push(...changeRecords(group))
      if (group.modeLeft > 0 || group.changed.size > 0) isMore = true
      else if (isSameFilter(group.filter, NOTHING)) link.groups.delete(key)
    }
    if (records.length > 0) wire.sendReport(link.ifindex, records)
    if (isMore) link.changeAt = within(unsolicitedMs(link))
  }

  // ---- the timer

  const runLink = (link: HostLink): void => {
    if (isDue(link.changeAt)) sayChanges(link)
    if (isDue(link.generalAt)) sayAll(link)
    for (const group of [...link.groups.values()]) if (isDue(group.reportAt)) sayGroup(link, group)
  }
  const run = (): void => {
    for (const link of links.values()) runLink(link)
    arm()
  }
  /** Shows in the group's row what is about to be said of it. */
  const show = (link: HostLink, { words, reportAt, isReporter }: HostGroup): void => {
    key.set(words)
    const row = find(link.ifindex, key, 0)
    if (row === 0) return
    i32[row + MCG_VERSION] = versionOf(link)
    i32[row + MCG_REPORT] =
      (reportAt === null ? 0 : MC_REPORT_TIMER) | (isReporter ? MC_REPORT_LAST : 0)
    i32[row + MCG_REPORT_AT] = reportAt ?? 0
  }
  const fn = wheel.register(run)
  /** Something has changed: however much does in one moment, it is looked at once. */
  const soon = (): void => {
    if (!wheel.isArmed(timer) || ((wheel.expiresAt(timer) - now()) | 0) > 1) wheel.arm(timer, 1, fn)
  }
  const arm = (): void => {
    let next: number | null = null
    const take = (at: number | null): void => {
      if (at !== null) next = sooner(next, at)
    }
    for (const link of links.values()) {
      take(link.changeAt)
      take(link.generalAt)
      for (const group of link.groups.values()) {
        take(group.reportAt)
        show(link, group)
      }
    }
    if (next === null) wheel.cancel(timer)
    else wheel.arm(timer, Math.max(1, (next - now()) | 0), fn)
  }

  return { onChange, onDevice, sayAgain, heardQuery, heardReport }
}
