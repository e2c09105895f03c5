/**
 * The multicast side of an application's datagram socket, with Node's names: what it joins and how it sends to groups,
 * asked of its socket on every worker, and again of one that was lost with its worker. A refusal is an 'error' of the
 * socket, told once, as the answer comes from another thread. Application thread only.
 */
import { AF_INET, V4_MAPPED } from '../../core/base/family.ts'
import { Errno } from '../../core/base/errno.ts'
import {
  IP_ADD_MEMBERSHIP,
  IP_DROP_MEMBERSHIP,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_JOIN_GROUP,
  IPV6_LEAVE_GROUP,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
  IPV6_MULTICAST_LOOP,
  MCAST_JOIN_SOURCE_GROUP,
  MCAST_LEAVE_SOURCE_GROUP,
} from '../../core/socket/socket-constants.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { familyOf, wordsOf } from './address.ts'
import type { Engine } from './engine.ts'
import { netError } from './errors.ts'

/** One call of the application's; workers answer it one by one. */
type Call = { syscall: string; isRefused: boolean; ask: (sid: number) => void }
/** A device: its number ("::%3"), or an IPv4 address that it has. */
type Device = { ifindex: number; address: number }

const NONE = [0, 0, 0, 0] as const

const deviceOf = (text: string | undefined, arena: Arena): Device | null => {
  if (text === undefined || text === '') return { ifindex: 0, address: 0 }
  const words = wordsOf(text, arena)
  if (words === null) return null
  return { ifindex: words[4] ?? 0, address: words[2] === V4_MAPPED ? words[3]! : 0 }
}

export class AppMulticast {
  readonly #engine: Engine
  readonly #isIpv4: boolean
  readonly #sids: readonly number[]
  readonly #fail: (error: Error) => void
  /** What a new socket must be told, by what it is about: a later call replaces an earlier one. */
  readonly #standing = new Map<string, Call>()
  /** Calls that a worker has not answered yet, in order. */
  readonly #asked: Call[][] = []

  constructor(
    engine: Engine,
    isIpv4: boolean,
    sids: readonly number[],
    fail: (error: Error) => void
  ) {
    this.#engine = engine
    this.#isIpv4 = isIpv4
    this.#sids = sids
    this.#fail = fail
  }

  /** A socket on `worker` is there: it is told everything that stands. */
  opened(worker: number): void {
    this.#asked[worker] = []
    for (const call of this.#standing.values()) this.#askOne(worker, call)
  }
  answered(worker: number, result: number): void {
    const call = this.#asked[worker]?.shift()
    if (call === undefined || result >= 0 || call.isRefused) return
    call.isRefused = true
    for (const [key, standing] of this.#standing) if (standing === call) this.#standing.delete(key)
    this.#fail(netError(result, call.syscall))
  }
  #askOne(worker: number, call: Call): void {
    this.#asked[worker]!.push(call)
    call.ask(this.#sids[worker]!)
  }
  #askAll(syscall: string, ask: Call['ask']): Call {
    const call = { syscall, isRefused: false, ask }
    for (const worker of this.#sids.keys()) if (this.#asked[worker]) this.#askOne(worker, call)
    return call
  }

  membership(syscall: string, group: string, device: string | undefined, source?: string): void {
    const words = wordsOf(group, this.#engine.arena)
    const from = source === undefined ? NONE : wordsOf(source, this.#engine.arena)
    const at = deviceOf(device, this.#engine.arena)
    if (words === null || from === null || at === null || this.#isOther(words))
      throw netError(-Errno.EINVAL, syscall)
    const isJoin = syscall.startsWith('add')
    const name = this.#nameOf(isJoin, source !== undefined)
    const call = this.#askAll(syscall, (sid) =>
      this.#engine.askMembership(sid, name, words, at.ifindex, at.address, from)
    )
    const key = [words, at.ifindex, at.address, source === undefined ? '' : from].join()
    if (isJoin) this.#standing.set(key, call)
    else this.#standing.delete(key)
  }
  #isOther(words: readonly number[]): boolean {
    return (familyOf(words) === AF_INET) !== this.#isIpv4
  }
  #nameOf(isJoin: boolean, hasSource: boolean): number {
    if (hasSource) return isJoin ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP
    if (this.#isIpv4) return isJoin ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP
    return isJoin ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP
  }

  #option(syscall: string, name4: number, name6: number, value: number): void {
    const [level, name] = this.#isIpv4 ? [IPPROTO_IP, name4] : [IPPROTO_IPV6, name6]
    const call = this.#askAll(syscall, (sid) =>
      this.#engine.askMulticastOption(sid, level!, name!, value)
    )
    this.#standing.set(syscall, call)
  }
  setTtl(ttl: number): void {
    this.#option('setMulticastTTL', IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, ttl)
  }
  setLoopback(isOn: boolean): void {
    this.#option('setMulticastLoopback', IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, isOn ? 1 : 0)
  }
  setInterface(device: string): void {
    const at = deviceOf(device, this.#engine.arena)
    if (at === null) throw netError(-Errno.EINVAL, 'setMulticastInterface')
    const value = this.#isIpv4 ? at.address : at.ifindex
    this.#option('setMulticastInterface', IP_MULTICAST_IF, IPV6_MULTICAST_IF, value)
  }
}
