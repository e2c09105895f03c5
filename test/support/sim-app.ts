// An application over rings for a host of a simulation (net-sim.ts): listens on every worker and sends back what it hears.
// It has no loop of its own: the test calls `turn`.

import { AF_INET } from '../../core/base/family.ts'
import { SKB_LEN } from '../../core/skb/skb.ts'
import {
  AppOp,
  CLOSE_ABORT,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_ARG2,
  E_LEN,
  E_OP,
  E_PORT,
  E_SID,
  E_SKB,
} from '../../core/socket/app-constants.ts'
import { createAppRings } from '../../core/socket/app-rings.ts'
import { SO_REUSEPORT, SOL_SOCKET } from '../../core/socket/socket-constants.ts'
import { SOCK_STREAM } from '../../core/socket/sock.ts'
import { createThread } from '../../core/stack/thread.ts'
import type { SimHost } from '../../sim/net/net-sim.ts'

const CREDIT = 1 << 20

export type SimApp = ReturnType<typeof createSimApp>

export const createSimApp = ({ arena }: SimHost, port: number) => {
  const { i32, layout } = arena
  const { skbs, consume } = createThread({ arena, thread: layout.appThread, wake: () => {} })
  const { workers } = layout.config
  const listeners = new Map<number, number>()
  const workerOf = new Map<number, number>()
  const lost: number[] = []
  let accepted = 0

  const claim = (worker: number): number => {
    const sid = rings.allocSid()
    workerOf.set(sid, worker)
    return sid
  }
  const ask = (op: number, sid: number, words: Record<number, number> = {}): void => {
    const at = rings.begin(workerOf.get(sid)!, op, sid, 0)
    for (const [word, value] of Object.entries(words)) i32[at + Number(word)] = value
    rings.commit()
  }
  const accept = (listener: number): void =>
    ask(AppOp.ACCEPT, listener, { [E_PORT]: claim(workerOf.get(listener)!), [E_LEN]: CREDIT })
  const listen = (worker: number): void => {
    const sid = claim(worker)
    listeners.set(worker, sid)
    ask(AppOp.SOCKET, sid, { [E_ARG0]: AF_INET, [E_ARG1]: SOCK_STREAM })
    ask(AppOp.SETSOCKOPT, sid, { [E_ARG0]: SOL_SOCKET, [E_ARG1]: SO_REUSEPORT, [E_ARG2]: 1 })
    ask(AppOp.BIND, sid, { [E_ADDR + 2]: 0xffff, [E_PORT]: port })
    ask(AppOp.LISTEN, sid, { [E_LEN]: 16 })
    accept(sid)
  }
  const rings = createAppRings({
    arena,
    app: 0,
    skbs,
    consume,
    wake: () => {},
    completion: (worker, at) => {
      const op = i32[at + E_OP]
      const sid = i32[at + E_SID]!
      const skb = i32[at + E_SKB]!
      if (op === AppOp.ACCEPT) {
        accepted++
        accept(listeners.get(worker)!)
      } else if (op === AppOp.RECV && skb !== 0) {
        ask(AppOp.RECV, sid, { [E_LEN]: i32[skb + SKB_LEN]! })
        ask(AppOp.SEND, sid, { [E_SKB]: skb })
      } else if (op === AppOp.RECV) ask(AppOp.CLOSE, sid, { [E_ARG0]: CLOSE_ABORT })
      else if (op === AppOp.CLOSE) {
        workerOf.delete(sid)
        rings.freeSid(sid)
      }
    },
    workerLost: (worker) => {
      lost.push(worker)
      for (const [sid, of] of workerOf) {
        if (of !== worker) continue
        workerOf.delete(sid)
        rings.freeSid(sid)
      }
      listen(worker)
    },
  })
  for (let worker = 0; worker < workers; worker++) listen(worker)
  rings.flush()

  return {
    skbs,
    lost,
    accepted: (): number => accepted,
    /** Sids that it has: a listener and a child to be for each worker, and its connections. */
    sids: (): number => workerOf.size,
    turn: (): void => {
      rings.poll()
      rings.flush()
    },
    /** Is no more: the workers close what it has. */
    leave: rings.detach,
  }
}
