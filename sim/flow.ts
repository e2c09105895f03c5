/**
 * Flows of a case: connections of a (or of several hosts) to a server, whose ends check every byte (test/support/
 * sim-apps.ts). A flow sends so many bytes there and gets so many back, in rounds that wait for one another.
 */
import { AF_INET, AF_INET6 } from '../core/base/family.ts'
import { dialTcp, type SimHost, serveTcp, type TcpEnd, type TcpServer } from './parts.ts'
import { Fault } from './fault.ts'

/** Bytes there and back in a round. */
export type Talk = { bytes: number; back: number; rounds: number }
export type Flow = ReturnType<Flows['dial']>
type Flows = ReturnType<typeof createFlows>

const PORT = 80
/** A SYN that nobody answers is not the end: it was as likely as that. */
const DIALS = 5

export const createFlows = (server: SimHost, family: number) => {
  /** The server's ends by their place in the pattern, which is that of their client's port. */
  const ends = new Map<number, TcpEnd>()
  const talks = new Map<number, Talk>()
  const open: { close: () => void }[] = []

  /** Answers each question that is whole; ends when the client has. */
  const serve = (end: TcpEnd): void => {
    ends.set(end.place, end)
    end.heard = () => {
      const talk = talks.get(end.place)
      if (talk === undefined) return
      const asked = talk.bytes === 0 ? talk.rounds : Math.floor(end.received / talk.bytes)
      const due = Math.min(asked, talk.rounds) * talk.back
      if (due > end.toSend) end.start(due - end.toSend)
      if (end.eof) end.finish()
    }
  }
  const listener: TcpServer = serveTcp(server, PORT, family === 6 ? AF_INET6 : AF_INET, serve)

  const dial = (host: SimHost, to: string, talk: Talk, worker = 0) => {
    const total = { up: talk.bytes * talk.rounds, down: talk.back * talk.rounds }
    let client!: TcpEnd
    let dials = 0
    let seen = -1
    const connect = (): void => {
      dials++
      client = dialTcp(host, to, PORT, worker)
      talks.set(client.place, talk)
      client.heard = () => {
        const answered = talk.back === 0 ? talk.rounds : Math.floor(client.received / talk.back)
        const due = Math.min(answered + 1, talk.rounds) * talk.bytes
        if (due > client.toSend) client.start(due - client.toSend)
        if (client.received >= total.down && client.toSend >= total.up) client.finish()
      }
      client.heard()
    }
    const peer = (): TcpEnd | undefined => ends.get(client.place)
    const progress = (): number => {
      const there = peer()
      return (
        dials + Number(client.connected) + client.received + client.sent + (there?.received ?? 0)
      )
    }
    const flow = {
      movedMs: 0,
      get client(): TcpEnd {
        return client
      },
      peer,
      /** Bytes that have come, both ways. */
      arrived: (): number => client.received + (peer()?.received ?? 0),
      isDone: (): boolean => {
        if (client.error !== 0) return dials >= DIALS || client.connected
        const there = peer()
        if (there === undefined || there.error !== 0) return there !== undefined
        return client.eof && there.eof
      },
      /** Notes whether it has moved since the last look; one that found nobody tries again. */
      look: (now: number): void => {
        if (client.error !== 0 && !client.connected && dials < DIALS) {
          client.close()
          connect()
        }
        const is = progress()
        if (is !== seen) flow.movedMs = now
        seen = is
      },
      /** What a flow that is done must be. */
      check: (): void => {
        const there = peer()
        if (client.wrong + (there?.wrong ?? 0) > 0)
          throw new Fault('corrupt', `wrong bytes: ${flow}`)
        if (client.error !== 0 || there === undefined || there.error !== 0)
          throw new Fault('error', `ended with an error: ${flow}`)
        if (client.received !== total.down || there.received !== total.up)
          throw new Fault('corrupt', `not all, or too much: ${flow}`)
      },
      close: (): void => {
        client.close()
        peer()?.close()
      },
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
  /** The applications end. */
  const close = (): void => {
    for (const flow of open) flow.close()
    listener.close()
  }
  return { dial, close }
}
