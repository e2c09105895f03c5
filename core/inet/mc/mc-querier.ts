/**
 * The router's side of IGMP and MLD, one for each family: asks on each link where multicast passes through which groups and
 * sources somebody there wants, keeps what it hears, and leaves the asking to a router with a lower address. CPU 0, by one
 * timer for all links. What is kept is bounded; who says more is not heard.
 * RFC 3376 sections 6 and 7.3, RFC 3810 sections 7 and 8.3; versions count as IGMP's do. Linux: br_multicast.c has its like.
 */
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import type { Words } from '../../wire/text.ts'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from './mc-constants.ts'
import { addrKey, isSameFilter, type McFilter, NOTHING, type Sources } from './mc-filter.ts'
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

type McQuerierDeps = {
  time: Time
  wheel: TimerWheel
  /** TIMER_WORDS free words. */
  timer: number
  wire: Pick<McWire, 'sendQuery'>
  /** core/stack/multicast.ts: our address on the link, as queries have it; null where there is none. */
  addressOf: (ifindex: number) => Words | null
  /** mc-version.ts: the version that a link is told to speak; 0: that of the oldest querier heard there. */
  forcedVersion: (ifindex: number) => number
  /** core/stack/multicast.ts: what is wanted of a group on a link has changed. */
  onWanted: (ifindex: number, group: Words) => void
}
export type McQuerier = ReturnType<typeof createMcQuerier>

type RouterSource = { readonly words: Words; until: number | null }
type RouterGroup = {
  readonly words: Words
  mode: number
  /** End of EXCLUDE mode. */
  until: number
  /** Those with a time are wanted; without one, in EXCLUDE mode, they are not. */
  readonly sources: Map<string, RouterSource>
  /** Until when hosts of version 1, of version 2 are there. */
  v1Until: number | null
  v2Until: number | null
  /** Queries of the group, and of sources, that are yet to be sent. */
  groupLeft: number
  readonly asking: Map<string, { words: Words; left: number }>
  askAt: number | null
}
type RouterLink = {
  readonly ifindex: number
  readonly groups: Map<string, RouterGroup>
  qrv: number
  qiMs: number
  startups: number
  queryAt: number
  /** Until when another is the querier. */
  otherUntil: number | null
  /** Until when queriers of version 1, of version 2 are there. */
  v1Until: number | null
  v2Until: number | null
  sources: number
}

/** RFC 3376 section 8. */
const ROBUSTNESS = 2
const QUERY_INTERVAL_MS = 125_000
const RESPONSE_MS = 10_000
const LAST_MEMBER_MS = 1000
/** Groups of a link, and sources of all its groups. */
const MOST_GROUPS = 1024
const MOST_SOURCES = 4096
const NEVER = 1 << 30

export const createMcQuerier = (deps: McQuerierDeps) => {
  const { time, wheel, timer, wire, addressOf, forcedVersion, onWanted } = deps
  const links = new Map<number, RouterLink>()
  const now = (): number => time[TIME_MS]
  const isBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0
  const isOver = (at: number): boolean => !isBefore(now(), at)
  const after = (ms: number): number => (now() + ms) | 0
  const isRunning = (at: number | null): boolean => at !== null && !isOver(at)

  const membershipMs = (link: RouterLink): number => link.qrv * link.qiMs + RESPONSE_MS
  const lastMemberMs = (link: RouterLink): number => link.qrv * LAST_MEMBER_MS
  const isQuerier = (link: RouterLink): boolean => !isRunning(link.otherUntil)
  const oldest = ({ v1Until, v2Until }: Pick<RouterLink, 'v1Until' | 'v2Until'>): number =>
    isRunning(v1Until) ? 1 : isRunning(v2Until) ? 2 : 3
  /** RFC 3376 section 7.3.1: what the link is told to speak, or the oldest version that a router there speaks. */
  const linkVersion = (link: RouterLink): number => forcedVersion(link.ifindex) || oldest(link)
  /** Section 7.3.2: nor can a group's hosts be asked more than the oldest of them knows. */
  const versionOf = (link: RouterLink, group: RouterGroup): number =>
    Math.min(linkVersion(link), oldest(group))

  // ---- what is wanted

  const groupOf = (link: RouterLink, words: Words): RouterGroup | undefined => {
    const key = addrKey(words)
    let group = link.groups.get(key)
    if (group === undefined && link.groups.size < MOST_GROUPS) {
      group = {
        words,
        mode: MCAST_INCLUDE,
        until: now(),
        sources: new Map(),
        v1Until: null,
        v2Until: null,
        groupLeft: 0,
        asking: new Map(),
        askAt: null,
      }
      link.groups.set(key, group)
    }
    return group
  }
  const put = (link: RouterLink, group: RouterGroup, words: Words, until: number | null): void => {
    const known = group.sources.get(addrKey(words))
    if (known !== undefined) known.until = until
    else if (link.sources < MOST_SOURCES) {
      group.sources.set(addrKey(words), { words, until })
      link.sources++
    }
  }
  const forget = (link: RouterLink, group: RouterGroup, key: string): void => {
    if (group.sources.delete(key)) link.sources--
    group.asking.delete(key)
  }
  const isWantedSource = (source: RouterSource | undefined): boolean =>
    source !== undefined && source.until !== null
  const isEmpty = (group: RouterGroup): boolean =>
    group.mode === MCAST_INCLUDE && group.sources.size === 0

  /** What the hosts of a link want of a group, as a filter; null where they want nothing. */
  const wantedOn = (ifindex: number, words: Words): McFilter | null => {
    const group = links.get(ifindex)?.groups.get(addrKey(words))
    if (group === undefined || isEmpty(group)) return null
    const isExclude = group.mode === MCAST_EXCLUDE
    const listed: Sources = new Map(
      [...group.sources].flatMap(([key, source]) =>
        isWantedSource(source) === isExclude ? [] : [[key, source.words]]
      )
    )
    return { mode: group.mode, sources: listed }
  }
  const groupsOn = (ifindex: number): Words[] =>
    [...(links.get(ifindex)?.groups.values() ?? [])].map(({ words }) => words)

  // ---- asking

  const query = (link: RouterLink, more: Partial<McQuery>): void =>
    wire.sendQuery(link.ifindex, {
      version: linkVersion(link),
      group: null,
      sources: [],
      maxRespMs: RESPONSE_MS,
      isSuppressed: false,
      qrv: link.qrv,
      qqi: link.qiMs / 1000,
      ...more,
    })
  const askSoon = (group: RouterGroup): void => {
    group.askAt = group.askAt === null ? now() : group.askAt
  }
  /** RFC 3376 section 6.6.3.1: is anybody else there? */
  const askGroup = (link: RouterLink, group: RouterGroup): void => {
    if (!isQuerier(link)) return
    const least = after(lastMemberMs(link))
    if (isBefore(least, group.until)) group.until = least
    group.groupLeft = link.qrv
    askSoon(group)
  }
  /** Section 6.6.3.2; older versions have no such question. */
  const askSources = (link: RouterLink, group: RouterGroup, keys: readonly string[]): void => {
    if (!isQuerier(link) || linkVersion(link) !== 3) return
    const least = after(lastMemberMs(link))
    for (const key of keys) {
      const source = group.sources.get(key)
      if (source === undefined || source.until === null) continue
      if (isBefore(least, source.until)) source.until = least
      group.asking.set(key, { words: source.words, left: link.qrv })
    }
    if (group.asking.size > 0) askSoon(group)
  }
  const ask = (link: RouterLink, group: RouterGroup): void => {
    group.askAt = null
    const least = after(lastMemberMs(link))
    const { words, asking } = group
    if (group.groupLeft > 0) {
      group.groupLeft--
      const isSuppressed = isBefore(least, group.until)
      query(link, {
        group: words,
        maxRespMs: LAST_MEMBER_MS,
        isSuppressed,
        version: askVersion(link, group),
      })
    }
    const lists: Record<'long' | 'short', Words[]> = { long: [], short: [] }
    for (const [key, source] of asking) {
      const until = group.sources.get(key)?.until ?? null
      if (until !== null) lists[isBefore(least, until) ? 'long' : 'short'].push(source.words)
      if (--source.left <= 0) asking.delete(key)
    }
    for (const [name, sources] of Object.entries(lists))
      if (sources.length > 0)
        query(link, {
          group: words,
          sources,
          maxRespMs: LAST_MEMBER_MS,
          isSuppressed: name === 'long',
        })
    if (group.groupLeft > 0 || asking.size > 0) group.askAt = after(LAST_MEMBER_MS)
  }
  /** Hosts of version 2 are asked in their own words; those of version 1 never leave by saying so. */
  const askVersion = (link: RouterLink, group: RouterGroup): number =>
    versionOf(link, group) === 3 ? 3 : 2

  // ---- what hosts say: RFC 3376 sections 6.4.1 and 6.4.2

  const keysOf = (group: RouterGroup, isKept: (key: string, source: RouterSource) => boolean) =>
    [...group.sources].filter(([key, source]) => isKept(key, source)).map(([key]) => key)

  /** IS_IN, ALLOW, TO_IN: those are wanted. */
  const include = (link: RouterLink, group: RouterGroup, sources: Sources): void => {
    for (const words of sources.values()) put(link, group, words, after(membershipMs(link)))
  }
  const toInclude = (link: RouterLink, group: RouterGroup, sources: Sources): void => {
    const others = keysOf(group, (key, source) => !sources.has(key) && isWantedSource(source))
    include(link, group, sources)
    askSources(link, group, others)
    if (group.mode === MCAST_EXCLUDE) askGroup(link, group)
  }
  /** IS_EX, TO_EX: all are wanted but those; `ms` is what those that are new to us, and listed, get. */
  const exclude = (link: RouterLink, group: RouterGroup, sources: Sources, ms: number): void => {
    const wasInclude = group.mode === MCAST_INCLUDE
    for (const key of keysOf(group, (key) => !sources.has(key))) forget(link, group, key)
    for (const [key, words] of sources) {
      if (group.sources.has(key)) continue
      put(link, group, words, wasInclude ? null : after(ms))
    }
    group.mode = MCAST_EXCLUDE
    group.until = after(membershipMs(link))
  }
  const toExclude = (link: RouterLink, group: RouterGroup, sources: Sources): void => {
    const left = Math.max(0, (group.until - now()) | 0)
    exclude(link, group, sources, left)
    askSources(
      link,
      group,
      keysOf(group, (key, source) => sources.has(key) && isWantedSource(source))
    )
  }
  const block = (link: RouterLink, group: RouterGroup, sources: Sources): void => {
    if (group.mode === MCAST_EXCLUDE)
      for (const [key, words] of sources)
        if (!group.sources.has(key)) put(link, group, words, group.until)
    askSources(
      link,
      group,
      keysOf(group, (key, source) => sources.has(key) && isWantedSource(source))
    )
  }
  /** Section 7.3.2: hosts of an older version would not be heard leaving, nor wanting less. */
  const mayTake = (type: number, version: number): boolean =>
    version === 3 || (type !== BLOCK_OLD_SOURCES && !(version === 1 && type === CHANGE_TO_INCLUDE))
  const take = (link: RouterLink, group: RouterGroup, { type, sources }: McRecord): void => {
    const version = versionOf(link, group)
    if (!mayTake(type, version)) return
    const listed: Sources = new Map(
      version === 3 || type !== CHANGE_TO_EXCLUDE
        ? sources.map((words) => [addrKey(words), words])
        : []
    )
    switch (type) {
      case MODE_IS_INCLUDE:
      case ALLOW_NEW_SOURCES:
        return include(link, group, listed)
      case CHANGE_TO_INCLUDE:
        return toInclude(link, group, listed)
      case MODE_IS_EXCLUDE:
        return exclude(link, group, listed, membershipMs(link))
      case CHANGE_TO_EXCLUDE:
        return toExclude(link, group, listed)
      case BLOCK_OLD_SOURCES:
        return block(link, group, listed)
    }
  }
  /** Who wants nothing any more is forgotten, and of a change it is told. */
  const settle = (link: RouterLink, group: RouterGroup, before: McFilter): void => {
    const after = wantedOn(link.ifindex, group.words) ?? NOTHING
    if (isEmpty(group) && group.askAt === null) link.groups.delete(addrKey(group.words))
    if (!isSameFilter(before, after)) onWanted(link.ifindex, group.words)
  }
  /** Records of a report, `version` of its sender's protocol. */
  const heardRecords = (ifindex: number, version: number, records: readonly McRecord[]): void => {
    const link = links.get(ifindex)
    if (link === undefined) return
    for (const record of records) {
      const group = groupOf(link, record.group)
      if (group === undefined) continue
      // who only leaves is none of an older version that stays
      if (version < 3 && record.type === MODE_IS_EXCLUDE) {
        const until = after(membershipMs(link))
        if (version === 1) group.v1Until = until
        else group.v2Until = until
      }
      const before = wantedOn(ifindex, group.words) ?? NOTHING
      take(link, group, record)
      settle(link, group, before)
    }
    soon()
  }

  // ---- other routers

  const isLower = (a: Words, b: Words): boolean => {
    for (let k = 0; k < 4; k++) if (a[k] !== b[k]) return a[k] >>> 0 < b[k] >>> 0
    return false
  }
  /** Section 6.6.1 and 6.6.2: the lowest address asks; what it asks shortens our times as it did its own. */
  const heardQuery = (ifindex: number, from: Words, asked: McQuery): void => {
    const link = links.get(ifindex)
    const own = addressOf(ifindex)
    if (link === undefined || own === null) return
    if (asked.version < 3 && asked.group === null) heardOlder(link, asked.version)
    if (!isLower(from, own)) return
    if (asked.qrv !== 0) link.qrv = asked.qrv
    if (asked.qqi !== 0) link.qiMs = asked.qqi * 1000
    link.otherUntil = after(link.qrv * link.qiMs + RESPONSE_MS / 2)
    const group = asked.group === null ? undefined : link.groups.get(addrKey(asked.group))
    if (group !== undefined && !asked.isSuppressed) shorten(link, group, asked.sources)
    soon()
  }
  /** Sections 6.6.2 and 7.3.1: whoever asks here asks in the oldest words. */
  const heardOlder = (link: RouterLink, version: number): void => {
    const until = after(membershipMs(link))
    if (version === 1) link.v1Until = until
    else link.v2Until = until
  }
  const shorten = (link: RouterLink, group: RouterGroup, sources: readonly Words[]): void => {
    const least = after(lastMemberMs(link))
    if (sources.length === 0 && isBefore(least, group.until)) group.until = least
    for (const words of sources) {
      const source = group.sources.get(addrKey(words))
      if (source !== undefined && source.until !== null && isBefore(least, source.until))
        source.until = least
    }
  }

  // ---- links and time

  /** A link is to be asked, or no longer. */
  const setLink = (ifindex: number, isOn: boolean): void => {
    const known = links.get(ifindex)
    if (isOn === (known !== undefined)) return
    if (known !== undefined) {
      links.delete(ifindex)
      for (const { words } of known.groups.values()) onWanted(ifindex, words)
    } else
      links.set(ifindex, {
        ifindex,
        groups: new Map(),
        qrv: ROBUSTNESS,
        qiMs: QUERY_INTERVAL_MS,
        startups: ROBUSTNESS,
        queryAt: now(),
        otherUntil: null,
        v1Until: null,
        v2Until: null,
        sources: 0,
      })
    soon()
  }
  const askAll = (link: RouterLink): void => {
    if (link.startups > 0) link.startups--
    link.queryAt = after(link.startups > 0 ? link.qiMs / 4 : link.qiMs)
    if (isQuerier(link)) query(link, {})
  }
  const hasExpired = ({ mode, until, sources }: RouterGroup): boolean => {
    if (mode === MCAST_EXCLUDE && isOver(until)) return true
    for (const source of sources.values())
      if (source.until !== null && isOver(source.until)) return true
    return false
  }
  /** Sources and groups whose time is over: section 6.5. */
  const expire = (link: RouterLink, group: RouterGroup): void => {
    if (!hasExpired(group)) return
    const before = wantedOn(link.ifindex, group.words) ?? NOTHING
    for (const [key, source] of [...group.sources]) {
      if (source.until === null || !isOver(source.until)) continue
      if (group.mode === MCAST_EXCLUDE) source.until = null
      else forget(link, group, key)
    }
    if (group.mode === MCAST_EXCLUDE && isOver(group.until)) {
      group.mode = MCAST_INCLUDE
      group.groupLeft = 0
      for (const key of keysOf(group, (_, source) => !isWantedSource(source)))
        forget(link, group, key)
    }
    settle(link, group, before)
  }
  const run = (): void => {
    for (const link of links.values()) {
      if (isOver(link.queryAt)) askAll(link)
      for (const group of [...link.groups.values()]) {
        expire(link, group)
        if (group.askAt !== null && isOver(group.askAt)) ask(link, group)
        if (isEmpty(group) && group.askAt === null) link.groups.delete(addrKey(group.words))
      }
    }
    arm()
  }
  const fn = wheel.register(run)
  /** Something has changed: however much does in one moment, it is looked at once. */
  const soon = (): void => {
    if (!wheel.isArmed(timer) || ((wheel.expiresAt(timer) - now()) | 0) > 1) wheel.arm(timer, 1, fn)
  }
  const arm = (): void => {
    let next = NEVER
    const takeAt = (at: number | null): void => {
      if (at !== null) next = Math.min(next, (at - now()) | 0)
    }
    for (const link of links.values()) {
      takeAt(link.queryAt)
      for (const group of link.groups.values()) {
        takeAt(group.askAt)
        if (group.mode === MCAST_EXCLUDE) takeAt(group.until)
        for (const { until } of group.sources.values()) takeAt(until)
      }
    }
    if (next === NEVER) wheel.cancel(timer)
    else wheel.arm(timer, Math.max(1, next), fn)
  }

  return { setLink, heardRecords, heardQuery, wantedOn, groupsOn }
}
