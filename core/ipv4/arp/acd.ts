/**
 * Address conflict detection, where dad_transmits asks for it on the device: an IPv4 address is tried before it is ours
 * (inet/addr/dad.ts), announced when it is, and defended as long as it is: never given up, as befits the router of a link (RFC
 * 5227 section 2.4 c). CPU 0; ARP tells what it hears. Linux leaves this to who configures it; systemd: sd-ipv4acd.c.
 */
import { AF_INET } from '../../base/family.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import { createDad } from '../../inet/addr/dad.ts'
import { IFA_ADDR, IFA_IFINDEX, IFA_SERIAL } from '../../inet/addr/ifaddr-constants.ts'
import { CONF_ALL, Conf4, confRow } from '../../shm/devconf.ts'
import type { ArpSend } from './arp-send.ts'

type AcdDeps = Pick<Parameters<typeof createDad>[0], 'arena' | 'wheel' | 'timer' | 'ipi'> & {
  time: Time
  random: () => number
  /** TIMER_WORDS free words. */
  announcing: number
} & Pick<ArpSend, 'arpProbe' | 'arpAnnounce' | 'isOwnMac'>
export type Acd = ReturnType<typeof createAcd>

/** RFC 5227 section 1.1, in milliseconds; PROBE_NUM is what dad_transmits says. */
const PROBE_WAIT = 1000
const PROBE_MIN = 1000
const PROBE_MAX = 2000
const ANNOUNCE_WAIT = 2000
const ANNOUNCE_INTERVAL = 2000
const DEFEND_INTERVAL = 10_000
const NO_NONCE = [0, 0] as const

export const createAcd = (deps: AcdDeps) => {
  const { arena, time, wheel, announcing, random, arpProbe, arpAnnounce, isOwnMac } = deps
  const { i32 } = arena
  const now = (): number => time[TIME_MS]
  const below = (ms: number): number => (random() >>> 0) % ms
  const timesOf = (ifindex: number): number =>
    Math.max(
      i32[confRow(arena, CONF_ALL) + Conf4.dad_transmits],
      i32[confRow(arena, ifindex) + Conf4.dad_transmits]
    )
  const addrOf = (row: number): number => i32[row + IFA_ADDR + 3]
  const say = (row: number): void => arpAnnounce(i32[row + IFA_IFINDEX], addrOf(row))

  // ---- what is ours is announced, twice

  /** Rows by the serial of their address, and when it is said again. */
  const toSay = new Map<number, { row: number; at: number }>()
  const onOurs = (_ifindex: number, row: number): void => {
    say(row)
    toSay.set(i32[row + IFA_SERIAL], { row, at: (now() + ANNOUNCE_INTERVAL) | 0 })
    arm()
  }
  const fn = wheel.register(() => {
    for (const [serial, { row, at }] of toSay) {
      if (((now() - at) | 0) < 0) continue
      toSay.delete(serial)
      if (i32[row + IFA_SERIAL] === serial && i32[row + IFA_IFINDEX] !== 0) say(row)
    }
    arm()
  })
  const arm = (): void => {
    const dues = [...toSay.values()].map(({ at }) => Math.max(1, (at - now()) | 0))
    if (dues.length > 0) wheel.arm(announcing, Math.min(...dues), fn)
  }

  const dad = createDad({
    ...deps,
    family: AF_INET,
    firstMs: () => 1 + below(PROBE_WAIT),
    timesOf,
    drawNonce: () => NO_NONCE,
    waitMs: (_ifindex, left) =>
      left > 0 ? PROBE_MIN + below(PROBE_MAX - PROBE_MIN) : ANNOUNCE_WAIT,
    ask: (row) => arpProbe(i32[row + IFA_IFINDEX], addrOf(row)),
    onOurs,
  })

  // ---- what ARP hears

  /** Somebody names an address as his own, or tries it himself: it is not to be ours (section 2.1.1). */
  const heard = (ifindex: number, sip: number, tip: number, hi: number, lo: number): void => {
    const named = sip !== 0 ? sip : tip
    const row = dad.triedOn(ifindex, (one) => addrOf(one) === named)
    if (row !== 0 && !isOwnMac(hi, lo)) dad.dadFailure(row)
  }
  /** When an address that is ours was last claimed, by device and address: as many as there are addresses. */
  const claimed = new Map<string, number>()
  /** Somebody claims an address of ours: he is answered once in a while, so that two do not shout at each other for ever. */
  const defend = (ifindex: number, addr: number): void => {
    if (timesOf(ifindex) === 0) return
    for (const [key, at] of claimed) if (((now() - at) | 0) >= DEFEND_INTERVAL) claimed.delete(key)
    const key = `${ifindex} ${addr}`
    if (claimed.has(key)) return
    claimed.set(key, now())
    arpAnnounce(ifindex, addr)
  }

  return { refresh: dad.refresh, heard, defend }
}
