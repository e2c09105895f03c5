/**
 * The event loop's side of an application's rings: drains completions when the doorbell rings, hands each to the object
 * that its sid names, and flushes what was asked for once at the end of the turn. Neither spins nor blocks: after
 * work it looks again in the next turns of the loop, then says that it sleeps. Application thread only.
 */
import type { Arena } from '../../core/shm/arena.ts'
import { SMALL_BYTES } from '../../core/shm/layout.ts'
import { MAX_HEADER, SKB_DATA } from '../../core/skb/skb.ts'
import { createAppRings } from '../../core/socket/app-rings.ts'
import { createThread } from '../../core/stack/thread.ts'
import {
  APP_SIDS,
  AppOp,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_ARG2,
  E_CONTROL,
  E_LEN,
  E_OP,
  E_PORT,
  E_SID,
  E_SKB,
  E_USER,
} from '../../core/socket/app-constants.ts'
import { noteWork } from './collect.ts'
import type { Bell } from './doorbell.ts'
import { beginTurn, endTurn } from './turn-time.ts'

/** An object that owns sids. `at` is the completion's record, `result` its LEN word. */
export type Endpoint = {
  completion: (op: number, at: number, result: number, sid: number) => void
  /** The worker of the sid was restarted; the sid is no longer the endpoint's. */
  lost: (sid: number, worker: number) => void
}
export type EngineDeps = {
  arena: Arena
  /** This thread's id: layout.appThread + the application's number. */
  thread: number
  wake: (thread: number) => void
  bell: Bell
}
export type Engine = ReturnType<typeof createEngine>

/** Turns without work before the engine says that it sleeps. */
const IDLE_TURNS = 2
const RETRY_MS = 1

/** Most that a small buffer carries; bytes that a socket may have in flight for each free buffer. */
const SMALL_SEND = SMALL_BYTES - MAX_HEADER
const LARGE_SHARE = 65536 / 8
const SMALL_SHARE = SMALL_SEND / 64

export const createEngine = ({ arena, thread, wake, bell }: EngineDeps) => {
  const { i32, u8, layout } = arena
  const { skbs, consume } = createThread({ arena, thread, wake })
  const endpoints: (Endpoint | undefined)[] = []
  const workerOf: number[] = []
  /** Closes on the way. */
  const closing = new Uint8Array(APP_SIDS)

  const completion = (_worker: number, at: number): void => {
    const sid = i32[at + E_SID]
    const op = i32[at + E_OP]
    const endpoint = endpoints[sid]
    if (op === AppOp.CLOSE) {
      // closed again before it was closed: the sid is free, and its endpoint hears of it, when both are answered
      if (--closing[sid] > 0) return
      release(sid)
    }
    if (endpoint !== undefined) endpoint.completion(op, at, i32[at + E_LEN], sid)
    else if (i32[at + E_SKB] !== 0) consume(i32[at + E_SKB])
  }
  const workerLost = (worker: number): void => {
    const gone = workerOf.flatMap((of, sid) => (of === worker ? [sid] : []))
    for (const sid of gone) endpoints[sid]?.lost(sid, worker)
    // after all are told, lest one of them claims a sid that is yet to be told of
    for (const sid of gone) release(sid)
  }
  const app = thread - layout.appThread
  const rings = createAppRings({ arena, app, skbs, consume, wake, completion, workerLost })

  // Sids.

  /** A sid at `worker` whose completions go to `endpoint`; 0 when there is none left. */
  const claim = (worker: number, endpoint: Endpoint): number => {
    const sid = rings.allocSid()
    if (sid !== 0) {
      endpoints[sid] = endpoint
      workerOf[sid] = worker
    }
    return sid
  }
  /** Gives a sid, and what comes for it, to another endpoint. */
  const assign = (sid: number, endpoint: Endpoint): void => {
    endpoints[sid] = endpoint
  }
  const release = (sid: number): void => {
    endpoints[sid] = undefined
    workerOf[sid] = -1
    closing[sid] = 0
    rings.freeSid(sid)
    for (const hungry of waiting.splice(0)) hungry()
  }
  /** Calls `again` once a sid is free again. */
  const waiting: (() => void)[] = []
  const onFreeSid = (again: () => void): void => {
    waiting.push(again)
  }

  // Submissions.

  const begin = (op: number, sid: number, user = 0): number =>
    rings.begin(workerOf[sid], op, sid, user)
  const send = (): void => {
    rings.commit()
    touch()
  }
  /** A submission whose only argument is its LEN word. */
  const ask = (op: number, sid: number, len = 0): void => {
    i32[begin(op, sid) + E_LEN] = len
    send()
  }
  /** Behind the four words there may be the device of the address's link. */
  const askWithAddress = (
    op: number,
    sid: number,
    words: readonly number[],
    port: number,
    skb = 0,
    flags = 0,
    flowinfo = 0
  ): void => {
    const at = begin(op, sid)
    for (let w = 0; w < 4; w++) i32[at + E_ADDR + w] = words[w]
    i32[at + E_PORT] = port
    i32[at + E_ARG0] = words[4] ?? 0
    i32[at + E_ARG1] = flags
    i32[at + E_LEN] = flowinfo
    i32[at + E_SKB] = skb
    send()
  }
  const askSocket = (
    sid: number,
    family: number,
    type: number,
    credit: number,
    protocol = 0
  ): void => {
    const at = begin(AppOp.SOCKET, sid)
    i32[at + E_ARG0] = family
    i32[at + E_ARG1] = type
    i32[at + E_ARG2] = protocol
    i32[at + E_LEN] = credit
    send()
  }
  const askOption = (sid: number, level: number, name: number, value: number): void => {
    const at = begin(AppOp.SETSOCKOPT, sid)
    i32[at + E_ARG0] = level
    i32[at + E_ARG1] = name
    i32[at + E_ARG2] = value
    send()
  }
  /** An option whose value is words; false: there is no memory for them. */
  const askOptionBytes = (sid: number, level: number, name: number, value: Uint8Array): boolean => {
    const skb = skbs.alloc(value.length, MAX_HEADER)
    if (skb === 0) return false
    u8.set(value, skbs.put(skb, value.length))
    const at = begin(AppOp.SETSOCKOPT, sid)
    i32[at + E_ARG0] = level
    i32[at + E_ARG1] = name
    i32[at + E_SKB] = skb
    send()
    return true
  }
  /** `isBytes`: octets, in the completion's skb. */
  const askGetOption = (sid: number, level: number, name: number, isBytes = false): void => {
    const at = begin(AppOp.GETSOCKOPT, sid)
    i32[at + E_ARG0] = level
    i32[at + E_ARG1] = name
    i32[at + E_ARG2] = isBytes ? 1 : 0
    send()
  }
  /** The last `control` octets of the skb are control messages; port -1: to the peer. */
  const askSendmsg = (
    sid: number,
    skb: number,
    words: readonly number[],
    port: number,
    flags: number,
    control: number,
    flowinfo: number
  ): void => {
    const at = begin(AppOp.SENDMSG, sid)
    for (let w = 0; w < 4; w++) i32[at + E_ADDR + w] = words[w]
    i32[at + E_ARG0] = words[4] ?? 0
    i32[at + E_ARG1] = flags
    i32[at + E_ARG2] = port === -1 ? 1 : 0
    i32[at + E_PORT] = port
    i32[at + E_CONTROL] = control
    i32[at + E_LEN] = flowinfo
    i32[at + E_SKB] = skb
    send()
  }
  const askRecvmsg = (sid: number, length: number, flags: number): void => {
    const at = begin(AppOp.RECVMSG, sid)
    i32[at + E_ARG0] = flags
    i32[at + E_LEN] = length
    send()
  }
  const askMulticastOption = (sid: number, level: number, name: number, value: number): void => {
    const at = begin(AppOp.MULTICAST, sid)
    i32[at + E_ARG0] = level
    i32[at + E_ARG1] = name
    i32[at + E_ARG2] = value
    send()
  }
  const askMembership = (
    sid: number,
    name: number,
    group: readonly number[],
    ifindex: number,
    address: number,
    source: readonly number[]
  ): void => {
    const at = begin(AppOp.MEMBERSHIP, sid)
    for (let w = 0; w < 4; w++) {
      i32[at + E_ADDR + w] = group[w]
      i32[at + E_ARG1 + w] = source[w]
    }
    i32[at + E_PORT] = ifindex
    i32[at + E_ARG0] = name
    i32[at + E_LEN] = address
    send()
  }
  /** `isNow`: what is there, or -EAGAIN. */
  const askAccept = (listener: number, child: number, credit: number, isNow = false): void => {
    const at = begin(AppOp.ACCEPT, listener, child)
    i32[at + E_PORT] = child
    i32[at + E_ARG0] = isNow ? 1 : 0
    i32[at + E_LEN] = credit
    send()
  }
  const askSend = (sid: number, skb: number, flags: number): void => {
    const at = begin(AppOp.SEND, sid)
    i32[at + E_SKB] = skb
    i32[at + E_ARG0] = flags
    send()
  }
  const askClose = (sid: number, how: number): void => {
    closing[sid]++
    i32[begin(AppOp.CLOSE, sid) + E_ARG0] = how
    send()
  }

  // Memory: what a socket may hold shrinks with what is left, so that those whose peers do not read leave some.

  const freeLarges = layout.freeLarges + thread * (32 + layout.config.largeBuffers)
  const freeSmalls = layout.freeSmalls + thread * (32 + layout.config.smallBuffers)
  /** An skb for up to `wanted` bytes to send, of a socket that has `inFlight` on the way; 0 when it must wait. */
  const allocSend = (wanted: number, inFlight: number): number => {
    const large = wanted > SMALL_SEND && inFlight + wanted <= i32[freeLarges] * LARGE_SHARE
    if (large) return skbs.alloc(wanted, MAX_HEADER)
    const share = i32[freeSmalls] * SMALL_SHARE
    return inFlight < share || inFlight === 0
      ? skbs.alloc(Math.min(wanted, SMALL_SEND), MAX_HEADER)
      : 0
  }

  /** All of the arena, as the text functions want it. */
  const bytes = Buffer.from(u8.buffer, u8.byteOffset, u8.length)
  /** The bytes of a received skb, copied to memory that is not shared; frees the skb. */
  const takeBytes = (at: number): Buffer => {
    const skb = i32[at + E_SKB]
    const length = i32[at + E_LEN]
    const taken = copyBytes(i32[skb + SKB_DATA], length)
    consume(skb)
    return taken
  }
  const copyBytes = (from: number, length: number): Buffer => {
    const copy = Buffer.allocUnsafeSlow(length)
    copy.set(u8.subarray(from, from + length))
    return copy
  }

  // The loop.

  let closed = false
  let flushing = false
  let turning = false
  let idle = 0
  const flushNow = (): void => {
    flushing = false
    if (closed) return
    rings.flush()
    if (rings.unflushed()) setTimeout(schedule, RETRY_MS)
  }
  /** Something was submitted: it goes out at the end of this turn. */
  const touch = (): void => {
    if (flushing) return
    flushing = true
    queueMicrotask(flushNow)
  }
  const turn = (): void => {
    turning = false
    if (closed) return
    let came = 1
    try {
      beginTurn()
      came = rings.poll()
      noteWork(came)
    } finally {
      endTurn()
      // a listener that throws is the application's matter; the other sockets go on
      flushNow()
      idle = came > 0 ? 0 : idle + 1
      if (idle < IDLE_TURNS || !rings.sleep()) schedule()
    }
  }
  const schedule = (): void => {
    if (turning || closed) return
    turning = true
    setImmediate(turn)
  }
  bell.listen(() => {
    idle = 0
    if (!turning) turn()
  })
  schedule()

  /** Leaves the stack: the workers close what is open. */
  const close = (): void => {
    if (closed) return
    closed = true
    rings.detach()
    bell.close()
  }
  return {
    arena,
    skbs,
    consume,
    workers: rings.workers,
    claim,
    assign,
    release,
    onFreeSid,
    ask,
    askWithAddress,
    askSocket,
    askOption,
    askOptionBytes,
    askGetOption,
    askSendmsg,
    askRecvmsg,
    askMulticastOption,
    askMembership,
    askAccept,
    askSend,
    askClose,
    allocSend,
    bytes,
    copyBytes,
    takeBytes,
    close,
    workerOf: (sid: number): number => workerOf[sid],
    sidsInUse: rings.sidsInUse,
    userOf: (at: number): number => i32[at + E_USER],
  }
}
