// Plays cases on both hosts at once, many side by side: a step is done on the kernel and on softnet, then what each of them
// answered, sent and shows is compared. What one of them sends while a case waits is compared with its time.

import { errnoName } from '../../../core/base/errno.ts'
import { SK_STATE_NAMES } from '../../../core/socket/sock.ts'
import { pattern } from '../../../sim/net/pattern.ts'
import { type End, INFO, POLL_NAMES, SOCK_DGRAM, SOCK_STREAM } from './end.ts'
import { optionOf } from './options.ts'
import type { Step } from './script.ts'
import {
  datagramFrame,
  describe,
  type Flow,
  icmpFrame,
  makeFlow,
  noteStamps,
  peerOf,
  segmentFrame,
} from './wire.ts'

/** Gives the next step from what the kernel shows, or null at the end. */
export type Next = (view: Half) => Step | null

/** tcpi_state, 0 of datagrams; what poll says; TCP_INFO of a connection. */
type Shown = { state: number; bits: number; info: readonly number[] }
/**
 * When it was sent, since the step began, `afterMs` since the host sent something of its own last, and `sinceMs` since something
 * was done to it, which waiting is not; -1 is not sent.
 */
export type Line = { text: string; atMs: number; afterMs: number; sinceMs: number }
const NO_TIME = { atMs: -1, afterMs: -1, sinceMs: -1 }
export type Half = {
  flow: Flow
  files: Map<number, number>
  streams: Map<number, boolean>
  sent: Map<number, number>
  lines: Line[]
  /** When it sent something last that is no answer alone. */
  sentAt: number
  /** What each file shows after the last step. */
  shown: Map<number, Shown>
  /** End.pace and End.rto of each connection. */
  paces: Map<number, number>
  rtos: Map<number, number>
  /** As the step began. */
  rtosBefore: ReadonlyMap<number, number>
  /** How long ago it had sent something when the step began. */
  idleMs: number
  /** What it had acknowledged before the step, and sent, and whether a connection had lost something by then. */
  acked: number
  hadSent: number
  hadLost: boolean
}
/** Where the two went apart: the step, what the case showed before it, and what only one of them did. */
export type Difference = {
  at: number
  before: string
  kernel: string[]
  softnet: string[]
}
export type Run = {
  id: number
  isn: number
  family: 'ipv4' | 'ipv6'
  next: Next
  steps: Step[]
  halves: readonly [Half, Half]
  /** What the files showed before the last step. */
  before: string
  stepStart: number
  resumeAt: number
  /** When the last step began that was no wait. */
  doneAt: number
  /** What timers of the last step count from at the earliest, and for how long this thread has once not looked since. */
  timedFrom: number
  gapMs: number
  /** How many lines each had whenever the step went on for longer than it says (overtime). */
  late: (readonly [kernel: number, softnet: number])[]
  isDone: boolean
  difference: Difference | null
  /** What the kernel answered to each step. */
  answers: string[][]
  /** How far their windows reached before each step. */
  edges: (readonly [kernel: number, softnet: number])[]
  /**
   * Could more go at once from one than from the other, as round trips took other times: before the last step, as long as text has
   * waited that was cut by that, and after it?
   */
  otherPaces: [before: boolean, after: boolean]
  /** Text waits after the last step. */
  isWaiting: boolean
}

const makeHalf = (family: 'ipv4' | 'ipv6', id: number, isn: number): Half => ({
  flow: makeFlow(family, id, isn),
  files: new Map(),
  streams: new Map(),
  sent: new Map(),
  lines: [],
  sentAt: 0,
  shown: new Map(),
  paces: new Map(),
  rtos: new Map(),
  rtosBefore: new Map(),
  idleMs: 0,
  acked: 0,
  hadSent: 0,
  hadLost: false,
})
export const makeRun = (family: 'ipv4' | 'ipv6', id: number, isn: number, next: Next): Run => ({
  id,
  isn,
  family,
  next,
  steps: [],
  before: '',
  halves: [makeHalf(family, id, isn), makeHalf(family, id, isn)],
  stepStart: 0,
  resumeAt: 0,
  doneAt: 0,
  timedFrom: 0,
  gapMs: 0,
  late: [],
  isDone: false,
  difference: null,
  answers: [],
  edges: [],
  otherPaces: [false, false],
  isWaiting: false,
})
/** The steps of a case that is played again. */
export const given = (steps: readonly Step[]): Next => {
  let at = 0
  return () => steps[at++] ?? null
}

const SYN_SENT = 2
const SYN_RECV = 3
const CLOSE = 7
const LISTEN = 10
const infoAt = (name: string): number => INFO.findIndex(([one]) => one === name)
const RCV_MSS = infoAt('rcv_mss')
const SND_MSS = infoAt('snd_mss')
const SND_CWND = infoAt('snd_cwnd')

const CA_STATE = infoAt('ca_state')
export const TCP_CA_DISORDER = 1
/** The ca_state of its connection. */
export const stateOfLoss = ({ shown }: Half): number =>
  Math.max(0, ...[...shown.values()].map(({ info }) => info[CA_STATE] ?? 0))

const NOTSENT = infoAt('notsent_bytes')
const hasUnsent = ({ shown }: Half): boolean =>
  [...shown.values()].some(({ info }) => (info[NOTSENT] ?? 0) > 0)

// ---- a step on one host

const MSG_FLAGS: Record<string, number> = {
  oob: 1,
  peek: 2,
  trunc: 0x20,
  dontwait: 0x40,
  eor: 0x80,
  waitall: 0x100,
  more: 0x8000,
}
const HOW: Record<string, number> = { rd: 0, wr: 1, rdwr: 2, none: 3 }
const flagsOf = (words: readonly string[]): number =>
  words.reduce((bits, word) => bits | (MSG_FLAGS[word] ?? 0), 0)

const resultText = (result: number): string => (result < 0 ? errnoName(result) : `${result}`)

const open = (half: Half, slot: number, file: number, isStream: boolean): string => {
  if (file < 0) return resultText(file)
  half.files.set(slot, file)
  half.streams.set(slot, isStream)
  half.sent.set(slot, 0)
  return 'a file'
}
const doCall = (end: End, half: Half, run: Run, step: Step & { do: 'call' }): string => {
  const { slot, name, args } = step
  const [first = ''] = args
  if (name === 'socket' || name === 'udp') {
    if (half.files.has(slot)) return 'left out'
    const file = end.socket(name === 'udp' ? SOCK_DGRAM : SOCK_STREAM)
    // a port that has a TIME-WAIT can be bound to again
    if (file > 0) end.set(file, 1, 2, 1)
    return open(half, slot, file, name === 'socket')
  }
  if (name === 'accept') {
    const listener = half.files.get(Number(first))
    if (listener === undefined || half.files.has(slot)) return 'left out'
    return open(half, slot, end.accept(listener), true)
  }
  const file = half.files.get(slot)
  if (file === undefined) return 'left out'
  switch (name) {
    case 'bind':
      return resultText(end.bind(file, half.flow.port))
    case 'listen':
      return resultText(end.listen(file, Number(first)))
    case 'connect':
      return resultText(end.connect(file, run.id))
    case 'send': {
      const from = half.sent.get(slot)!
      const bytes = new Uint8Array(Number(first))
      const base = half.streams.get(slot) ? from : 0
      for (let k = 0; k < bytes.length; k++) bytes[k] = pattern(base + k)
      const n = end.send(file, bytes, flagsOf(args))
      if (n > 0) half.sent.set(slot, from + n)
      return resultText(n)
    }
    case 'sendto': {
      const bytes = new Uint8Array(Number(first)).map((_, k) => pattern(k))
      return resultText(end.sendto(file, bytes, run.id))
    }
    case 'recv': {
      const bytes = new Uint8Array(Number(first))
      const n = end.recv(file, bytes, flagsOf(args))
      // what is thrown away is not copied
      if (n <= 0 || (half.streams.get(slot) && args.includes('trunc'))) return resultText(n)
      return `${n} ${Bun.hash.crc32(bytes.subarray(0, n)).toString(16)}`
    }
    case 'shutdown':
      return resultText(end.shutdown(file, HOW[first] ?? 3))
    case 'set': {
      const { level, number } = optionOf(run.family, first)
      return resultText(end.set(file, level, number, Number(args[1])))
    }
    case 'get': {
      const { level, number } = optionOf(run.family, first)
      return resultText(end.get(file, level, number))
    }
    case 'close': {
      half.files.delete(slot)
      half.shown.delete(slot)
      return resultText(end.closeFile(file))
    }
  }
  throw new Error(`the call ${name}`)
}
const doStep = (end: End, half: Half, run: Run, step: Step): void => {
  switch (step.do) {
    case 'call':
      half.lines.push({ text: doCall(end, half, run, step), ...NO_TIME, atMs: 0 })
      return
    case 'segment':
      return end.receive(segmentFrame(half.flow, step.segment))
    case 'icmp': {
      const isStream = half.streams.get(0) !== false
      return end.receive(icmpFrame(half.flow, step.error, isStream ? 6 : 17))
    }
    case 'datagram':
      return end.receive(datagramFrame(half.flow, step.datagram))
    case 'wait':
  }
}
const shownText = ({ state, bits }: Pick<Shown, 'state' | 'bits'>): string =>
  [
    state === 0 ? 'udp' : SK_STATE_NAMES[state]!,
    ...POLL_NAMES.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name),
  ].join(' ')
/** What has changed of TCP_INFO. */
const infoText = (was: readonly number[], is: readonly number[]): string =>
  INFO.flatMap(([name], k) => (was[k] === is[k] ? [] : [`${name} ${is[k]}`])).join(' ')
/** What changed in what the files show. */
const look = (end: End, half: Half): void => {
  for (const [slot, file] of half.files) {
    const state = half.streams.get(slot) ? end.state(file) : 0
    const bits = end.poll(file)
    const hasInfo = state !== 0 && state !== CLOSE && state !== LISTEN
    const info = hasInfo ? [...end.info(file)] : []
    if (hasInfo) {
      half.paces.set(slot, end.pace(file))
      half.rtos.set(slot, end.rto(file))
    }
    // before there is a segment of the peer's, its size is a guess at nothing
    if (state === SYN_SENT || state === SYN_RECV) info[RCV_MSS] = 0
    const was = half.shown.get(slot)
    half.shown.set(slot, { state, bits, info })
    if (was?.state !== state || was.bits !== bits)
      half.lines.push({ text: `file ${slot} ${shownText({ state, bits })}`, ...NO_TIME })
    const text = infoText(was?.info ?? [], info)
    if (hasInfo && text !== '') half.lines.push({ text: `file ${slot} ${text}`, ...NO_TIME })
  }
}

// ---- both

/** The two may be late by so much: the kernel counts in ticks of four milliseconds, and this thread has more to do, or does not run. */
export const lateness = (afterMs: number, gapMs: number): number => 16 + gapMs + 0.1 * afterMs
/** A SYN goes again by a timer of a second at least, whatever has been said since that was set. */
const SYN_TIMER_MS = 1000
/**
 * The first round trip is longer where a timer has sent what is answered, and was late; the RTO is thrice that. How much the timers of
 * the two are apart, where their RTOs are not more than that: the probe of a tail (RFC 8985 7.2) goes after two round trips, and the
 * RTO may be one and 200 ms.
 */
export const apartOf = (gapMs: number, [a, b]: Run['halves']): number => {
  const most = Math.max(
    0,
    ...[...a.rtosBefore].map(([slot, rto]) => Math.abs(rto - (b.rtosBefore.get(slot) ?? rto)))
  )
  return most <= 3 * lateness(SYN_TIMER_MS, gapMs) ? 2 * most : 0
}
/** A timer is set by what the host sends, or by what is done to it after that. `moreMs`: the timers of the two are apart by that. */
export const isSameTime = (moreMs: number, a: Line, b: Line): boolean => {
  if (a.atMs < 0 || b.atMs < 0) return true
  const timer = a.text.startsWith('> S') ? SYN_TIMER_MS : 0
  const isNear = (one: number, other: number): boolean =>
    Math.abs(one - other) <= lateness(Math.max(timer, Math.min(one, other)), moreMs)
  const isDoneLater = a.sinceMs <= a.afterMs && b.sinceMs <= b.afterMs
  return isNear(a.afterMs, b.afterMs) || (isDoneLater && isNear(a.sinceMs, b.sinceMs))
}
const isPlainAck = (text: string): boolean => /^> (\.|R\.?) \S+\(0\)/.test(text)
const WINDOW = / win (\d+)/
/**
 * Once there was text, windows tell what memory it takes, and that is each one's own: the kernel charges what an skb was made
 * for, softnet a buffer. They may be so far apart. Those that only one of them scales are by less than its unit.
 */
export const isSameText = (run: Run, kernel: string, softnet: string): boolean => {
  if (kernel === softnet) return true
  const { scalesUnasked, wscale } = run.halves[0].flow
  const unit = scalesUnasked ? 1 << wscale : 0
  const hasText = run.steps.some((step) => step.do === 'segment' && step.segment.len > 0)
  if (!hasText && unit === 0) return false
  const [a, b] = [kernel, softnet].map((text) => Number(WINDOW.exec(text)?.[1] ?? 0))
  if (a === 0 || b === 0 || kernel.replace(WINDOW, '') !== softnet.replace(WINDOW, '')) return false
  return Math.abs(a! - b!) <= Math.max(hasText ? 0.25 * Math.max(a!, b!) : 0, unit)
}
/**
 * What the one has sent by the end of a step the other, each of whose timers was late, may be about to: for how much longer to wait. A
 * timer of one may be due in that time, and so once more.
 */
export const overtime = (run: Run): number => {
  const [a, b] = [run.halves[0].lines, run.halves[1].lines]
  const [kernel, softnet] = run.late.at(-1) ?? [0, 0]
  const isSame =
    a.length === b.length && a.every(({ text }, k) => isSameText(run, text, b[k]!.text))
  if (run.late.length > 1 || isSame || a.length - kernel === b.length - softnet) return 0
  const { atMs, afterMs } = (a.length - kernel > b.length - softnet ? a : b).at(-1)!
  return lateness(Math.max(atMs, afterMs), run.gapMs + apartOf(run.gapMs, run.halves))
}
const OPTIONS = / \[([^\]]*)\]/
const nameOf = (option: string): string => option.split(' ')[0]!
/** The names of a segment's options, without padding. */
const optionNames = (text: string): string[] =>
  (OPTIONS.exec(text)?.[1] ?? '')
    .split(', ')
    .map(nameOf)
    .filter((name) => !/^(nop)?$/.test(name))
/**
 * RFC 7323 1.3, 2.2, 3.2: what the peer has not offered in its SYN is not in our SYN-ACK; when SYNs cross, the kernel sends its
 * own SYN once more, with ACK (tcp_rcv_synsent_state_process, tcp_syn_options). What was agreed on is the same.
 */
const isOfferedAgain = (run: Run, kernel: string, softnet: string): boolean => {
  const [a, b] = [kernel, softnet].map((text) => text.replace(OPTIONS, ''))
  if (!kernel.startsWith('> S.') || !isSameText(run, a!, b!)) return false
  const [all, agreed] = [optionNames(kernel), optionNames(softnet)]
  return run.steps.some((step) => {
    if (step.do !== 'segment' || !/^S[^.]*$/.test(step.segment.flags)) return false
    const { options, doff } = step.segment
    const offered = ['mss', ...options.map(nameOf)]
    // what comes behind an option that is none is not looked at
    const isOdd = doff !== 0 || options.some((option) => /^(raw|eol|fo)/.test(option))
    return all.filter((name) => (isOdd ? agreed : offered).includes(name)).join() === agreed.join()
  })
}
/** In segments, as long as there are not more of them than a window has. */
const isOtherPace = ({ halves: [kernel, softnet] }: Run): boolean =>
  [...kernel.paces].some(([slot, pace]) => {
    const other = softnet.paces.get(slot) ?? pace
    const size = Math.max(1, kernel.shown.get(slot)?.info[SND_MSS] ?? 1)
    const most = (kernel.shown.get(slot)?.info[SND_CWND] ?? 10) + 1
    const segs = (octets: number): number => Math.min(most, Math.max(2, Math.floor(octets / size)))
    return segs(pace) !== segs(other)
  })
const compare = (run: Run, before: string): Difference | null => {
  const [kernel, softnet] = [run.halves[0].lines, run.halves[1].lines]
  const isSame =
    kernel.length === softnet.length &&
    kernel.every(
      ({ text }, k) =>
        isSameText(run, text, softnet[k]!.text) || isOfferedAgain(run, text, softnet[k]!.text)
    )
  const isTimed = run.late.length > 0 || run.steps.at(-1)!.do === 'wait'
  const moreMs = run.gapMs + apartOf(run.gapMs, run.halves)
  if (isSame && (!isTimed || kernel.every((line, k) => isSameTime(moreMs, line, softnet[k]!))))
    return null
  const show = (lines: readonly Line[]): string[] =>
    lines.map(({ text, atMs }) =>
      isSame && atMs > 0 ? `${text} after ${Math.round(atMs)} ms` : text
    )
  return { at: run.steps.length - 1, before, kernel: show(kernel), softnet: show(softnet) }
}

/** The kernel's ticks: what is to happen "now" by a timer happens within one or two of them. */
const TICKS_MS = 20
/** How long a step takes: an acknowledgement of a FIN, or the SYN that answers a strange one, is such a timer's. */
const restAfter = (step: Step, { shown }: Half): number => {
  if (step.do === 'wait') return step.ms
  if (step.do !== 'segment') return 0
  const { flags } = step.segment
  const isUnderWay = [...shown.values()].some(({ state }) => state === SYN_SENT)
  return flags.includes('F') || (isUnderWay && flags.includes('.')) ? TICKS_MS : 0
}

/** Between two looks at what was sent. */
const USUAL_GAP_MS = 4

export type Pair = readonly [kernel: End, softnet: End]
type Clock = () => number

/** Runs that go on together. */
export const createPlayer = (family: 'ipv4' | 'ipv6', pair: Pair, clock: Clock) => {
  const runs = new Map<number, Run>()
  let lookedAt = clock()
  const gaps: { end: number; ms: number }[] = []

  const noteGap = (): void => {
    const ms = clock() - lookedAt
    lookedAt += ms
    if (ms > USUAL_GAP_MS) gaps.push({ end: lookedAt, ms })
  }
  const longestGap = (since: number): number => {
    let most = 0
    for (let k = gaps.length - 1; k >= 0 && gaps[k]!.end >= since; k--)
      most = Math.max(most, gaps[k]!.ms)
    return most
  }
  const collect = (): void => {
    noteGap()
    for (const [side, end] of pair.entries())
      for (const frame of end.take()) {
        const run = runs.get(peerOf(family, frame))
        if (run === undefined || run.isDone) continue
        const half = run.halves[side]!
        const now = clock()
        half.lines.push({
          text: `> ${describe(half.flow, frame)}`,
          atMs: now - run.stepStart,
          afterMs: now - half.sentAt,
          sinceMs: now - run.doneAt,
        })
        const { isCrossed, hasScale } = half.flow
        if (side === 1) run.halves[0].flow.scalesUnasked = isCrossed && !hasScale
        if (!isPlainAck(half.lines.at(-1)!.text)) half.sentAt = now
      }
  }
  const stateOf = ({ shown }: Half): string =>
    [...shown].map(([slot, one]) => `${slot} ${shownText(one)}`).join(', ')
  /** Ends the step that the run is at; true while both agree. */
  const finishStep = (run: Run): boolean => {
    for (const [side, end] of pair.entries()) look(end, run.halves[side]!)
    const [before, after] = run.otherPaces
    run.otherPaces = [after || (before && run.isWaiting), isOtherPace(run)]
    run.isWaiting = hasUnsent(run.halves[0])
    run.difference = compare(run, run.before)
    run.answers.push(run.halves[0].lines.map(({ text }) => text))
    run.before = stateOf(run.halves[0])
    return run.difference === null
  }
  const end = (run: Run): void => {
    run.isDone = true
    for (const [side, half] of run.halves.entries())
      for (const file of half.files.values()) {
        // SO_LINGER of nothing: nobody waits for it
        pair[side]!.set(file, 1, 13, 0)
        pair[side]!.closeFile(file)
      }
    collect()
    runs.delete(run.id)
  }
  /** Goes on with a run until it waits or ends. */
  const advance = (run: Run): void => {
    for (;;) {
      // the kernel's clock goes on between steps: round trips take some time, and writes are so far apart
      for (const host of pair) host.begin()
      if (run.steps.length > 0) {
        collect()
        run.gapMs = longestGap(run.timedFrom)
        const more = overtime(run)
        if (more > 0) {
          run.late.push([run.halves[0].lines.length, run.halves[1].lines.length])
          run.resumeAt = clock() + more
          return
        }
        if (!finishStep(run)) return end(run)
      }
      const step = run.next(run.halves[0])
      if (step === null) return end(run)
      run.steps.push(step)
      run.stepStart = clock()
      if (step.do !== 'wait') run.doneAt = run.stepStart
      run.timedFrom = Math.min(run.doneAt, ...run.halves.map(({ sentAt }) => sentAt || run.doneAt))
      run.late = []
      run.edges.push([run.halves[0].flow.edge, run.halves[1].flow.edge])
      noteStamps(run.halves.map(({ flow }) => flow))
      for (const [side, host] of pair.entries()) {
        const half = run.halves[side]!
        half.lines = []
        half.idleMs = run.stepStart - half.sentAt
        half.rtosBefore = new Map(half.rtos)
        half.acked = half.flow.acked
        half.hadSent = half.flow.sent
        half.hadLost = stateOfLoss(half) > TCP_CA_DISORDER
        doStep(host, half, run, step)
      }
      collect()
      const rest = restAfter(step, run.halves[0])
      if (rest === 0) continue
      run.resumeAt = clock() + rest
      return
    }
  }
  return {
    start: (run: Run): void => {
      runs.set(run.id, run)
      advance(run)
    },
    /** Goes on with the runs whose time has come; how long the next one still waits. */
    turn: (): number => {
      for (const host of pair) host.begin()
      collect()
      let rest = Number.POSITIVE_INFINITY
      for (const run of [...runs.values()]) {
        if (run.resumeAt <= clock()) advance(run)
        if (!run.isDone) rest = Math.min(rest, run.resumeAt - clock())
      }
      return rest
    },
    count: () => runs.size,
  }
}
