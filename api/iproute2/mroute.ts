/** Multicast routes as `ip mroute` prints them. iproute2: ip/ipmroute.c. */
import type { MrouteItem } from '../../core/control/text/messages.ts'

export type MrouteShow = { readonly stats?: boolean }

const seconds = (ms: number): number => Math.round(ms / 10) / 100
const isResolved = ({ state }: MrouteItem): boolean => state === 'resolved'

export const mrouteJson = (route: MrouteItem, { stats }: MrouteShow = {}): object => ({
  src: route.src,
  dst: route.dst,
  iif: route.iif,
  ...(isResolved(route) && { multipath: route.multipath }),
  state: route.state,
  ...(stats &&
    isResolved(route) && {
      packets: route.packets,
      bytes: route.bytes,
      ...(route.wrong_if > 0 && { wrong_if: route.wrong_if }),
      expires: seconds(route.age_ms),
    }),
})

const oifText = ({ oif, ttl }: MrouteItem['multipath'][number]): string =>
  ttl === undefined ? `${oif} ` : `${oif}(ttl ${ttl}) `
const statsText = ({ packets, bytes, wrong_if, age_ms }: MrouteItem): string => {
  const wrong = wrong_if > 0 ? `, ${wrong_if} arrived on wrong iif.` : ''
  return `\n  ${packets} packets, ${bytes} bytes${wrong}, Age ${seconds(age_ms).toFixed(2)}`
}
export const mrouteText = (route: MrouteItem, { stats }: MrouteShow = {}): string => {
  const { src, dst, iif, multipath, state } = route
  const oifs = multipath.length === 0 ? '' : `Oifs: ${multipath.map(oifText).join('')}`
  const line = `${`(${src},${dst})`.padEnd(32)} Iif: ${iif.padEnd(10)} ${oifs} State: ${state}`
  return stats && isResolved(route) ? line + statsText(route) : line
}
