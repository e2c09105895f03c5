/**
 * Duplicate address detection: an address that control has entered as tentative is asked for on its link, and is ours when
 * nobody answers. One for each family, which says how often and how fast, and asks (ipv4/arp/acd.ts, ipv6/ndisc/dad.ts). CPU 0, by one
 * timer for all; what comes of it control writes (Ipi.ADDRCONF), and is told again until it has. It begins with what the
 * rows say, so that a CPU 0 that is started anew goes on.
 * RFC 4862 section 5.4, 5227 section 2.1; Linux: addrconf_dad_begin(), addrconf_dad_work(), addrconf_dad_failure() (addrconf.c).
 */
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import {
  IFA_CHANGES,
  IFA_F_DADFAILED,
  IFA_F_TENTATIVE,
  IFA_FAMILY,
  IFA_FLAGS,
  IFA_IFINDEX,
  IFA_SERIAL,
  IFA_TOP,
} from './ifaddr-constants.ts'
import { speaks } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Addrconf, Ipi, type IpiSystem } from '../../shm/ipi.ts'
import { IFADDR_WORDS } from '../../shm/layout.ts'

type DadDeps = {
  arena: Arena
  family: number
  time: Time
  wheel: TimerWheel
  /** TIMER_WORDS free words. */
  timer: number
  ipi: Pick<IpiSystem, 'send'>
  /** How long the first question for the address in a row waits, and how often it is asked. */
  firstMs: (row: number) => number
  timesOf: (ifindex: number) => number
  /** What tells our question from another's: two words, zero for none. */
  drawNonce: (ifindex: number) => readonly [number, number]
  /** From one question to the next, or to the end when none is left. */
  waitMs: (ifindex: number, left: number) => number
  ask: (row: number, nonceHi: number, nonceLo: number) => void
  /** An address of this device is ours now, which was tried: the first word of it may be said. */
  onOurs: (ifindex: number, row: number) => void
}

type Try = {
  readonly row: number
  readonly serial: number
  readonly ifindex: number
  /** What is done next is due then; null while the device has nobody to ask. */
  at: number | null
  probesLeft: number
  /** Of our questions, zero for none. */
  nonceHi: number
  nonceLo: number
  outcome: 'open' | 'completed' | 'failed'
}
/** What control has not written yet is told again. */
const AGAIN_MS = 1000

export const createDad = (deps: DadDeps) => {
  const { arena, family, time, wheel, timer, ipi, onOurs } = deps
  const { firstMs, timesOf, drawNonce, waitMs, ask } = deps
  const { i32, layout } = arena
  const { ifaddrs } = layout
  const tries = new Map<number, Try>()
  let seen = -1
  const now = (): number => time[TIME_MS]
  const isTried = (row: number): boolean =>
    i32[row + IFA_FAMILY] === family &&
    (i32[row + IFA_FLAGS] & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === IFA_F_TENTATIVE
  const isSame = ({ row, serial, ifindex }: Try): boolean =>
    i32[row + IFA_SERIAL] === serial && i32[row + IFA_IFINDEX] === ifindex

  /** Takes in what control has changed: what is to be tried, and what need not be any longer. */
  const scan = (): void => {
    for (const [serial, one] of tries) {
      if (isSame(one) && isTried(one.row)) continue
      tries.delete(serial)
      if (isSame(one) && one.outcome === 'completed') onOurs(one.ifindex, one.row)
    }
    const end = ifaddrs + i32[ifaddrs + IFA_TOP] * IFADDR_WORDS
    for (let row = ifaddrs + IFADDR_WORDS; row < end; row += IFADDR_WORDS) {
      const [ifindex, serial] = [i32[row + IFA_IFINDEX], i32[row + IFA_SERIAL]]
      if (ifindex === 0 || !isTried(row) || tries.has(serial)) continue
      const none = { at: null, probesLeft: 0, nonceHi: 0, nonceLo: 0 }
      tries.set(serial, { row, serial, ifindex, outcome: 'open', ...none })
    }
  }
  const begin = (one: Try): void => {
    one.probesLeft = timesOf(one.ifindex)
    one.at = (now() + firstMs(one.row)) | 0
    const [hi, lo] = drawNonce(one.ifindex)
    one.nonceHi = hi
    one.nonceLo = lo
  }
  const refresh = (): void => {
    const changes = i32[ifaddrs + IFA_CHANGES]
    if (changes !== seen) {
      seen = changes
      scan()
    } else if (tries.size === 0) return
    for (const one of tries.values()) {
      const isReady = speaks(arena, one.ifindex)
      if (isReady && one.at === null) begin(one)
      // what nobody could hear is asked again when somebody can
      else if (!isReady && one.outcome === 'open') one.at = null
    }
    arm()
  }

  const settle = (one: Try, outcome: 'completed' | 'failed'): void => {
    one.outcome = outcome
    const what = outcome === 'completed' ? Addrconf.DAD_COMPLETED : Addrconf.DAD_FAILED
    ipi.send(layout.controlThread, Ipi.ADDRCONF, what, one.row, one.serial)
    one.at = (now() + AGAIN_MS) | 0
  }
  const work = (one: Try): void => {
    if (one.outcome !== 'open') return settle(one, one.outcome)
    if (one.probesLeft === 0) return settle(one, 'completed')
    one.probesLeft--
    one.at = (now() + waitMs(one.ifindex, one.probesLeft)) | 0
    ask(one.row, one.nonceHi, one.nonceLo)
  }
  const fn = wheel.register(() => {
    for (const one of [...tries.values()])
      if (one.at !== null && ((now() - one.at) | 0) >= 0) work(one)
    arm()
  })
  const arm = (): void => {
    let least = Infinity
    for (const { at } of tries.values())
      if (at !== null) least = Math.min(least, Math.max(1, (at - now()) | 0))
    if (least === Infinity) wheel.cancel(timer)
    else wheel.arm(timer, least, fn)
  }

  /** Somebody has the address in `row`, or is trying it too. */
  const dadFailure = (row: number): void => {
    const one = tries.get(i32[row + IFA_SERIAL])
    if (one === undefined || one.at === null || one.outcome !== 'open') return
    settle(one, 'failed')
    arm()
  }
  /** Is it our own question, which the link has sent back to us? */
  const isOwnProbe = (row: number, nonceHi: number, nonceLo: number): boolean => {
    const one = tries.get(i32[row + IFA_SERIAL])
    return one !== undefined && one.nonceHi === nonceHi && one.nonceLo === nonceLo
  }

  /** The row of an address of this device that is being tried; 0 is none. */
  const triedOn = (ifindex: number, isIt: (row: number) => boolean): number => {
    for (const one of tries.values())
      if (one.ifindex === ifindex && isSame(one) && isIt(one.row)) return one.row
    return 0
  }

  return { refresh, dadFailure, isOwnProbe, triedOn }
}
