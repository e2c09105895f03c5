/**
 * Netfilter's hooks of one family on one worker: for each net and hook a list of functions by priority that the path
 * asks at its five places. Lists are immutable; a change makes a new one, which `publish` puts in force at the worker's
 * quiescent point. A packet that a function queues leaves its place here (nf_queue_entry) and goes on behind that
 * function when it is injected again. Linux: net/netfilter/core.c nf_hook_slow(), nf_queue.c nf_reinject().
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import { G_GENERATION } from '../shm/layout.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import { RX_HEADROOM } from '../skb/skb.ts'
import {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_NUMHOOKS,
  NF_PASSED,
  NF_QUEUE,
  NF_REPEAT,
  NF_STOLEN,
  NF_VERDICT_MASK,
  NF_VERDICT_QBITS,
} from './nf-constants.ts'

/** Where a packet is (nf_hook_state); one object a worker, good for the call. Devices are ifindexes, 0 for none. */
type NfHookState = { hook: number; net: number; inDev: number; outDev: number }
/** Answers a verdict. The packet's buffer may be another afterwards. */
export type NfHookFn = (skb: number, state: NfHookState) => number
type NfHookOps = { hook: number; priority: number; fn: NfHookFn; net?: number }
/** Where a packet goes on behind a hook; `isStale`: the tables have changed since it was routed. */
type NfOkFn = (skb: number, isStale: boolean) => void
/** Keeps a queued packet's entry for `reinject`; false refuses it. */
type NfQueueHandler = (entry: number, queue: number, skb: number) => boolean

type NfHooksDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  /** core/stack/inet.ts: net that a device is in. */
  netOf: (ifindex: number) => number
}
export type NfHooks = ReturnType<typeof createNfHooks>

/** Packets that may lie in queues (NFQNL_QMAX_DEFAULT). */
const QUEUE_MAX = 1024
// Words of a queued packet; number 0 is none.
const E_SKB = 0
const E_HOOK = 1
const E_NET = 2
const E_IN = 3
const E_OUT = 4
const E_PRIORITY = 5
const E_SERIAL = 6
const E_GENERATION = 7
const E_NEXT = 8
const E_WORDS = 9

/** A registered function; the serial number orders those of one priority by age. */
type Entry = { priority: number; serial: number; fn: NfHookFn }
type List = readonly Entry[]
const EMPTY: List = []

export const createNfHooks = ({ arena, skbs, drop, netOf }: NfHooksDeps) => {
  const { i32 } = arena
  // by net * NF_INET_NUMHOOKS + hook: what is in force, and what is to be
  let lists: List[] = []
  let wanted: List[] = []
  // functions at each hook, all nets together: what the path looks at before it calls
  const armed = new Int32Array(NF_INET_NUMHOOKS)
  const state: NfHookState = { hook: 0, net: 0, inDev: 0, outDev: 0 }
  const okfns: NfOkFn[] = []
  let serials = 0
  let handler: NfQueueHandler | null = null
  let entries = new Int32Array(0)
  let free = 0

  /** Where the path goes on behind a hook; at boot. */
  const setOkFn = (hook: number, fn: NfOkFn): void => {
    okfns[hook] = fn
  }

  // ---- the lists

  const change = (index: number, next: List): void => {
    wanted = wanted.slice()
    for (let k = wanted.length; k <= index; k++) wanted[k] = EMPTY
    wanted[index] = next
  }
  /** Adds a function, in force from the next `publish` on; returns how to take it off, as of the one after. */
  const register = ({ hook, priority, fn, net = 0 }: NfHookOps): (() => void) => {
    const index = net * NF_INET_NUMHOOKS + hook
    const entry: Entry = { priority, serial: ++serials, fn }
    const list = wanted[index] ?? EMPTY
    const at = list.findIndex((other) => other.priority > priority)
    const place = at < 0 ? list.length : at
    change(index, [...list.slice(0, place), entry, ...list.slice(place)])
    return () =>
      change(
        index,
        wanted[index].filter((other) => other !== entry)
      )
  }
  /** Puts the lists as they were registered in force. Between packets, at the quiescent point. */
  const publish = (): void => {
    if (lists === wanted) return
    lists = wanted
    armed.fill(0)
    for (const [index, list] of lists.entries()) armed[index % NF_INET_NUMHOOKS] += list.length
  }

  // ---- the path

  /** Asks the functions of a hook about a packet; NF_PASSED when it is to go on. */
  const run = (hook: number, skb: number, inDev: number, outDev: number): number =>
    armed[hook] === 0 ? NF_PASSED : nfHookSlow(hook, skb, inDev, outDev)

  const nfHookSlow = (hook: number, skb: number, inDev: number, outDev: number): number => {
    const net = netOf(inDev !== 0 ? inDev : outDev)
    const list = lists[net * NF_INET_NUMHOOKS + hook] ?? EMPTY
    return iterate(list, 0, hook, net, skb, inDev, outDev)
  }
  const iterate = (
    list: List,
    from: number,
    hook: number,
    net: number,
    skb: number,
    inDev: number,
    outDev: number
  ): number => {
    for (let k = from; k < list.length; ) {
      // a function may send a packet of its own, which passes hooks too
      state.hook = hook
      state.net = net
      state.inDev = inDev
      state.outDev = outDev
      // filled with register(): nothing of core
      const verdict = list[k].fn(skb, state)
      const what = verdict & NF_VERDICT_MASK
      if (what === NF_ACCEPT) k++
      else if (what === NF_QUEUE)
        return queue(list[k], verdict >>> NF_VERDICT_QBITS, hook, net, skb, inDev, outDev)
      else if (what === NF_STOLEN) return 0
      else if (what !== NF_REPEAT) return refuse(skb, verdict)
    }
    return NF_PASSED
  }
  /** NF_DROP_ERR puts an errno into the verdict. */
  const refuse = (skb: number, verdict: number): number => {
    drop(skb, Drop.NETFILTER_DROP)
    const errno = verdict >>> NF_VERDICT_QBITS
    return errno === 0 ? -Errno.EPERM : -errno
  }

  // ---- queues

  /** Who gets queued packets; returns how to take it off, which drops what it holds. One at a time, as in Linux. */
  const registerQueueHandler = (fn: NfQueueHandler): (() => void) => {
    if (handler !== null) throw new Error('nf_queue: there is a handler')
    handler = fn
    if (entries.length === 0) {
      entries = new Int32Array((QUEUE_MAX + 1) * E_WORDS)
      for (let n = QUEUE_MAX; n > 0; n--) freeEntry(n * E_WORDS)
    }
    return () => {
      handler = null
      dropQueued(0)
    }
  }
  const freeEntry = (entry: number): void => {
    entries[entry + E_SKB] = 0
    entries[entry + E_NEXT] = free
    free = entry
  }
  const queue = (
    { priority, serial }: Entry,
    number: number,
    hook: number,
    net: number,
    skb: number,
    inDev: number,
    outDev: number
  ): number => {
    const entry = free
    // its sender may write the bytes of a clone while it waits
    if (
      handler === null ||
      entry === 0 ||
      (skbs.isShared(skb) && !skbs.expandHead(skb, RX_HEADROOM))
    )
      return refuse(skb, NF_DROP)
    free = entries[entry + E_NEXT]
    entries[entry + E_SKB] = skb
    entries[entry + E_HOOK] = hook
    entries[entry + E_NET] = net
    entries[entry + E_IN] = inDev
    entries[entry + E_OUT] = outDev
    entries[entry + E_PRIORITY] = priority
    entries[entry + E_SERIAL] = serial
    entries[entry + E_GENERATION] = i32[G_GENERATION]
    if (handler(entry, number, skb)) return 0
    freeEntry(entry)
    return refuse(skb, NF_DROP)
  }
  /** First of a list that comes behind the function that queued the packet, or that one when it is to be asked again. */
  const placeOf = (list: List, entry: number, again: boolean): number => {
    const priority = entries[entry + E_PRIORITY]
    const serial = entries[entry + E_SERIAL] + (again ? 0 : 1)
    const at = list.findIndex(
      (other) =>
        other.priority > priority || (other.priority === priority && other.serial >= serial)
    )
    return at < 0 ? list.length : at
  }
  /** Gives a queued packet back with a verdict: it goes on behind the function that queued it (nf_reinject). */
  const reinject = (entry: number, verdict: number): void => {
    const skb = entries[entry + E_SKB]
    if (skb === 0) throw new Error(`nf_reinject: no packet in ${entry}`)
    const hook = entries[entry + E_HOOK]
    const net = entries[entry + E_NET]
    const inDev = entries[entry + E_IN]
    const outDev = entries[entry + E_OUT]
    const isStale = entries[entry + E_GENERATION] !== i32[G_GENERATION]
    const list = lists[net * NF_INET_NUMHOOKS + hook] ?? EMPTY
    const what = verdict & NF_VERDICT_MASK
    const place = placeOf(list, entry, what === NF_REPEAT)
    freeEntry(entry)
    if (what === NF_STOLEN) return
    if (what !== NF_ACCEPT && what !== NF_REPEAT) refuse(skb, verdict)
    else if (iterate(list, place, hook, net, skb, inDev, outDev) === NF_PASSED)
      // filled with setOkFn by ipv4/ip-input.ts, ip-forward.ts and ip-output.ts, each for its own hooks
      okfns[hook](skb, isStale)
  }
  /** Drops what lies in queues: all, or what came by or leaves by a device that goes away. */
  const dropQueued = (ifindex: number): void => {
    for (let entry = E_WORDS; entry < entries.length; entry += E_WORDS) {
      const skb = entries[entry + E_SKB]
      if (skb === 0) continue
      if (ifindex !== 0 && entries[entry + E_IN] !== ifindex && entries[entry + E_OUT] !== ifindex)
        continue
      freeEntry(entry)
      refuse(skb, NF_DROP)
    }
  }

  return { setOkFn, register, publish, run, registerQueueHandler, reinject, dropQueued }
}
