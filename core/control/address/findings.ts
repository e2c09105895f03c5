/**
 * What CPU 0 has found out about addresses and routers (Ipi.ADDRCONF): it waits for the change that is under way, and is then
 * written, by control alone. Control thread. Linux: addrconf_wq, net/ipv6/addrconf.c.
 */
import type { IpiSystem } from '../../shm/ipi.ts'
import { Addrconf, Ipi } from '../../shm/ipi.ts'
import type { createTables } from '../tables.ts'

/** So many may wait; CPU 0 tells what is lost again. */
const MAX_FOUND = 1024

type FindingsDeps = Pick<ReturnType<typeof createTables>, 'ifaddrs' | 'addrconf'> & {
  ipi: Pick<IpiSystem, 'on'>
}

/** Writes what was found out since the last time. */
export const createFindings = ({ ipi, ifaddrs, addrconf }: FindingsDeps): (() => void) => {
  const found: (() => void)[] = []
  const findings: Readonly<Record<number, (...words: number[]) => void>> = {
    [Addrconf.DAD_COMPLETED]: ifaddrs.dadCompleted,
    [Addrconf.DAD_FAILED]: ifaddrs.dadFailed,
    [Addrconf.RA_ROUTER]: (dev, a, b, c, d, seconds, pref, hops, mtu, reachable, retrans) => {
      addrconf.times(dev, reachable >>> 0, retrans >>> 0)
      addrconf.router(dev, [a, b, c, d], seconds, pref, hops, mtu)
    },
    [Addrconf.RA_PREFIX]: (dev, a, b, c, d, how, valid, preferred) =>
      addrconf.prefix(dev, [a, b, c, d], how & 0xff, how >> 8, valid >>> 0, preferred >>> 0),
    [Addrconf.RA_ROUTE]: (how, a, b, c, d, p, q, r, s, seconds) =>
      addrconf.route(
        how & 0xffff,
        [a, b, c, d],
        [p, q, r, s],
        (how >> 16) & 0xff,
        seconds >>> 0,
        how >> 24
      ),
  }
  ipi.on(Ipi.ADDRCONF, (_from, what, ...words) => {
    if (found.length < MAX_FOUND) found.push(() => findings[what]?.(...words))
  })
  return () => {
    for (const write of found.splice(0)) write()
  }
}
