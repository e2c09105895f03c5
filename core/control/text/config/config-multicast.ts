/**
 * Multicast of a configuration: link-layer groups that links have joined by hand, and static routes. Control thread.
 */
import type { MaddrSpec, MrouteSpec } from '../messages.ts'
import { type Dump, type Steps, add, del, drain } from './config-steps.ts'

export const createMulticastConfig = (dump: Dump) => {
  const maddrs = (): MaddrSpec[] =>
    drain(dump({ type: 'RTM_GETMULTICAST' })).flatMap(({ ifname, links }) =>
      links.filter((one) => one.static).map(({ link }) => ({ dev: ifname, link }))
    )
  const mroutes = (): MrouteSpec[] =>
    drain(dump({ type: 'RTM_GETMROUTE' }))
      .filter(({ protocol }) => protocol === 'static')
      .map(({ src, dst, iif, multipath }) => ({
        src: src === '0.0.0.0' || src === '::' ? 'any' : src,
        dst,
        iif,
        oifs: multipath.map(({ oif, ...rest }) => ({ dev: oif, ...rest })),
      }))

  const maddrSteps = (wanted: readonly MaddrSpec[]): Steps => {
    const keyOf = ({ dev, link }: MaddrSpec): string => `${dev} ${link.toLowerCase()}`
    const [now, then] = [maddrs(), wanted].map((list) => list.map(keyOf))
    return {
      gone: maddrs()
        .filter((_, k) => !then.includes(now[k]))
        .map((maddr) => del({ type: 'RTM_DELMULTICAST', maddr })),
      come: wanted.flatMap((maddr, k) =>
        now.includes(then[k]) ? [] : [add({ type: 'RTM_NEWMULTICAST', maddr }, `maddr[${k}]`)]
      ),
    }
  }
  const mrouteSteps = (wanted: readonly MrouteSpec[]): Steps => {
    const keyOf = ({ src = 'any', dst }: MrouteSpec): string => `${src} ${dst}`
    const running = new Map(mroutes().map((one) => [keyOf(one), JSON.stringify(one)]))
    const keys = wanted.map(keyOf)
    return {
      gone: mroutes()
        .filter((one) => !keys.includes(keyOf(one)))
        .map(({ src, dst }) => del({ type: 'RTM_DELMROUTE', mroute: { src, dst } })),
      come: wanted.flatMap((mroute, k) =>
        running.get(keys[k]) === JSON.stringify(mroute)
          ? []
          : [add({ type: 'RTM_NEWMROUTE', mroute }, `mroute[${k}]`)]
      ),
    }
  }

  return { maddrs, mroutes, maddrSteps, mrouteSteps }
}
