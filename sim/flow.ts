/**
 * Flows of a case: connections of a client to a server, whose ends check every byte (net/sim-apps.ts). A flow
 * sends so many bytes there and gets so many back, in rounds that wait for one another.
 */
import { AF_INET, AF_INET6 } from '../core/base/family.ts'
import { Fault } from './fault.ts'
import type { SimHost } from './net/net-sim.ts'
import { dialTcp, serveTcp, type TcpEnd } from './net/sim-apps.ts'

/** Bytes there and back in a round, and who ends it: by a FIN, or by a reset once the client has everything. */
export type Talk = {
  bytes: number
  back: number
  rounds: number
  ends?: 'client' | 'server' | 'reset'
}
export type Flow = ReturnType<ReturnType<typeof createFlows>['dial']>
type Options = {
  /** Whether connections may break, to be made anew: a worker of the server has restarted, its memory is short. */
  mayBreak?: () => boolean
  /** The server does not read before it is told. */
  isLazy?: boolean
}

const PORT = 80
const BACKLOG = 128
/** A SYN that nobody answers is not the end: it was as likely as that. */
const DIALS = 5
/** A connection that may break says now and then that it is there: seconds, seconds, times. */
const KEEPALIVE = [
  [1, 9, 1],
  [6, 4, 5],
  [6, 5, 2],
  [6, 6, 8],
] as const

/** `nowMs` is the simulation's clock. */
export const createFlows = (
  server: SimHost,
  family: number,
  nowMs: () => number,
  options: Options = {}
) => {
  const { mayBreak = () => false, isLazy = false } = options
  /** The latest call from each port (the client's, by its place in the pattern), and the server's end of it. */
  const calls = new Map<number, { talk: Talk; end?: TcpEnd }>()
  const open: { excuse: () => void; close: () => void }[] = []
  let isReading = !isLazy

  /** Answers each question that is whole; ends when the client has, or first. */
  const serve = (end: TcpEnd): void => {
    const call = calls.get(end.place)
    end.isReading = isReading
    if (call === undefined) return
    call.end = end
    const { talk } = call
    end.heard = () => {
      const asked = talk.bytes === 0 ? talk.rounds : Math.floor(end.received / talk.bytes)
      const due = Math.min(asked, talk.rounds) * talk.back
      if (due > end.toSend) end.start(due - end.toSend)
      if (end.eof || (talk.ends === 'server' && asked >= talk.rounds)) end.finish()
    }
  }
  const listener = serveTcp(server, PORT, family === 6 ? AF_INET6 : AF_INET, {
    greet: serve,
    backlog: BACKLOG,
  })

  const dial = (host: SimHost, to: string, talk: Talk, worker = 0) => {
    const total = { up: talk.bytes * talk.rounds, down: talk.back * talk.rounds }
    let client!: TcpEnd
    let call: { talk: Talk; end?: TcpEnd } = { talk }
    let dials = 0
    let seen = -1
    const hear = (end: TcpEnd) => (): void => {
      const answered = talk.back === 0 ? talk.rounds : Math.floor(end.received / talk.back)
      const due = Math.min(answered + 1, talk.rounds) * talk.bytes
      if (due > end.toSend) end.start(due - end.toSend)
      const isWhole = end.received >= total.down && end.toSend >= total.up
      if (!isWhole || (talk.ends === 'server' && !end.eof)) return
      if (talk.ends === 'reset') end.abort()
      else end.finish()
    }
    const connect = (): void => {
      dials++
      client = dialTcp(host, to, PORT, worker)
      if (options.mayBreak !== undefined)
        for (const [level, name, value] of KEEPALIVE)
          host.stacks[worker]!.sockets.setsockopt(client.sk, level, name, value)
      call = { talk }
      calls.set(client.place, call)
      client.heard = hear(client)
      client.heard()
    }
    const peer = (): TcpEnd | undefined => call.end
    const isReset = talk.ends === 'reset'
    /** A connection that could not be made, or may have broken, is made again. */
    const mayDial = (): boolean => (client.connected ? mayBreak() : dials < DIALS || mayBreak())
    const flow = {
      beganMs: nowMs(),
      movedMs: nowMs(),
      peer,
      get dials(): number {
        return dials
      },
      /** Bytes that have come, both ways. */
      arrived: (): number => client.received + (peer()?.received ?? 0),
      isDone: (): boolean => {
        if (client.error !== 0) return !mayDial()
        if (isReset) return client.received >= total.down && !client.open
        const there = peer()
        if (there === undefined) return false
        if (there.error !== 0) return !mayBreak()
        return client.eof && there.eof
      },
      /** Notes whether it has moved since the last look; one that may tries again. */
      look: (now: number): void => {
        if (client.error !== 0 && mayDial()) {
          client.close()
          connect()
        }
        const there = peer()
        const is = dials + Number(client.connected) + client.received + client.sent
        const all = is + (there?.received ?? 0)
        if (all !== seen) flow.movedMs = now
        seen = all
      },
      /** What a flow that is done must be. */
      check: (): void => {
        const there = peer()
        if (client.wrong + (there?.wrong ?? 0) > 0)
          throw new Fault('corrupt', `wrong bytes: ${flow}`)
        if (client.error !== 0 || there === undefined || (there.error !== 0 && !isReset))
          throw new Fault('error', `ended with an error: ${flow}`)
        if (client.received !== total.down || there.received !== total.up)
          throw new Fault('corrupt', `not all, or too much: ${flow}`)
      },
      /** It was held up, and begins now. */
      excuse: (): void => {
        flow.beganMs = flow.movedMs = nowMs()
      },
      close: (): void => client.close(),
      toString: (): string => {
        const there = peer()
        return [
          `${there?.received ?? 0} of ${total.up} bytes there`,
          `${client.received} of ${total.down} back`,
          client.connected ? 'connected' : 'not connected',
          ...(client.error !== 0 ? [`client's errno ${client.error}`] : []),
          ...(there !== undefined && there.error !== 0 ? [`server's errno ${there.error}`] : []),
        ].join(', ')
      },
    }
    connect()
    open.push(flow)
    return flow
  }
  /** The server begins to read. */
  const read = (): void => {
    isReading = true
    for (const flow of open) flow.excuse()
    for (const end of listener.ends) {
      end.isReading = true
      if (end.open) end.poke()
    }
  }
  /** The applications end. */
  const close = (): void => {
    for (const flow of open) flow.close()
    for (const end of listener.ends) end.close()
    listener.close()
  }
  return { dial, read, close, restarted: listener.restarted }
}
