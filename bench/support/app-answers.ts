// An application over the rings of worker 0 that answers whatever its connections are sent, all of a batch at once.
import { AF_INET } from '../../core/base/family.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { MAX_HEADER, SKB_DATA } from '../../core/skb/skb.ts'
import {
  AppOp,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_LEN,
  E_OP,
  E_PORT,
  E_SID,
  E_SKB,
} from '../../core/socket/app-constants.ts'
import { createAppRings } from '../../core/socket/app-rings.ts'
import { SOCK_STREAM } from '../../core/socket/sock.ts'
import { createThread } from '../../core/stack/thread.ts'

const CREDIT = 0x3fffffff
const LINE = 64
const nothing = (): void => {}

export type AppAnswersOptions = { port: number; clients: number; answerBytes: number }

export const createAppAnswers = (arena: Arena, options: AppAnswersOptions) => {
  const { port, clients, answerBytes } = options
  const { i32, u8, layout } = arena
  const { skbs, consume } = createThread({ arena, thread: layout.appThread, wake: nothing })
  const asking = new Int32Array(clients)
  let count = 0
  let opened = 0
  /** Of what was read, lest the engine leaves that out. */
  let seen = 0
  const completion = (_worker: number, at: number): void => {
    const [op, result, skb] = [i32[at + E_OP]!, i32[at + E_LEN]!, i32[at + E_SKB]!]
    if (result < 0) throw new Error(`operation ${op}: ${result}`)
    if (op === AppOp.LISTEN || op === AppOp.ACCEPT) opened++
    if (op !== AppOp.RECV) return
    const from = i32[skb + SKB_DATA]!
    for (let k = 0; k < result; k += LINE) seen ^= u8[from + k]!
    asking[count++] = i32[at + E_SID]!
    consume(skb)
  }
  const rings = createAppRings({
    arena,
    app: 0,
    skbs,
    consume,
    wake: nothing,
    completion,
    workerLost: nothing,
  })
  const ask = (op: number, sid: number, words: [word: number, value: number][]): void => {
    const at = rings.begin(0, op, sid, 0)
    for (const [word, value] of words) i32[at + word] = value
    rings.commit()
  }
  const listen = (): void => {
    const listener = rings.allocSid()
    ask(AppOp.SOCKET, listener, [
      [E_ARG0, AF_INET],
      [E_ARG1, SOCK_STREAM],
    ])
    ask(AppOp.BIND, listener, [
      [E_ADDR + 2, 0xffff],
      [E_PORT, port],
    ])
    ask(AppOp.LISTEN, listener, [[E_LEN, clients]])
    for (let k = 0; k < clients; k++)
      ask(AppOp.ACCEPT, listener, [
        [E_PORT, rings.allocSid()],
        [E_LEN, CREDIT],
      ])
    rings.flush()
  }
  /** Answers what has come; how many requests that were. */
  const answer = (): number => {
    rings.poll()
    const n = count
    count = 0
    for (let k = 0; k < n; k++) {
      const skb = skbs.alloc(answerBytes, MAX_HEADER)
      const at = skbs.put(skb, answerBytes)
      u8.fill(seen, at, at + answerBytes)
      i32[rings.begin(0, AppOp.SEND, asking[k]!, 0) + E_SKB] = skb
      rings.commit()
    }
    if (n > 0) rings.flush()
    return n
  }
  return { listen, answer, opened: () => opened }
}
