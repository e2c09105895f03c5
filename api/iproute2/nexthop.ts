/** Nexthop objects as `ip nexthop` prints them, and `ip -j nexthop`. iproute2: ip/ipnexthop.c (print_nexthop). */
import type { NexthopItem, NexthopMember } from '../../core/control/text/messages.ts'

type NexthopShow = { readonly details?: boolean }

/** What goes without saying is left out, unless -d asks for it. */
const shownWords = ({ scope, protocol }: NexthopItem, { details }: NexthopShow) => ({
  scope: details === true || scope !== 'global',
  protocol: details === true || protocol !== 'unspec',
})

export const nexthopJson = (one: NexthopItem, show: NexthopShow = {}): Record<string, unknown> => {
  const { family: _, scope, protocol, blackhole, flags, ...rest } = one
  const is = shownWords(one, show)
  return {
    ...rest,
    ...(is.scope && { scope }),
    ...(blackhole !== undefined && { blackhole }),
    ...(is.protocol && { protocol }),
    flags,
  }
}

const memberText = ({ id, weight }: NexthopMember): string =>
  weight === undefined ? String(id) : `${id},${weight}`

/** ip ends the line with a blank. */
export const nexthopText = (one: NexthopItem, show: NexthopShow = {}): string => {
  const { id, group, gateway, dev, scope, blackhole, protocol, flags } = one
  const is = shownWords(one, show)
  const words = [
    `id ${id}`,
    ...(group === undefined ? [] : [`group ${group.map(memberText).join('/')}`]),
    ...(gateway === undefined ? [] : [`via ${gateway}`]),
    ...(dev === undefined ? [] : [`dev ${dev}`]),
    ...(is.scope ? [`scope ${scope}`] : []),
    ...(blackhole === undefined ? [] : ['blackhole']),
    ...(is.protocol ? [`proto ${protocol}`] : []),
    ...flags,
  ]
  return `${words.join(' ')} `
}
