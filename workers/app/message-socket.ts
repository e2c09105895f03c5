/**
 * A socket of datagrams of an application with the calls of socket(2), each of which answers by a promise: sendmsg and recvmsg with
 * control messages, and the error queue by MSG_ERRQUEUE. A UDP or ping socket lives on one worker, whither the others pass what is
 * for its port; a raw one, which hears copies, has a socket on each. Streams have their own calls beside these (stream-socket.ts).
 * Application thread only.
 */
import { Errno } from '../../core/base/errno.ts'
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { LARGE_BYTES } from '../../core/shm/layout.ts'
import { MAX_HEADER, SKB_DATA, SKB_LEN } from '../../core/skb/skb.ts'
import {
  AppOp,
  CLOSE_NOW,
  E_ADDR,
  E_ARG0,
  E_CONTROL,
  E_LPORT,
  E_PORT,
  E_SKB,
} from '../../core/socket/app-constants.ts'
import { MSG_DONTWAIT, MSG_ERRQUEUE } from '../../core/socket/socket-constants.ts'
import {
  SK_EVENT_WRITE,
  SK_EVENT_ACCEPT,
  SK_EVENT_ERROR,
  SK_EVENT_HUP,
  SK_EVENT_READ,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from '../../core/socket/sock.ts'
import { type AddressInfo, addressAt, wordsOf } from './address.ts'
import type { Endpoint, Engine } from './engine.ts'
import { netError } from './errors.ts'
import {
  type Beside,
  besideAt,
  type ControlMessage,
  controlLength,
  senderAt,
  writeControl,
} from './message.ts'

export type MessageSocketOptions = {
  family?: 'IPv4' | 'IPv6'
  /** dgram: UDP, or with the protocol of ICMP echo requests; raw: an IP protocol. */
  type?: 'dgram' | 'raw'
  protocol?: number
}
export type ConnectOptions = {
  /** MSG_DONTWAIT */
  flags?: number
  /** sin6_flowinfo */
  flowinfo?: number
}
export type SendOptions = {
  /** Without it: to whom it is connected. `flowinfo` is sin6_flowinfo, of which IPV6_FLOWINFO_SEND makes the flow label. */
  to?: { address: string; port?: number; flowinfo?: number }
  control?: readonly ControlMessage[]
  /** MSG_* */
  flags?: number
}
/** With MSG_TRUNC there was more than `data` has: `length` octets. */
export type ReceivedMessage = Beside & { data: Buffer; length: number; from: AddressInfo }

/** What a call answers; `at` is its record. */
export type Answer<T> = (at: number, result: number) => T
type Asked = {
  read: Answer<unknown>
  done: (value: never) => void
  fail: (error: Error) => void
  syscall: string
}

const LARGEST = LARGE_BYTES - MAX_HEADER
/** What somebody may wait for. */
const COMES = SK_EVENT_READ | SK_EVENT_ERROR | SK_EVENT_HUP | SK_EVENT_ACCEPT | SK_EVENT_WRITE
const NO_WORDS = [0, 0, 0, 0] as const
const nothing = (): void => {}
const unlessAgain = (error: { errno?: number }): undefined => {
  if (error.errno !== -Errno.EAGAIN) throw error
}

export class AppMessageSocket implements Endpoint {
  protected readonly engine: Engine
  protected readonly family: number
  readonly #type: number
  readonly #protocol: number
  /** One, or one a worker. */
  protected readonly sids: number[] = []
  /** Calls that are to be answered, in order, by place in `sids`. */
  readonly #asked: Asked[][] = []
  /** What a socket that is made again has to be told, by what it is about: a later call replaces an earlier one. */
  protected readonly steps = new Map<string, (sid: number) => void>()
  /** The one that is asked first for what has come. */
  #next = 0
  /** Somebody waits for something to come. */
  #comes: PromiseWithResolvers<void> | undefined
  /** Why nothing can be asked any more: -errno, or 0. */
  #over = 0

  constructor(engine: Engine, options: MessageSocketOptions = {}, stream = false) {
    const { family = 'IPv4', type = 'dgram', protocol = 0 } = options
    this.engine = engine
    this.family = family === 'IPv4' ? AF_INET : AF_INET6
    this.#type = stream ? SOCK_STREAM : type === 'raw' ? SOCK_RAW : SOCK_DGRAM
    this.#protocol = protocol
  }
  /** Makes the socket; nothing else may be asked before. */
  async open(): Promise<this> {
    const workers = this.#type === SOCK_RAW ? this.engine.workers : 1
    const made = Array.from({ length: workers }, (_, worker) => this.openAt(worker))
    await Promise.all(made).catch((error: Error) => {
      this.close()
      throw error
    })
    return this
  }
  /** The one of a worker, which is that of its number among several. */
  protected openAt(worker: number): Promise<void> {
    const sid = this.claim(worker, worker)
    if (sid === 0) return Promise.reject(netError(-Errno.EMFILE, 'socket'))
    return this.ask(worker, 'socket', nothing, () =>
      this.engine.askSocket(sid, this.family, this.#type, 0, this.#protocol)
    )
  }
  /** A sid at `worker` for a place of `sids`, or 0. */
  protected claim(worker: number, place: number): number {
    const sid = this.engine.claim(worker, this)
    if (sid === 0) return 0
    this.sids[place] = sid
    this.#asked[place] = []
    return sid
  }

  /** Submits a call to one of the sockets; its answer is what `read` makes of the record, or an error. */
  protected ask<T>(
    place: number,
    syscall: string,
    read: Answer<T>,
    submit: (sid: number) => void
  ): Promise<T> {
    if (this.#over !== 0) return Promise.reject(netError(this.#over, syscall))
    return new Promise<T>((done, fail) => {
      this.#asked[place].push({ read, done: done as Asked['done'], fail, syscall })
      submit(this.sids[place])
    })
  }
  /** The same of each, now and of those that are made again. */
  protected async tell(
    syscall: string,
    submit: (sid: number) => void,
    what = syscall
  ): Promise<void> {
    const answers = this.sids.map((_, place) => this.ask(place, syscall, nothing, submit))
    await Promise.all(answers)
    this.steps.set(what, submit)
  }

  async bind(address: string, port = 0): Promise<void> {
    let chosen = port
    const read: Answer<void> = (at) => {
      chosen = this.engine.arena.i32[at + E_LPORT]
    }
    const bind = this.#withAddress(AppOp.BIND, 'bind', address, port)
    await Promise.all(this.sids.map((_, place) => this.ask(place, 'bind', read, bind)))
    // one that is made again has the port that was chosen
    this.steps.set('bind', this.#withAddress(AppOp.BIND, 'bind', address, chosen))
  }
  /** A stream's waits until the handshake is over, but with MSG_DONTWAIT: then EINPROGRESS. */
  connect(address: string, port = 0, options: ConnectOptions = {}): Promise<void> {
    return this.tell('connect', this.#withAddress(AppOp.CONNECT, 'connect', address, port, options))
  }
  #withAddress(
    op: number,
    syscall: string,
    address: string,
    port: number,
    { flags = 0, flowinfo = 0 }: ConnectOptions = {}
  ): (sid: number) => void {
    const words = this.#wordsOf(address, syscall)
    return (sid) => this.engine.askWithAddress(op, sid, words, port, 0, flags, flowinfo)
  }
  #wordsOf(address: string, syscall: string): readonly number[] {
    const words = wordsOf(address, this.engine.arena)
    if (words === null) throw netError(-Errno.EINVAL, syscall, address)
    return words
  }
  setOption(level: number, name: number, value: number): Promise<void> {
    const ask = (sid: number): void => this.engine.askOption(sid, level, name, value)
    return this.tell('setsockopt', ask, `${level} ${name}`)
  }
  getOption(level: number, name: number): Promise<number> {
    return this.ask(
      0,
      'getsockopt',
      (_, result) => result,
      (sid) => this.engine.askGetOption(sid, level, name)
    )
  }
  /** An option whose value is octets: a name, control messages, a structure. */
  getOptionBytes(level: number, name: number): Promise<Buffer> {
    return this.ask(
      0,
      'getsockopt',
      (at) => this.engine.takeBytes(at),
      (sid) => this.engine.askGetOption(sid, level, name, true)
    )
  }
  setOptionBytes(level: number, name: number, value: Uint8Array): Promise<void> {
    const ask = (sid: number): void => {
      if (!this.engine.askOptionBytes(sid, level, name, value)) this.#answer(sid, -Errno.ENOBUFS)
    }
    return this.tell('setsockopt', ask, `${level} ${name}`)
  }
  getsockname(): Promise<AddressInfo> {
    const read: Answer<AddressInfo> = (at) => this.#addressAt(at + E_ARG0, at + E_LPORT)
    return this.ask(0, 'getsockname', read, (sid) => this.engine.ask(AppOp.GETSOCKNAME, sid))
  }
  getpeername(): Promise<AddressInfo> {
    const read: Answer<AddressInfo> = (at) => this.#addressAt(at + E_ADDR, at + E_PORT)
    return this.ask(0, 'getpeername', read, (sid) => this.engine.ask(AppOp.GETPEERNAME, sid))
  }
  /** A wildcard is stored without its family. */
  #addressAt(words: number, port: number): AddressInfo {
    const { i32 } = this.engine.arena
    const found = addressAt(i32, words, i32[port])
    if (this.family !== AF_INET || found.family === 'IPv4') return found
    return { address: '0.0.0.0', family: 'IPv4', port: i32[port] }
  }
  /** SHUT_* */
  async shutdown(how: number): Promise<void> {
    const ask = (sid: number): void => this.engine.ask(AppOp.SHUTDOWN, sid, how)
    const answers = this.sids.map((_, place) => this.ask(place, 'shutdown', nothing, ask))
    await Promise.all(answers)
  }

  /** How many octets were sent. */
  async sendmsg(data: Uint8Array, options: SendOptions = {}): Promise<number> {
    const { to, control = [], flags = 0 } = options
    const { skbs, arena, bytes } = this.engine
    const words = to === undefined ? NO_WORDS : this.#wordsOf(to.address, 'sendmsg')
    const beside = controlLength(control)
    if (data.length + beside > LARGEST) throw netError(-Errno.EMSGSIZE, 'sendmsg')
    const skb = this.#over !== 0 ? 0 : skbs.alloc(data.length + beside, MAX_HEADER)
    if (skb === 0) throw netError(this.#over || -Errno.ENOBUFS, 'sendmsg')
    const from = skbs.put(skb, data.length + beside)
    arena.u8.set(data, from)
    writeControl(bytes, from + data.length, control)
    return this.ask(
      0,
      'sendmsg',
      (_, result) => result,
      (sid) => {
        const port = to === undefined ? -1 : (to.port ?? 0)
        this.engine.askSendmsg(sid, skb, words, port, flags, beside, to?.flowinfo ?? 0)
      }
    )
  }

  /**
   * One message of at most `length` octets. Waits for it, but with MSG_DONTWAIT or, of the error queue, with MSG_ERRQUEUE, as
   * Linux does: then EAGAIN.
   */
  recvmsg(length: number, flags = 0): Promise<ReceivedMessage> {
    const isNow = (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) !== 0
    return this.turns('recvmsg', isNow, (place) => this.#receive(place, length, flags))
  }
  /** What one of the sockets has, each asked in its turn so that none waits for another that has much; waits for it, or is EAGAIN. */
  protected async turns<T>(
    syscall: string,
    isNow: boolean,
    take: (place: number) => Promise<T>
  ): Promise<T> {
    for (;;) {
      this.#check(syscall)
      // asked for before anybody looks, so that nothing that comes meanwhile is missed
      const comes = isNow ? undefined : this.#wait()
      for (let k = 0; k < this.sids.length; k++) {
        this.#check(syscall)
        const taken = await take(this.#next++ % this.sids.length).catch(unlessAgain)
        if (taken !== undefined) return taken
      }
      if (comes === undefined) throw netError(-Errno.EAGAIN, syscall)
      await comes
    }
  }
  #check(syscall: string): void {
    if (this.#over !== 0) throw netError(this.#over, syscall)
  }
  #receive(place: number, length: number, flags: number): Promise<ReceivedMessage> {
    const read: Answer<ReceivedMessage> = (at, result) => this.#messageAt(at, result)
    const ask = (sid: number): void => this.engine.askRecvmsg(sid, length, flags)
    return this.ask(place, 'recvmsg', read, ask)
  }
  #messageAt(at: number, length: number): ReceivedMessage {
    const { arena, copyBytes, consume } = this.engine
    const { i32 } = arena
    const skb = i32[at + E_SKB]
    const beside = besideAt(this.engine, at)
    const data = copyBytes(i32[skb + SKB_DATA], i32[skb + SKB_LEN] - i32[at + E_CONTROL])
    const from = senderAt(this.engine, at)
    consume(skb)
    return { data, length, from, ...beside }
  }
  /** Until something comes: data, or an error. */
  #wait(): Promise<void> {
    if (this.#comes === undefined) {
      this.#comes = Promise.withResolvers<void>()
      for (const sid of this.sids) this.engine.ask(AppOp.POLL, sid, COMES)
    }
    return this.#comes.promise
  }
  #came(): void {
    this.#comes?.resolve()
    this.#comes = undefined
  }

  completion(op: number, at: number, result: number, sid: number): void {
    if (op === AppOp.CLOSE) return
    if (op !== AppOp.POLL) this.#answer(sid, result, at)
    // a newer one has taken its place, or the socket is closed
    else if (result !== -Errno.ECANCELED) this.#came()
  }
  #answer(sid: number, result: number, at = 0): void {
    const { read, done, fail, syscall } = this.#asked[this.sids.indexOf(sid)].shift()!
    if (result < 0) fail(netError(result, syscall))
    else done(read(at, result) as never)
  }
  /** Its worker was restarted: what was asked of it is not answered any more, and it is made again, if it is of use then. */
  lost(sid: number, worker: number): void {
    for (const { fail, syscall } of this.#asked[this.sids.indexOf(sid)].splice(0))
      fail(netError(-Errno.ECONNRESET, syscall))
    if (this.#over === 0 && !this.outlives) this.#over = -Errno.ECONNRESET
    if (this.#over === 0) this.reopen(worker).catch(nothing)
    this.#came()
  }
  /** It is of use without what its worker knew. */
  protected get outlives(): boolean {
    return true
  }
  /** As it was told to be. */
  protected async reopen(worker: number): Promise<void> {
    const answers = [this.openAt(worker)]
    for (const step of this.steps.values()) answers.push(this.ask(worker, 'socket', nothing, step))
    await Promise.all(answers)
  }
  close(): void {
    if (this.#over === -Errno.EBADF) return
    this.#over = -Errno.EBADF
    for (const sid of this.sids) if (sid !== undefined) this.engine.askClose(sid, CLOSE_NOW)
    this.#came()
  }
}
