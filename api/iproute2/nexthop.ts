/**
 * Nexthop objects and buckets of resilient groups as `ip nexthop` prints them, and `ip -j nexthop`. iproute2:
 * ip/ipnexthop.c (__print_nexthop_entry, print_nexthop_bucket).
 */
import type { BucketItem, NexthopItem, NexthopMember } from '../../core/control/text/messages.ts'

type NexthopShow = { readonly details?: boolean }

/** What goes without saying is left out, unless -d asks for it. */
const shownWords = ({ scope, protocol }: NexthopItem, { details }: NexthopShow) => ({
  scope: details === true || scope !== 'global',
  protocol: details === true || protocol !== 'unspec',
})

export const nexthopJson = (one: NexthopItem, show: NexthopShow = {}): Record<string, unknown> => {
  const { id, group, type, resilient_args: args, scope, protocol, blackhole, flags } = one
  const { gateway, dev } = one
  const is = shownWords(one, show)
  return {
    id,
    ...(group !== undefined && { group }),
    ...(type !== undefined && { type }),
    ...(args !== undefined && {
      resilient_args: {
        buckets: args.buckets,
        idle_timer: sixDigits(args.idle_timer),
        unbalanced_timer: sixDigits(args.unbalanced_timer),
        unbalanced_time: sixDigits(args.unbalanced_time),
      },
    }),
    ...(gateway !== undefined && { gateway }),
    ...(dev !== undefined && { dev }),
    ...(is.scope && { scope }),
    ...(blackhole !== undefined && { blackhole }),
    ...(is.protocol && { protocol }),
    flags,
  }
}

/** As C prints `%g`. */
const sixDigits = (value: number): number => Number(value.toPrecision(6))
const gText = (value: number): string =>
  value < 1e6
    ? String(sixDigits(value))
    : value
        .toExponential(5)
        .replace(/\.?0*e/, 'e')
        .replace(/e\+(\d)$/, 'e+0$1')

const memberText = ({ id, weight }: NexthopMember): string =>
  weight === undefined ? String(id) : `${id},${weight}`

/** ip ends the line with a blank. */
export const nexthopText = (one: NexthopItem, show: NexthopShow = {}): string => {
  const { id, group, type, resilient_args: args, gateway, dev } = one
  const { scope, blackhole, protocol, flags } = one
  const is = shownWords(one, show)
  const words = [
    `id ${id}`,
    ...(group === undefined ? [] : [`group ${group.map(memberText).join('/')}`]),
    ...(type === undefined ? [] : [`type ${type}`]),
    ...(args === undefined
      ? []
      : [
          `buckets ${args.buckets}`,
          `idle_timer ${gText(args.idle_timer)}`,
          `unbalanced_timer ${gText(args.unbalanced_timer)}`,
          `unbalanced_time ${gText(args.unbalanced_time)}`,
        ]),
    ...(gateway === undefined ? [] : [`via ${gateway}`]),
    ...(dev === undefined ? [] : [`dev ${dev}`]),
    ...(is.scope ? [`scope ${scope}`] : []),
    ...(blackhole === undefined ? [] : ['blackhole']),
    ...(is.protocol ? [`proto ${protocol}`] : []),
    ...flags,
  ]
  return `${words.join(' ')} `
}

export const bucketJson = ({ id, bucket, flags }: BucketItem): BucketItem => ({
  id,
  bucket: { ...bucket, idle_time: sixDigits(bucket.idle_time) },
  flags,
})
/** ip ends the line with a blank here too. */
export const bucketText = ({ id, bucket: { index, idle_time, nhid } }: BucketItem): string =>
  `id ${id} index ${index} idle_time ${gText(idle_time)} nhid ${nhid} `
