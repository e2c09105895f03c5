/**
 * A datagram socket of an application: shaped like Node's dgram.Socket, over a UDP socket on every worker, since the
 * NIC's hash may bring an answer to any of them. All are bound to the same port; what is sent leaves through one.
 * Application thread only.
 */
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { EventEmitter } from 'node:events'
import { Errno } from '../../core/base/errno.ts'
import { deviceName } from '../../core/netdev/netdev.ts'
import { LARGE_BYTES } from '../../core/shm/layout.ts'
import { MAX_HEADER } from '../../core/skb/skb.ts'
import {
  AppOp,
  CLOSE_DRAIN,
  DATAGRAM_CREDIT,
  E_ADDR,
  E_ARG0,
  E_LPORT,
  E_PORT,
} from '../../core/socket/app-constants.ts'
import { SO_REUSEADDR, SO_REUSEPORT, SOL_SOCKET } from '../../core/socket/socket-constants.ts'
import { SOCK_DGRAM } from '../../core/socket/sock.ts'
import {
  addressAt,
  anyAddresses,
  boundAddress,
  familyOf,
  wordsOf,
  type AddressInfo,
} from './address.ts'
import type { Endpoint, Engine } from './engine.ts'
import { netError } from './errors.ts'
import { AppMulticast } from './multicast.ts'

export type DatagramOptions = { type: 'udp4' | 'udp6'; reuseAddr?: boolean; reusePort?: boolean }
type Sent = (error: Error | null, bytes: number) => void

const WINDOW = 256 * 1024
const GRANT_AT = WINDOW / 4
/** What fits behind the headers we leave room for; UDP itself refuses what IP cannot carry. */
const LARGEST = LARGE_BYTES - MAX_HEADER

export class AppDatagram extends EventEmitter implements Endpoint {
  readonly #engine: Engine
  readonly #options: DatagramOptions
  readonly #sids: number[] = []
  readonly #multicast: AppMulticast
  /** Used credit by worker. */
  readonly #owed: number[] = []
  /** Callbacks of what is being sent, in order, by worker. */
  readonly #sent: { callback: Sent | undefined; bytes: number }[][] = []
  #words: readonly number[] | undefined
  #port = 0
  #address: AddressInfo | undefined
  #answers = 0
  #state: 'new' | 'binding' | 'bound' | 'closed' = 'new'
  #waiting: (() => void)[] = []
  #next = 0

  constructor(engine: Engine, options: DatagramOptions) {
    super()
    this.#engine = engine
    this.#options = options
    const fail = (error: Error): void => void this.emit('error', error)
    this.#multicast = new AppMulticast(engine, options.type === 'udp4', this.#sids, fail)
  }

  bind(port: number | { port?: number; address?: string } = 0, ...rest: unknown[]): this {
    const options = typeof port === 'number' ? { port, address: rest.find(isString) } : port
    const callback = rest.findLast((arg) => typeof arg === 'function') as (() => void) | undefined
    if (callback !== undefined) this.once('listening', callback)
    if (this.#state !== 'new') throw netError(-Errno.EINVAL, 'bind')
    this.#state = 'binding'
    this.#words =
      options.address === undefined
        ? this.#any()
        : (wordsOf(options.address, this.#engine.arena) ?? undefined)
    this.#port = options.port ?? 0
    if (this.#words === undefined) {
      queueMicrotask(() => this.#fail(-Errno.EADDRNOTAVAIL))
      return this
    }
    this.#open(0)
    if (this.#port !== 0) this.#openOthers()
    return this
  }
  #any(): readonly number[] {
    return anyAddresses()[this.#options.type === 'udp4' ? 0 : 1]
  }
  #openOthers(): void {
    for (let worker = 1; worker < this.#engine.workers; worker++) this.#open(worker)
  }
  #open(worker: number): void {
    const engine = this.#engine
    const sid = engine.claim(worker, this)
    if (sid === 0) return this.#fail(-Errno.EMFILE)
    this.#sids[worker] = sid
    this.#owed[worker] = 0
    this.#sent[worker] = []
    this.#answers++
    engine.askSocket(sid, this.#options.type === 'udp4' ? AF_INET : AF_INET6, SOCK_DGRAM, WINDOW)
    if (this.#options.reuseAddr) engine.askOption(sid, SOL_SOCKET, SO_REUSEADDR, 1)
    if (this.#options.reusePort) engine.askOption(sid, SOL_SOCKET, SO_REUSEPORT, 1)
    engine.askWithAddress(AppOp.BIND, sid, this.#words!, this.#port)
    this.#multicast.opened(worker)
  }

  completion(op: number, at: number, result: number, sid: number): void {
    if (op === AppOp.RECVFROM) return this.#received(at, result, sid)
    if (this.#state === 'closed') return
    if (op === AppOp.SENDTO) return this.#wasSent(result, sid)
    if (op === AppOp.MEMBERSHIP || op === AppOp.MULTICAST)
      return this.#multicast.answered(this.#engine.workerOf(sid), result)
    if (result < 0) this.#fail(result)
    else if (op === AppOp.BIND) this.#bound(at)
  }
  #bound(at: number): void {
    const { i32 } = this.#engine.arena
    this.#answers--
    if (this.#address === undefined) {
      this.#address = boundAddress(this.#words!, i32[at + E_LPORT])
      if (this.#port === 0) {
        this.#port = this.#address.port
        this.#openOthers()
      }
    }
    if (this.#answers > 0 || this.#state !== 'binding') return
    this.#state = 'bound'
    this.emit('listening')
    for (const go of this.#waiting.splice(0)) go()
  }
  #received(at: number, result: number, sid: number): void {
    const { i32 } = this.#engine.arena
    const from = addressAt(i32, at + E_ADDR, i32[at + E_PORT])
    const zone = i32[at + E_ARG0]
    if (zone !== 0) from.address += `%${deviceName(this.#engine.arena, zone)}`
    const rinfo = { ...from, size: result }
    const bytes = result < 0 ? null : this.#engine.takeBytes(at)
    if (this.#state === 'closed') return
    this.#grant(sid, Math.max(result, DATAGRAM_CREDIT))
    if (bytes === null) this.emit('error', netError(result, 'recvmsg'))
    else this.emit('message', bytes, rinfo)
  }
  #grant(sid: number, used: number): void {
    const worker = this.#engine.workerOf(sid)
    this.#owed[worker] += used
    if (this.#owed[worker] < GRANT_AT) return
    this.#engine.ask(AppOp.RECV, sid, this.#owed[worker])
    this.#owed[worker] = 0
  }

  /** send(message, port, address?, callback?), or with offset and length behind the message as in Node. */
  send(message: string | Uint8Array, ...rest: unknown[]): void {
    const callback = rest.findLast((arg) => typeof arg === 'function') as Sent | undefined
    const host = rest.find(isString) ?? (this.#options.type === 'udp4' ? '127.0.0.1' : '::1')
    const numbers = rest.filter((arg) => typeof arg === 'number')
    const whole = Buffer.from(message)
    const [offset, length] = numbers.length >= 3 ? [numbers[0], numbers[1]] : [0, whole.length]
    const port = numbers.length >= 3 ? numbers[2] : numbers[0]
    const words = wordsOf(host, this.#engine.arena)
    if (
      words === null ||
      familyOf(words) !== (this.#options.type === 'udp4' ? AF_INET : AF_INET6)
    ) {
      this.#refuse(callback, -Errno.EINVAL)
      return
    }
    if (this.#state === 'new') this.bind()
    const bytes = whole.subarray(offset, offset + length)
    const go = (): void => this.#submit(bytes, words, port, callback)
    if (this.#state === 'bound') go()
    else this.#waiting.push(go)
  }
  #submit(bytes: Buffer, words: readonly number[], port: number, callback: Sent | undefined): void {
    const { skbs, arena, workers } = this.#engine
    if (bytes.length > LARGEST) return this.#refuse(callback, -Errno.EMSGSIZE)
    const skb = this.#state === 'bound' ? skbs.alloc(bytes.length, MAX_HEADER) : 0
    if (skb === 0) return this.#refuse(callback, -Errno.ENOBUFS)
    arena.u8.set(bytes, skbs.put(skb, bytes.length))
    const worker = this.#next++ % workers
    this.#sent[worker].push({ callback, bytes: bytes.length })
    this.#engine.askWithAddress(AppOp.SENDTO, this.#sids[worker], words, port, skb)
  }
  #wasSent(result: number, sid: number): void {
    const sent = this.#sent[this.#engine.workerOf(sid)].shift()
    if (result < 0) this.#refuse(sent?.callback, result)
    else sent?.callback?.(null, result)
  }
  /** A send that failed is the callback's, or else an 'error', as in Node. */
  #refuse(callback: Sent | undefined, result: number): void {
    const error = netError(result, 'send')
    if (callback !== undefined) queueMicrotask(() => callback(error, 0))
    else queueMicrotask(() => this.emit('error', error))
  }
  #joins(): AppMulticast {
    if (this.#state === 'closed') throw netError(-Errno.EBADF, 'setsockopt')
    if (this.#state === 'new') this.bind()
    return this.#multicast
  }
  /** The device is named by an address of it, or by a zone as in '::%2'. */
  addMembership(group: string, device?: string): void {
    this.#joins().membership('addMembership', group, device)
  }
  dropMembership(group: string, device?: string): void {
    this.#joins().membership('dropMembership', group, device)
  }
  addSourceSpecificMembership(source: string, group: string, device?: string): void {
    this.#joins().membership('addSourceSpecificMembership', group, device, source)
  }
  dropSourceSpecificMembership(source: string, group: string, device?: string): void {
    this.#joins().membership('dropSourceSpecificMembership', group, device, source)
  }
  setMulticastTTL(ttl: number): number {
    this.#joins().setTtl(ttl)
    return ttl
  }
  setMulticastLoopback(isOn: boolean): boolean {
    this.#joins().setLoopback(isOn)
    return isOn
  }
  setMulticastInterface(device: string): void {
    this.#joins().setInterface(device)
  }
  #fail(result: number): void {
    if (this.#state === 'closed') return
    this.close()
    this.emit('error', netError(result, 'bind', undefined, this.#port))
  }
  lost(_sid: number, worker: number): void {
    if (this.#state !== 'closed') this.#open(worker)
  }
  close(callback?: () => void): this {
    if (callback !== undefined) this.once('close', callback)
    if (this.#state === 'closed') return this
    this.#state = 'closed'
    for (const sid of this.#sids) if (sid !== undefined) this.#engine.askClose(sid, CLOSE_DRAIN)
    queueMicrotask(() => this.emit('close'))
    return this
  }
  address(): AddressInfo {
    if (this.#address === undefined) throw netError(-Errno.EBADF, 'getsockname')
    return this.#address
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

const isString = (arg: unknown): arg is string => typeof arg === 'string'
