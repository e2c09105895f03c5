// The router's side of IGMP alone: hosts are played by the test, which says what they would say.

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { createTime, setTime } from '../../../../core/base/time.ts'
import { createTimerWheel, WHEEL_WORDS } from '../../../../core/base/timer-wheel.ts'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../../../../core/inet/mc/mc-constants.ts'
import {
  isSameFilter,
  type McFilter,
  minus,
  NOTHING,
  sourcesOf,
  takesSource,
} from '../../../../core/inet/mc/mc-filter.ts'
import { createMcQuerier } from '../../../../core/inet/mc/mc-querier.ts'
import {
  ALLOW_NEW_SOURCES,
  BLOCK_OLD_SOURCES,
  CHANGE_TO_EXCLUDE,
  CHANGE_TO_INCLUDE,
  type McQuery,
  type McRecord,
  MODE_IS_EXCLUDE,
  MODE_IS_INCLUDE,
} from '../../../../core/inet/mc/mc-records.ts'
import type { Words } from '../../../../core/wire/text.ts'
import { addrWords } from '../../../support/groups.ts'

const LINK = 2
const GROUP = addrWords('239.1.2.3')
const SOURCES = ['10.1.1.1', '10.1.1.2', '10.1.1.3'].map(addrWords)
const STRANGER = addrWords('10.9.9.9')
const OWN = addrWords('10.0.0.5')

const router = (forcedVersion = 0) => {
  const i32 = new Int32Array(WHEEL_WORDS + 64)
  const time = createTime()
  let nowMs = 1000
  setTime(time, nowMs * 1000)
  const wheel = createTimerWheel(i32, 16, time)
  const asked: McQuery[] = []
  const changes: Words[] = []
  const hear = { query: (_: McQuery): void => {} }
  const querier = createMcQuerier({
    time,
    wheel,
    timer: 8,
    wire: {
      sendQuery: (ifindex, query) => {
        expect(ifindex).toBe(LINK)
        asked.push(query)
        hear.query(query)
      },
    },
    addressOf: () => OWN,
    forcedVersion: () => forcedVersion,
    onWanted: (_ifindex, group) => void changes.push(group),
  })
  const pass = (ms: number): void => {
    const end = nowMs + ms
    while (nowMs < end) {
      nowMs = Math.min(end, nowMs + Math.max(1, wheel.nextDelay(1000)))
      setTime(time, nowMs * 1000)
      wheel.advance()
    }
  }
  const say = (records: McRecord[], version = 3): void =>
    querier.heardRecords(LINK, version, records)
  const rec = (type: number, ...sources: Words[]): McRecord => ({ type, group: GROUP, sources })
  const wants = (source: Words): boolean => {
    const filter = querier.wantedOn(LINK, GROUP)
    return filter !== null && takesSource(filter, source)
  }
  const wanted = (): boolean[] => [...SOURCES, STRANGER].map(wants)
  querier.setLink(LINK, true)
  return { querier, asked, changes, hear, pass, say, rec, wants, wanted, wheel }
}
const [A, B, C] = SOURCES as [Words, Words, Words]
const none = [false, false, false, false]

describe('asking', () => {
  test('asks in general twice in quick succession, then at its interval', () => {
    const r = router()
    r.pass(10)
    expect(r.asked).toHaveLength(1)
    expect(r.asked[0]).toMatchObject({
      group: null,
      sources: [],
      maxRespMs: 10_000,
      qrv: 2,
      qqi: 125,
    })
    r.pass(32_000)
    expect(r.asked).toHaveLength(2)
    r.pass(124_000)
    expect(r.asked).toHaveLength(2)
    r.pass(2000)
    expect(r.asked).toHaveLength(3)
  })
  test('leaves it to a router with a lower address, until that is silent', () => {
    const r = router()
    r.pass(40_000)
    const general: McQuery = {
      version: 3,
      group: null,
      sources: [],
      maxRespMs: 10_000,
      isSuppressed: false,
      qrv: 3,
      qqi: 60,
    }
    r.querier.heardQuery(LINK, addrWords('10.0.0.6'), general)
    r.pass(125_000)
    expect(r.asked).toHaveLength(3)
    r.querier.heardQuery(LINK, addrWords('10.0.0.4'), general)
    r.pass(180_000)
    expect(r.asked).toHaveLength(3)
    // three intervals of 60 s and half a response later
    r.pass(65_000)
    expect(r.asked).toHaveLength(4)
    expect(r.asked[3]).toMatchObject({ qrv: 3, qqi: 60 })
  })
  test('what another asks about a group lowers its timers, unless that says that it was asked before', () => {
    const ask = (isSuppressed: boolean): boolean => {
      const r = router()
      r.say([r.rec(MODE_IS_EXCLUDE)])
      const about = { version: 3, group: GROUP, sources: [], maxRespMs: 1000, qrv: 2, qqi: 125 }
      r.querier.heardQuery(LINK, addrWords('10.0.0.4'), { ...about, isSuppressed })
      r.pass(3000)
      return r.wants(A)
    }
    expect([ask(false), ask(true)]).toEqual([false, true])
  })
  test('asks nothing on a link that is off, and forgets it', () => {
    const r = router()
    r.say([r.rec(MODE_IS_EXCLUDE)])
    r.pass(10)
    r.querier.setLink(LINK, false)
    expect(r.querier.wantedOn(LINK, GROUP)).toBeNull()
    expect(r.changes).toHaveLength(2)
    const count = r.asked.length
    r.pass(300_000)
    expect(r.asked).toHaveLength(count)
    expect(r.wheel.count()).toBe(0)
  })
})

describe('what is wanted', () => {
  test('all, after a report; nothing any more when nobody answers', () => {
    const r = router()
    r.say([r.rec(MODE_IS_EXCLUDE)])
    expect(r.wanted()).toEqual([true, true, true, true])
    r.pass(259_000)
    expect(r.wants(A)).toBe(true)
    r.pass(2000)
    expect(r.wanted()).toEqual(none)
    expect(r.querier.groupsOn(LINK)).toEqual([])
  })
  test('who leaves is asked about, twice, and gone two seconds later', () => {
    const r = router()
    r.say([r.rec(CHANGE_TO_EXCLUDE)])
    r.pass(100)
    r.asked.length = 0
    r.say([r.rec(CHANGE_TO_INCLUDE)])
    r.pass(1500)
    expect(r.asked).toMatchObject([
      { group: GROUP, sources: [], maxRespMs: 1000, isSuppressed: false },
      { group: GROUP, sources: [] },
    ])
    expect(r.wants(A)).toBe(true)
    r.pass(1000)
    expect(r.wants(A)).toBe(false)
  })
  test('who is still there answers, and keeps it; the second question leaves timers alone', () => {
    const r = router()
    r.say([r.rec(CHANGE_TO_EXCLUDE)])
    r.pass(100)
    r.asked.length = 0
    r.say([r.rec(CHANGE_TO_INCLUDE)])
    r.pass(500)
    r.say([r.rec(MODE_IS_EXCLUDE)])
    r.pass(10_000)
    expect(r.wants(A)).toBe(true)
    expect(r.asked.map(({ isSuppressed }) => isSuppressed)).toEqual([false, true])
  })
  test('sources that are blocked are asked about, and no other', () => {
    const r = router()
    r.say([r.rec(ALLOW_NEW_SOURCES, A, B)])
    expect(r.wanted()).toEqual([true, true, false, false])
    r.pass(100)
    r.asked.length = 0
    r.say([r.rec(BLOCK_OLD_SOURCES, A, C)])
    r.pass(100)
    expect(r.asked).toMatchObject([{ group: GROUP, sources: [A] }])
    r.pass(3000)
    expect(r.wanted()).toEqual([false, true, false, false])
  })
  test('version 2: a report is all, a leave is asked about in its words, and blocks mean nothing', () => {
    const r = router()
    r.say([r.rec(MODE_IS_EXCLUDE)], 2)
    r.say([r.rec(BLOCK_OLD_SOURCES, A)])
    r.say([r.rec(CHANGE_TO_EXCLUDE, A, B)])
    r.pass(5000)
    expect(r.wanted()).toEqual([true, true, true, true])
    r.asked.length = 0
    r.say([r.rec(CHANGE_TO_INCLUDE)], 2)
    r.pass(100)
    expect(r.asked).toMatchObject([{ version: 2, group: GROUP }])
    r.pass(3000)
    expect(r.wanted()).toEqual(none)
  })
  test('version 1: who leaves says nothing, so nobody is believed who says it', () => {
    const r = router()
    r.say([r.rec(MODE_IS_EXCLUDE)], 1)
    r.say([r.rec(CHANGE_TO_INCLUDE)], 3)
    r.pass(10_000)
    expect(r.wants(A)).toBe(true)
    // that host has not been heard for two intervals and a response: section 8.13
    r.say([r.rec(MODE_IS_EXCLUDE)], 3)
    r.pass(255_000)
    r.say([r.rec(CHANGE_TO_INCLUDE)], 3)
    r.pass(3000)
    expect(r.wants(A)).toBe(false)
  })
  describe('in older words (RFC 3376 section 7.3.1)', () => {
    const leave = (r: ReturnType<typeof router>) => {
      r.say([r.rec(MODE_IS_EXCLUDE)], 2)
      r.say([r.rec(BLOCK_OLD_SOURCES, A)])
      r.say([r.rec(CHANGE_TO_INCLUDE)], 2)
      r.pass(3000)
    }
    test('told to speak version 2 it asks in general and about groups so, and of sources nothing', () => {
      const r = router(2)
      r.pass(100)
      expect(r.asked).toMatchObject([{ version: 2, group: null }])
      r.asked.length = 0
      r.say([r.rec(ALLOW_NEW_SOURCES, A, B)])
      r.say([r.rec(CHANGE_TO_INCLUDE, B)])
      r.pass(3000)
      expect(r.asked).toEqual([])
      leave(r)
      expect(r.asked).toMatchObject([
        { version: 2, group: GROUP },
        { version: 2, group: GROUP },
      ])
      expect(r.wants(C)).toBe(false)
    })
    test('told to speak version 1 it asks in general alone, and hears nobody leave', () => {
      const r = router(1)
      r.pass(100)
      leave(r)
      expect(r.asked).toMatchObject([{ version: 1, group: null }])
      expect(r.wants(C)).toBe(true)
    })
    test('it does so of itself as long as an older router asks there, whatever its address', () => {
      const r = router()
      const old = { group: null, sources: [], isSuppressed: false, qrv: 0, qqi: 0 }
      r.pass(40_000)
      r.querier.heardQuery(LINK, addrWords('10.0.0.6'), { ...old, version: 2, maxRespMs: 10_000 })
      r.pass(125_000)
      expect(r.asked.at(-1)).toMatchObject({ version: 2, group: null })
      r.querier.heardQuery(LINK, addrWords('10.0.0.7'), { ...old, version: 1, maxRespMs: 10_000 })
      r.pass(125_000)
      expect(r.asked.at(-1)).toMatchObject({ version: 1, group: null })
      // the robustness times the interval, and a response more
      r.pass(260_000)
      expect(r.asked.at(-1)).toMatchObject({ version: 3, group: null })
    })
  })
  test('no more groups and sources than there may be', () => {
    const r = router()
    const many = (n: number): Words => [0, 0, 0xffff, (0xe8000000 + n) | 0]
    for (let n = 0; n < 2000; n++) r.say([{ type: MODE_IS_EXCLUDE, group: many(n), sources: [] }])
    expect(r.querier.groupsOn(LINK)).toHaveLength(1024)
    const sources = Array.from({ length: 10_000 }, (_, n) => many(n))
    const s = router()
    s.say([{ type: ALLOW_NEW_SOURCES, group: GROUP, sources }])
    expect(s.querier.wantedOn(LINK, GROUP)?.sources.size).toBe(4096)
    s.pass(261_000)
    expect(s.querier.groupsOn(LINK)).toEqual([])
  })
})

describe('against hosts that keep to the RFC', () => {
  /** What a host says when its filter changes. */
  const changeOf = (group: Words, before: McFilter, after: McFilter): McRecord[] => {
    const sources = [...after.sources.values()]
    if (before.mode !== after.mode) {
      const type = after.mode === MCAST_EXCLUDE ? CHANGE_TO_EXCLUDE : CHANGE_TO_INCLUDE
      return [{ type, group, sources }]
    }
    const came = [...minus(after.sources, before.sources).values()]
    const went = [...minus(before.sources, after.sources).values()]
    const isExclude = after.mode === MCAST_EXCLUDE
    return [
      { type: ALLOW_NEW_SOURCES, group, sources: isExclude ? went : came },
      { type: BLOCK_OLD_SOURCES, group, sources: isExclude ? came : went },
    ].filter(({ sources }) => sources.length > 0)
  }
  const answerOf = (group: Words, filter: McFilter, asked: readonly Words[]): McRecord[] => {
    if (isSameFilter(filter, NOTHING)) return []
    if (asked.length === 0) {
      const type = filter.mode === MCAST_EXCLUDE ? MODE_IS_EXCLUDE : MODE_IS_INCLUDE
      return [{ type, group, sources: [...filter.sources.values()] }]
    }
    const sources = asked.filter((source) => takesSource(filter, source))
    return sources.length === 0 ? [] : [{ type: MODE_IS_INCLUDE, group, sources }]
  }
  const filterArb = fc
    .record({
      mode: fc.constantFrom(MCAST_EXCLUDE, MCAST_INCLUDE),
      sources: fc.subarray([A, B, C]),
    })
    .map(({ mode, sources }): McFilter => ({ mode, sources: sourcesOf(sources) }))
  const stepArb = fc.record({
    who: fc.nat({ max: 2 }),
    filter: filterArb,
    waitMs: fc.constantFrom(0, 300, 1100, 4000, 130_000),
  })

  test('who wants a source gets it at all times, and a while after nobody wants it nobody gets it', () => {
    fc.assert(
      fc.property(fc.array(stepArb, { minLength: 1, maxLength: 25 }), (steps) => {
        const r = router()
        const hosts: McFilter[] = [NOTHING, NOTHING, NOTHING]
        r.hear.query = ({ group, sources }) => {
          for (const filter of hosts) {
            const answer = group === null || group === GROUP ? answerOf(GROUP, filter, sources) : []
            // after the querier has done its part
            queueAnswers.push(answer)
          }
        }
        const queueAnswers: McRecord[][] = []
        const settle = (ms: number): void => {
          for (let left = ms; left > 0; left -= 100) {
            r.pass(Math.min(100, left))
            for (const answer of queueAnswers.splice(0)) r.say(answer)
          }
        }
        for (const { who, filter, waitMs } of steps) {
          const before = hosts[who]!
          hosts[who] = filter
          r.say(changeOf(GROUP, before, filter))
          settle(waitMs)
          for (const source of [A, B, C, STRANGER])
            if (hosts.some((host) => takesSource(host, source))) expect(r.wants(source)).toBe(true)
        }
        settle(300_000)
        for (const source of [A, B, C, STRANGER])
          expect(r.wants(source)).toBe(hosts.some((host) => takesSource(host, source)))
      }),
      { numRuns: 200 }
    )
  })
})
