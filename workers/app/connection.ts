/**
 * A stream connection of an application over one sid: what socket.ts gives Node's shape, and the HTTP server uses as it
 * is. Bytes go out in skbs of this thread's pool, as many as SEND_WINDOW at a time, and come in as far as the credit goes
 * that was granted; both are returned only when the other side has used them. What happens is told to one `user` by
 * plain calls. Application thread only.
 */
import { Errno } from '../../core/base/errno.ts'
import { LARGE_BYTES } from '../../core/shm/layout.ts'
import { MAX_HEADER, SKB_DATA, SKB_END, SKB_LEN } from '../../core/skb/skb.ts'
import {
  AppOp,
  CLOSE_ABORT,
  CLOSE_DRAIN,
  CLOSE_NOW,
  E_ADDR,
  E_ARG0,
  E_LPORT,
  E_SKB,
} from '../../core/socket/app-constants.ts'
import { MSG_MORE, SHUT_WR } from '../../core/socket/socket-constants.ts'
import { SOCK_STREAM } from '../../core/socket/sock.ts'
import { addressAt, type AddressInfo } from './address.ts'
import type { Endpoint, Engine } from './engine.ts'

/** Bytes a connection may have on the way to its worker, and the worker on the way to it. */
const SEND_WINDOW = 256 * 1024
export const RECV_WINDOW = 256 * 1024
/** Credit goes back when so much was used, so that small messages do not cost a record each. */
const GRANT_AT = RECV_WINDOW / 4
export const SEGMENT = Math.min(65536, LARGE_BYTES - MAX_HEADER)
const RETRY_MS = 1
const ADDRESS_WORDS = 4
/** Where the two ends lie in a copy of a record's words from E_ADDR on. */
const REMOTE = 0
const LOCAL = E_ARG0 - E_ADDR

const State = { new: 0, open: 1, closed: 2 } as const

/** What a connection tells the one who uses it. */
export type ConnectionUser = {
  /** The handshake is over: 0, or -errno. */
  connected: (result: number) => void
  /** `length` bytes at `from` of the arena are the peer's; they are there only during the call. */
  received: (from: number, length: number) => void
  /** The peer has said its last. */
  ended: () => void
  /** The connection is dead: -errno, and what was being done. */
  failed: (result: number, syscall: string) => void
  /** The worker's protocol has taken some of what was written. */
  taken: () => void
  /** All that was written before `shutdown` is taken, and the end is on its way. */
  shut: () => void
}

export type End = { words: readonly number[]; port: number }

const nothing = (): void => {}
/** Who uses a connection that has not been given to anyone. */
const NOBODY: ConnectionUser = {
  connected: nothing,
  received: nothing,
  ended: nothing,
  failed: nothing,
  taken: nothing,
  shut: nothing,
}

export class AppConnection implements Endpoint {
  /** The worker that owns the connection. */
  readonly worker: number
  user: ConnectionUser = NOBODY
  bytesRead = 0
  /** Bytes handed to the worker. */
  bytesWritten = 0
  /** Bytes written that are still here. */
  queued = 0
  readonly #engine: Engine
  /** Called when the sid is free again. */
  #gone: ((connection: AppConnection) => void) | undefined
  #sid = 0
  #state: number = State.new
  #inFlight = 0
  #owed = 0
  #isPaused = false
  #queue: Uint8Array[] = []
  /** What is to be done once the queue is empty. */
  #next: (() => void) | null = null
  #offset = 0
  #isWaiting = false
  /** The skb of a message that is being written. */
  #message = 0
  #isSoon = false
  /** The worker has been told whom it is connected to. */
  #maySend = false
  /** What is to be done once it is bound. */
  #bound: () => void = nothing
  /** Words of the record that told them: made text of when somebody asks. */
  #ends: Int32Array | undefined
  #local: AddressInfo | undefined
  #remote: AddressInfo | undefined

  constructor(engine: Engine, worker: number) {
    this.#engine = engine
    this.worker = worker
  }
  /** Makes the socket; false when there is no sid left. */
  open(family: number): boolean {
    const sid = this.#engine.claim(this.worker, this)
    if (sid === 0) return false
    this.#sid = sid
    this.#state = State.open
    this.#engine.askSocket(sid, family, SOCK_STREAM, RECV_WINDOW)
    return true
  }
  /** Connects, from an address of its own when one is given. */
  connect(to: End, from?: End): void {
    if (from === undefined) return this.#connect(to)
    this.#bound = () => this.#connect(to)
    this.#engine.askWithAddress(AppOp.BIND, this.#sid, from.words, from.port)
  }
  #connect({ words, port }: End): void {
    this.#maySend = true
    this.#engine.askWithAddress(AppOp.CONNECT, this.#sid, words, port)
    this.#pump()
  }
  /** Takes over what a listener accepted; `at` is the completion that brought it, `gone` hears of its end. */
  accepted(sid: number, at: number, gone: (connection: AppConnection) => void): void {
    this.#engine.assign(sid, this)
    this.#sid = sid
    this.#state = State.open
    this.#gone = gone
    this.#maySend = true
    this.#learnEnds(at)
  }

  get local(): AddressInfo | undefined {
    return (this.#local ??= this.#endAt(LOCAL))
  }
  get remote(): AddressInfo | undefined {
    return (this.#remote ??= this.#endAt(REMOTE))
  }
  #endAt(k: number): AddressInfo | undefined {
    const ends = this.#ends
    return ends && addressAt(ends, k, ends[k + ADDRESS_WORDS])
  }
  #learnEnds(at: number): void {
    this.#ends = this.#engine.arena.i32.slice(at + E_ADDR, at + E_LPORT + 1)
  }
  get isOpen(): boolean {
    return this.#state === State.open
  }
  /** Bytes that the worker's protocol has not taken yet, here or on the way. */
  get untaken(): number {
    return this.queued + this.#inFlight
  }
  /** More may be written: the worker is about to take what is here. */
  get hasRoom(): boolean {
    return this.untaken < SEND_WINDOW
  }
  get bytesTaken(): number {
    return this.bytesWritten - this.#inFlight
  }
  setOption(level: number, name: number, value: number): void {
    if (this.isOpen) this.#engine.askOption(this.#sid, level, name, value)
  }

  // What the worker says.

  completion(op: number, at: number, result: number): void {
    if (op === AppOp.RECV) this.#received(at, result)
    else if (op === AppOp.SEND) this.#taken(result)
    else if (op === AppOp.CLOSE) this.#forget()
    else if (this.isOpen) this.#answered(op, at, result)
  }
  #answered(op: number, at: number, result: number): void {
    if (op === AppOp.SHUTDOWN) this.user.shut()
    else if (op === AppOp.SOCKET && result < 0) this.user.failed(result, 'socket')
    else if (op === AppOp.BIND) {
      if (result < 0) this.user.failed(result, 'bind')
      else this.#bound()
    } else if (op === AppOp.CONNECT) {
      if (result === 0) this.#learnEnds(at)
      this.user.connected(result)
    }
  }
  lost(): void {
    const wasOpen = this.isOpen
    this.#forget()
    if (wasOpen) this.user.failed(-Errno.ECONNRESET, 'read')
  }
  #forget(): void {
    this.#state = State.closed
    this.#sid = 0
    this.#inFlight = 0
    const gone = this.#gone
    this.#gone = undefined
    gone?.(this)
  }

  #received(at: number, result: number): void {
    const { arena, consume } = this.#engine
    const skb = arena.i32[at + E_SKB]
    try {
      if (!this.isOpen) return
      if (result === 0) return this.user.ended()
      if (result < 0) return this.user.failed(result, 'read')
      this.bytesRead += result
      this.#owed += result
      this.user.received(arena.i32[skb + SKB_DATA], result)
      this.#grant()
    } finally {
      if (skb !== 0) consume(skb)
    }
  }
  /** Returns the credit of what was used. */
  #grant(): void {
    if (this.#isPaused || this.#owed < GRANT_AT || !this.isOpen) return
    this.#engine.ask(AppOp.RECV, this.#sid, this.#owed)
    this.#owed = 0
  }
  /** What comes is not used for now: the peer may send as much as the credit that it has. */
  pause(): void {
    this.#isPaused = true
  }
  resume(): void {
    this.#isPaused = false
    this.#grant()
  }

  // What is written.

  /** Writes `bytes`, which stay the connection's until they are taken. */
  write(bytes: Uint8Array): void {
    if (this.#enqueue(bytes)) this.#pump()
  }
  /** As write, in one piece with what else is written in this turn: small pieces are no small segments. */
  writeSoon(bytes: Uint8Array): void {
    if (!this.#enqueue(bytes) || this.#isSoon) return
    this.#isSoon = true
    queueMicrotask(this.#soon)
  }
  #enqueue(bytes: Uint8Array): boolean {
    if (bytes.length === 0 || this.#state === State.closed) return false
    this.#queue.push(bytes)
    this.queued += bytes.length
    return true
  }
  readonly #soon = (): void => {
    this.#isSoon = false
    this.#pump()
  }
  /** All of the arena. */
  get bytes(): Buffer {
    return this.#engine.bytes
  }
  /** Where in the arena a message of `length` bytes is to be written at once; 0: it does not fit into one skb now. */
  beginMessage(length: number): number {
    const skb = this.isOpen && this.queued === 0 ? this.#alloc(length) : 0
    this.#message = skb
    return skb === 0 ? 0 : this.#engine.skbs.put(skb, length)
  }
  /** It is written. When it is the last one, and a close follows at once, the end goes out in the same segment. */
  endMessage(isLast: boolean): void {
    const skb = this.#message
    this.#message = 0
    this.#send(skb, this.#engine.arena.i32[skb + SKB_LEN], isLast ? MSG_MORE : 0)
  }
  /** An skb with room for all of `length` bytes, or 0. */
  #alloc(length: number): number {
    if (length > SEGMENT || this.#inFlight >= SEND_WINDOW) return 0
    const { arena, allocSend, consume } = this.#engine
    const skb = allocSend(length, this.#inFlight)
    if (skb === 0 || arena.i32[skb + SKB_END] - arena.i32[skb + SKB_DATA] >= length) return skb
    consume(skb)
    return 0
  }
  #send(skb: number, length: number, flags = 0): void {
    this.#inFlight += length
    this.bytesWritten += length
    this.#engine.askSend(this.#sid, skb, flags)
  }
  /** Fills skbs from what was written, as far as the window and the pool allow. */
  #pump(): void {
    if (!this.#maySend) return
    while (this.queued > 0 && this.isOpen) {
      const wanted = Math.min(this.queued, SEGMENT)
      const skb = this.#inFlight < SEND_WINDOW ? this.#engine.allocSend(wanted, this.#inFlight) : 0
      if (skb === 0) return this.#await()
      this.#fill(skb, wanted)
    }
    const next = this.#next
    this.#next = null
    next?.()
  }
  #fill(skb: number, wanted: number): void {
    const { skbs, arena } = this.#engine
    const length = Math.min(wanted, arena.i32[skb + SKB_END] - arena.i32[skb + SKB_DATA])
    let to = skbs.put(skb, length)
    let used = 0
    for (let left = length; left > 0; ) {
      const bytes = this.#queue[used]
      const n = Math.min(left, bytes.length - this.#offset)
      arena.u8.set(bytes.subarray(this.#offset, this.#offset + n), to)
      to += n
      left -= n
      this.#offset += n
      if (this.#offset < bytes.length) break
      used++
      this.#offset = 0
    }
    if (used > 0) this.#queue.splice(0, used)
    this.queued -= length
    this.#send(skb, length)
  }
  /** Nothing in flight will bring us back here when it was memory that lacked: then a timer does. */
  #await(): void {
    if (this.#inFlight > 0 || this.#isWaiting) return
    this.#isWaiting = true
    setTimeout(() => {
      this.#isWaiting = false
      this.#pump()
    }, RETRY_MS)
  }
  #taken(result: number): void {
    if (result >= 0) this.#inFlight -= result
    if (!this.isOpen) return
    if (result < 0) return this.user.failed(result, 'write')
    this.#pump()
    this.user.taken()
  }

  // How it ends.

  /** Ends the sending side once all that was written is taken; `shut` follows. */
  shutdown(): void {
    this.#whenSent(() => this.#engine.ask(AppOp.SHUTDOWN, this.#sid, SHUT_WR))
  }
  /** Closes now: what the protocol has taken is still sent. */
  close(): void {
    if (this.#isSoon) this.#pump()
    this.#close(CLOSE_NOW)
  }
  /** Closes once all that was written is taken. */
  closeDrained(): void {
    this.#whenSent(() => this.#close(CLOSE_DRAIN))
  }
  #whenSent(next: () => void): void {
    if (!this.isOpen) return
    if (this.queued === 0 && this.#maySend) next()
    else this.#next = next
  }
  /** Sends a RST and closes, also what is closing. */
  abort(): void {
    if (this.#sid === 0) return
    this.#state = State.open
    this.#close(CLOSE_ABORT)
  }
  #close(how: number): void {
    if (!this.isOpen) return
    this.#state = State.closed
    this.#queue = []
    this.#next = null
    this.queued = 0
    this.#engine.askClose(this.#sid, how)
  }
}
