/**
 * Queueing disciplines as tc prints them. A device has one, at its root: noqueue, or netem where it is impaired.
 * iproute2: tc/tc_qdisc.c (print_qdisc), tc/q_netem.c (netem_print_opt).
 */
import type { Impairment, LinkItem } from '../../core/control/text/messages.ts'

export type QdiscShow = {
  readonly stats?: boolean
  /** One device was asked for, and is not named. */
  readonly omitDev?: boolean
}

/** tc's default. */
const LIMIT = 1000
const MICROSECONDS = 1_000_000
const FIRST_HANDLE = 0x8000

const handleOf = ({ ifindex, netem }: LinkItem): string =>
  netem === undefined ? '0:' : `${(FIRST_HANDLE + ifindex).toString(16)}:`

/** As printf's %g, with so many digits. */
const general = (value: number, digits = 6): string => String(Number(value.toPrecision(digits)))
const percentText = (percent: number): string => `${general(percent)}%`
const timeText = (us: number): string => {
  if (us >= MICROSECONDS) return `${general(us / MICROSECONDS, 3)}s`
  return us >= 1000 ? `${general(us / 1000, 3)}ms` : `${us}us`
}

/** What may happen to a packet, in tc's order, with the name of its object in JSON. */
const CHANCES = [
  ['loss', 'loss-random'],
  ['duplicate', 'duplicate'],
  ['reorder', 'reorder'],
  ['corrupt', 'corrupt'],
] as const

/** With reordering every packet may be the one that does not wait. */
const gapOf = ({ reorder = 0 }: Impairment): number => (reorder > 0 ? 1 : 0)

const netemText = (netem: Impairment): string => {
  const { limit = LIMIT, delay = 0, jitter = 0 } = netem
  const words = [`limit ${limit}`]
  if (delay > 0) words.push(`delay ${timeText(delay)}`)
  if (delay > 0 && jitter > 0) words.push(` ${timeText(jitter)}`)
  for (const [word] of CHANCES) if (netem[word]) words.push(`${word} ${percentText(netem[word])}`)
  if (gapOf(netem) > 0) words.push(`gap ${gapOf(netem)}`)
  return words.join(' ')
}
const netemJson = (netem: Impairment): object => {
  const { limit = LIMIT, delay = 0, jitter = 0 } = netem
  const times = { delay: delay / MICROSECONDS, jitter: jitter / MICROSECONDS, correlation: 0 }
  const chances = CHANCES.flatMap(([word, name]) =>
    netem[word] ? [[name, { [word]: netem[word] / 100, correlation: 0 }] as const] : []
  )
  return {
    limit,
    ...(delay > 0 && { delay: times }),
    ...Object.fromEntries(chances),
    ecn: false,
    gap: gapOf(netem),
  }
}

/** What goes through noqueue is not counted, and netem's drops are told by reason. */
const hasStats = ({ netem }: LinkItem, { stats }: QdiscShow): boolean =>
  stats === true && netem === undefined

export const qdiscText = (link: LinkItem, show: QdiscShow = {}): string => {
  const { ifname, qdisc, netem } = link
  const dev = show.omitDev ? '' : `dev ${ifname} `
  const options = netem === undefined ? '' : netemText(netem)
  const stats =
    ' Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) \n backlog 0b 0p requeues 0'
  const head = `qdisc ${qdisc} ${handleOf(link)} ${dev}root refcnt 2 ${options}`
  return hasStats(link, show) ? `${head}\n${stats}` : head
}

export const qdiscJson = (link: LinkItem, show: QdiscShow = {}): object => ({
  kind: link.qdisc,
  handle: handleOf(link),
  ...(!show.omitDev && { dev: link.ifname }),
  root: true,
  refcnt: 2,
  options: link.netem === undefined ? {} : netemJson(link.netem),
  ...(hasStats(link, show) && {
    ...{ bytes: 0, packets: 0, drops: 0, overlimits: 0, requeues: 0, backlog: 0, qlen: 0 },
  }),
})
