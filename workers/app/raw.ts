/**
 * Sockets of an application below the transports, in the shape of npm's raw-socket: raw sockets and packet sockets, which see
 * what comes to any worker, so that there is one on each; and ping sockets, whose replies come to the worker that asked.
 * Application thread only.
 */
import { EventEmitter } from 'node:events'
import { Errno } from '../../core/base/errno.ts'
import { AF_INET, AF_INET6, AF_PACKET } from '../../core/base/family.ts'
import { deviceName } from '../../core/netdev/netdev.ts'
import { LARGE_BYTES } from '../../core/shm/layout.ts'
import { MAX_HEADER } from '../../core/skb/skb.ts'
import {
  AppOp,
  CLOSE_DRAIN,
  DATAGRAM_CREDIT,
  E_ADDR,
  E_ARG0,
  E_PORT,
} from '../../core/socket/app-constants.ts'
import { SOCK_DGRAM, SOCK_RAW } from '../../core/socket/sock.ts'
import { SLL_ADDR_HI, SLL_ADDR_LO, SLL_PKTTYPE } from '../../core/socket/socket-constants.ts'
import { ETH_P_ALL } from '../../core/wire/ethernet.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../../core/wire/ipproto.ts'
import { formatMac, parseMac } from '../../core/wire/text.ts'
import { addressAt, deviceOf, familyOf, wordsOf } from './address.ts'
import type { Endpoint, Engine } from './engine.ts'
import { netError } from './errors.ts'
import { besideAt } from './message.ts'

export type RawOptions = {
  /** Of a packet socket: its device, as an address. */
  family?: 'IPv4' | 'IPv6' | 'packet'
  /** An IP protocol, or of a packet socket an ethertype; left out it is ICMP's, or all. */
  protocol?: number
  /** dgram: without the header below; of IP that is a ping socket. */
  type?: 'raw' | 'dgram'
}
/** What a packet socket tells of a frame. */
export type FrameInfo = { address: string; device: string; protocol: number; pkttype: number }
type Sent = (error: Error | null, bytes: number) => void
/** To an address; of a packet socket to a device, with dgram to a MAC address there. */
type RawTarget = string | { device: string; mac?: string; protocol?: number }

const WINDOW = 256 * 1024
const GRANT_AT = WINDOW / 4
const LARGEST = LARGE_BYTES - MAX_HEADER
const FAMILIES = { IPv4: AF_INET, IPv6: AF_INET6, packet: AF_PACKET } as const
const PROTOCOLS = { IPv4: IPPROTO_ICMP, IPv6: IPPROTO_ICMPV6, packet: ETH_P_ALL } as const

export class AppRaw extends EventEmitter implements Endpoint {
  readonly #engine: Engine
  readonly #family: keyof typeof FAMILIES
  readonly #type: number
  readonly #protocol: number
  readonly #sids: number[] = []
  /** Used credit by worker. */
  readonly #owed: number[] = []
  /** Callbacks of what is being sent, in order, by worker. */
  readonly #sent: (Sent | undefined)[][] = []
  /** What was asked of the sockets since they were made. */
  readonly #steps: ((sid: number) => void)[] = []
  #next = 0
  #isClosed = false

  constructor(engine: Engine, { family = 'IPv4', protocol, type = 'raw' }: RawOptions) {
    super()
    this.#engine = engine
    this.#family = family
    this.#type = type === 'raw' ? SOCK_RAW : SOCK_DGRAM
    this.#protocol = protocol ?? PROTOCOLS[family]
    const isPing = type === 'dgram' && family !== 'packet'
    for (let worker = 0; worker < (isPing ? 1 : engine.workers); worker++) this.#open(worker)
  }
  #open(worker: number): void {
    const sid = this.#engine.claim(worker, this)
    if (sid === 0) return this.#fail(-Errno.EMFILE, 'socket')
    this.#sids[worker] = sid
    this.#owed[worker] = 0
    this.#sent[worker] = []
    this.#engine.askSocket(sid, FAMILIES[this.#family], this.#type, WINDOW, this.#protocol)
    for (const step of this.#steps) step(sid)
  }
  /** On each socket, also on one that is made again. */
  #onEach(step: (sid: number) => void): this {
    this.#steps.push(step)
    for (const sid of this.#sids) step(sid)
    return this
  }

  /** To an address of the host, or of a packet socket to a device. */
  bind(to: RawTarget): this {
    const [words, protocol] = this.#target(to)
    return this.#onEach((sid) => this.#engine.askWithAddress(AppOp.BIND, sid, words, protocol))
  }
  setOption(level: number, name: number, value: number | Uint8Array): this {
    return this.#onEach((sid) => {
      if (typeof value === 'number') this.#engine.askOption(sid, level, name, value)
      else if (!this.#engine.askOptionBytes(sid, level, name, value))
        throw netError(-Errno.ENOBUFS, 'setsockopt')
    })
  }
  /** send(bytes, to, callback?), or as raw-socket has it, with offset and length behind the bytes. */
  send(bytes: Uint8Array, ...rest: unknown[]): void {
    const callback = rest.findLast((arg) => typeof arg === 'function') as Sent | undefined
    const [offset = 0, length = bytes.length] = rest.filter((arg) => typeof arg === 'number')
    const to = rest.find((arg) => typeof arg === 'string' || typeof arg === 'object') as RawTarget
    const { skbs, arena } = this.#engine
    const [words, protocol] = this.#target(to)
    const skb = this.#isClosed || length > LARGEST ? 0 : skbs.alloc(length, MAX_HEADER)
    if (skb === 0) {
      this.#refuse(callback, length > LARGEST ? -Errno.EMSGSIZE : -Errno.ENOBUFS)
      return
    }
    arena.u8.set(bytes.subarray(offset, offset + length), skbs.put(skb, length))
    const worker = this.#next++ % this.#sids.length
    this.#sent[worker].push(callback)
    this.#engine.askWithAddress(AppOp.SENDTO, this.#sids[worker], words, protocol, skb)
  }
  /** The address as records have it, and its port. */
  #target(to: RawTarget): [words: readonly number[], port: number] {
    const { arena } = this.#engine
    if (typeof to === 'string') {
      const words = this.#family === 'packet' ? null : wordsOf(to, arena)
      if (words === null || familyOf(words) !== FAMILIES[this.#family])
        throw netError(-Errno.EINVAL, 'send', to)
      return [words, 0]
    }
    const ifindex = deviceOf(to.device, arena)
    const mac = parseMac(to.mac ?? '00:00:00:00:00:00')
    if (this.#family !== 'packet' || ifindex === 0 || mac === null)
      throw netError(-Errno.ENODEV, 'send', to.device)
    return [[mac.hi, mac.lo, 0, 0, ifindex], to.protocol ?? this.#protocol]
  }

  completion(op: number, at: number, result: number, sid: number): void {
    if (op === AppOp.RECVFROM) return this.#received(at, result, sid)
    if (this.#isClosed) return
    if (op === AppOp.SENDTO) {
      const callback = this.#sent[this.#engine.workerOf(sid)].shift()
      if (result < 0) this.#refuse(callback, result)
      else callback?.(null, result)
    } else if (result < 0) this.#fail(result, NAMES[op] ?? 'socket')
  }
  #received(at: number, result: number, sid: number): void {
    const { i32 } = this.#engine.arena
    const info = result < 0 ? '' : this.#family === 'packet' ? this.#frame(at) : this.#source(at)
    const beside = result < 0 ? null : besideAt(this.#engine, at)
    const bytes = result < 0 ? null : this.#engine.takeBytes(at)
    if (this.#isClosed) return
    this.#grant(sid, Math.max(result, DATAGRAM_CREDIT))
    if (bytes === null) this.emit('error', netError(result, 'recvmsg'))
    else this.emit('message', bytes, info, i32[at + E_PORT], beside)
  }
  #source(at: number): string {
    const { i32 } = this.#engine.arena
    const { address } = addressAt(i32, at + E_ADDR, 0)
    const zone = i32[at + E_ARG0]
    return zone === 0 ? address : `${address}%${deviceName(this.#engine.arena, zone)}`
  }
  #frame(at: number): FrameInfo {
    const { i32 } = this.#engine.arena
    return {
      address: formatMac(i32[at + E_ADDR + SLL_ADDR_HI], i32[at + E_ADDR + SLL_ADDR_LO]),
      device: deviceName(this.#engine.arena, i32[at + E_ARG0]),
      protocol: i32[at + E_PORT],
      pkttype: i32[at + E_ADDR + SLL_PKTTYPE],
    }
  }
  #grant(sid: number, used: number): void {
    const worker = this.#engine.workerOf(sid)
    this.#owed[worker] += used
    if (this.#owed[worker] < GRANT_AT) return
    this.#engine.ask(AppOp.RECV, sid, this.#owed[worker])
    this.#owed[worker] = 0
  }
  #refuse(callback: Sent | undefined, result: number): void {
    const error = netError(result, 'send')
    if (callback !== undefined) queueMicrotask(() => callback(error, 0))
    else queueMicrotask(() => this.emit('error', error))
  }
  #fail(result: number, syscall: string): void {
    this.close()
    this.emit('error', netError(result, syscall))
  }
  lost(_sid: number, worker: number): void {
    if (!this.#isClosed) this.#open(worker)
  }
  close(): this {
    if (this.#isClosed) return this
    this.#isClosed = true
    for (const sid of this.#sids) if (sid !== undefined) this.#engine.askClose(sid, CLOSE_DRAIN)
    queueMicrotask(() => this.emit('close'))
    return this
  }
}
/** The calls whose failure ends a socket, by their operation. */
const NAMES: Readonly<Record<number, string>> = {
  [AppOp.SOCKET]: 'socket',
  [AppOp.BIND]: 'bind',
  [AppOp.SETSOCKOPT]: 'setsockopt',
}
