/**
 * How IPv6 tries an address (inet/addr/dad.ts): when and how often it asks. CPU 0. RFC 4862 section 5.4, 4429, 7527; Linux:
 * addrconf_dad_kick(), addrconf_dad_work() (addrconf.c).
 */
import { AF_INET6 } from '../../base/family.ts'
import { createDad } from '../../inet/addr/dad.ts'
import { IFA_F_OPTIMISTIC, IFA_FLAGS, IFA_IFINDEX } from '../../inet/addr/ifaddr-constants.ts'
import { CONF_ALL, Conf6, confRow } from '../../shm/devconf.ts'
import type { Ndisc } from './ndisc.ts'

type Dad6Deps = Pick<
  Parameters<typeof createDad>[0],
  'arena' | 'time' | 'wheel' | 'timer' | 'ipi' | 'onOurs'
> & { random: () => number } & Pick<Ndisc, 'ndProbe'>

const LEAST_RETRANS_MS = 10
const NO_NONCE = [0, 0] as const

export const createDad6 = (deps: Dad6Deps) => {
  const { arena, random, ndProbe } = deps
  const { i32 } = arena
  const conf = (ifindex: number, word: number): number => i32[confRow(arena, ifindex) + word]
  const either = (ifindex: number, word: number): boolean =>
    conf(ifindex, word) !== 0 || conf(CONF_ALL, word) !== 0
  /** Hosts that start together do not ask together. */
  const firstMs = (row: number): number => {
    const delayMs = Math.max(
      1,
      conf(i32[row + IFA_IFINDEX], Conf6.router_solicitation_delay) * 1000
    )
    const isOptimistic = (i32[row + IFA_FLAGS] & IFA_F_OPTIMISTIC) !== 0
    return isOptimistic ? 1 : 1 + ((random() >>> 0) % delayMs)
  }
  return createDad({
    ...deps,
    family: AF_INET6,
    firstMs,
    timesOf: (ifindex) => conf(ifindex, Conf6.dad_transmits),
    drawNonce: (ifindex) =>
      either(ifindex, Conf6.enhanced_dad) ? [(random() & 0xffff) | 1, random()] : NO_NONCE,
    waitMs: (ifindex) => Math.max(LEAST_RETRANS_MS, conf(ifindex, Conf6.retrans_time_ms)),
    ask: ndProbe,
  })
}
