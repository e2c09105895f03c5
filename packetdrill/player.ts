/**
 * Plays a script against a host: events in order, each at its time, and what the host sends is compared with what the script
 * expects. What differs ends it with a Mismatch. How the language means it is packetdrill's; the names of its rules are in README.md.
 */
import { createCalls, wrongResult, type Attempt } from './calls.ts'
import { runCode } from './code.ts'
import type { Host } from './host.ts'
import { icmpError } from './icmp.ts'
import { type Event, Mismatch, type Script, type TcpPacket } from './script.ts'
import { createSegments, type Flow, type Segments } from './segments.ts'
import { tcpInfo } from './tcp-info.ts'

export type Rules = { anyOptions: boolean; anyWindow: boolean }
type Blocked = { event: Event & { is: 'call' }; attempt: Attempt; begun: number; ends: number }

/** How long what does not come is waited for. */
const PATIENCE_US = 2_000_000
/** A call that comes back after a time of its own. */
const hasTimeout = (call: string): boolean => call === 'poll' || call === 'epoll_wait'
const seconds = (us: number): string => (us / 1e6).toFixed(6)

/** `trace` hears of every packet, as tcpdump would print it. */
export const play = (
  script: Script,
  host: Host,
  command: (text: string) => void,
  rules: Rules,
  trace: (line: string) => void
): void => {
  const names = new Map<string, number | string | boolean>()
  const isStrict = script.options.has('strict_segments')
  const segments: Segments = createSegments(host, { ...rules, isStrict }, trace)
  const calls = createCalls(host, {
    onSocket: segments.forget,
    onListen: segments.listen,
    onConnect: segments.connect,
    onAccept: () => {},
  })
  /** Data is cut into segments of so much; 0 is never. */
  const mss = Number(script.options.get('mss') ?? 0)
  const toleranceUs = Number(script.options.get('tolerance_usecs') ?? 4000)
  let blocked: Blocked | null = null
  let lastDue = 0
  let isLastIn = false

  const checkTime = (what: string, event: Event, due: number, at: number): void => {
    if (event.when.kind === 'any') return
    const slack = Math.max(toleranceUs, (due - lastDue) * 0.125)
    const until = event.when.until === undefined ? due : due - event.when.at + event.when.until
    if (at >= due - slack && at <= until + slack) return
    const range = until === due ? seconds(due) : `${seconds(due)}~${seconds(until)}`
    throw new Mismatch(`${what} expected at ${range}, but it was at ${seconds(at)}`)
  }
  const finish = (call: Blocked, result: number): void => {
    const wrong = wrongResult(call.event.call, result)
    if (wrong !== null) throw new Mismatch(`line ${call.event.line}: it answers ${wrong}`)
    checkTime(`line ${call.event.line}: the end of the call`, call.event, call.ends, host.now())
  }
  const pump = (): void => {
    if (blocked !== null && (calls.takeWoken() || hasTimeout(blocked.event.call.name))) {
      const result = blocked.attempt()
      host.settle()
      if (result !== null) {
        const done = blocked
        blocked = null
        finish(done, result)
      }
    }
    segments.collect()
  }
  const waitUntil = (us: number, isDone: () => boolean = () => false): void => {
    pump()
    while (host.now() < us && !isDone()) {
      // a call that ends by itself is looked at every millisecond
      const isTimed = blocked !== null && hasTimeout(blocked.event.call.name)
      host.step(isTimed ? Math.min(us, host.now() + 1000) : us)
      pump()
    }
  }
  const awaitBlocked = (): void => {
    if (blocked === null) return
    const { event, ends } = blocked
    waitUntil(ends + PATIENCE_US, () => blocked === null)
    if (blocked !== null) throw new Mismatch(`line ${event.line}: the call does not come back`)
  }

  // ---- events

  const runCall = (event: Event & { is: 'call' }, due: number): void => {
    awaitBlocked()
    const attempt = calls.prepare(event.call)
    const result = attempt()
    host.settle()
    const ends = due - event.when.at + (event.when.returns ?? event.when.at)
    const call = { event, attempt, begun: host.now(), ends }
    if (result !== null) finish(call, result)
    else if (event.when.returns === undefined && !hasTimeout(event.call.name))
      throw new Mismatch('the call blocks')
    else blocked = call
    if (result === null && event.when.returns === undefined) awaitBlocked()
    segments.collect()
  }
  const inject = (event: Event & { is: 'in' }): void => {
    const { packet } = event
    if (packet.proto !== 'tcp') host.receive(icmpError(packet, host, segments.flow()))
    else if (mss > 0 && packet.len > mss)
      host.receiveMerged(segments.toLive(packet), mss, Math.ceil(packet.len / mss))
    else host.receive(segments.toLive(packet))
    trace(`${seconds(host.now())} ${event.text.replace(/^\S*\s+/, '')}`)
    pump()
  }
  const expectPacket = (event: Event & { is: 'out' }, due: number): void => {
    if (event.packet.proto !== 'tcp') throw new Mismatch('ICMP is not looked at')
    const expected: TcpPacket = event.packet
    const last = due - event.when.at + (event.when.until ?? event.when.at)
    const patience = event.when.kind === 'any' ? 600e6 : PATIENCE_US
    waitUntil(last + patience, () => segments.has(expected.len))
    const flow: Flow = segments.flow()
    const heard = segments.take(expected)
    if (heard === null) throw new Mismatch(`nothing was sent by ${seconds(host.now())}`)
    const wrong = segments.compare(expected, heard.packet, flow)
    if (wrong !== null) throw new Mismatch(wrong)
    checkTime('the packet', event, due, heard.at)
  }
  const runOne = (event: Event): void => {
    const isIn = event.is === 'in'
    const offset = event.when.kind === 'absolute' ? 0 : isIn && isLastIn ? lastDue : host.now()
    const due = offset + event.when.at
    if (event.is === 'out') expectPacket(event, due)
    else {
      waitUntil(due)
      checkTime('the event', event, due, host.now())
      if (event.is === 'in') inject(event)
      else if (event.is === 'call') runCall(event, due)
      else if (event.is === 'command') command(event.text)
      else {
        const sk = calls.lastSocket()
        if (sk !== 0)
          for (const [name, value] of tcpInfo(host.i32, sk, host.stack.time)) names.set(name, value)
        runCode(event.text, names)
      }
    }
    lastDue = due
    isLastIn = isIn
  }

  for (const event of script.events)
    try {
      runOne(event)
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error
      const text = event.text.trim().replaceAll(/\s+/g, ' ')
      throw new Mismatch(`line ${event.line}: ${text}\n    ${error.message}`)
    }
  awaitBlocked()
}
