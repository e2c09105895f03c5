/**
 * Queueing disciplines as tc prints them. A device has one, at its root: noqueue, or netem where it is impaired.
 * iproute2: tc/tc_qdisc.c (print_qdisc), tc/q_netem.c (netem_print_opt).
 */
import type { Impairment, LinkItem } from '../../core/control/text/messages.ts'

const NO_STATS = { bytes: 0, packets: 0, drops: 0, overlimits: 0, requeues: 0, backlog: 0, qlen: 0 }
type QdiscStats = typeof NO_STATS

/** What noqueue has let through is not counted. netem exceeds no rate, and a device that is busy has a queue behind it. */
export type QdiscItem = {
  kind: string
  handle: string
  dev: string
  root: boolean
  refcnt: number
  /** netem's words, as a link's `netem` says them. */
  options: Impairment
} & QdiscStats

export type QdiscShow = {
  readonly stats?: boolean
  /** One device was asked for, and is not named. */
  readonly omitDev?: boolean
}

/** tc's default. */
const LIMIT = 1000
const MICROSECONDS = 1_000_000
const FIRST_HANDLE = 0x8000

/** The one of a device. */
export const qdiscOf = ({ ifname, ifindex, qdisc, netem, qdisc_stats }: LinkItem): QdiscItem => ({
  kind: qdisc,
  handle: netem === undefined ? '0:' : `${(FIRST_HANDLE + ifindex).toString(16)}:`,
  dev: ifname,
  root: true,
  refcnt: 2,
  options: netem ?? {},
  ...NO_STATS,
  ...qdisc_stats,
})

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

const isNetem = ({ kind }: QdiscItem): boolean => kind === 'netem'
const statsText = ({ bytes, packets, drops, overlimits, requeues, backlog, qlen }: QdiscItem) =>
  ` Sent ${bytes} bytes ${packets} pkt (dropped ${drops}, overlimits ${overlimits} requeues ${requeues}) \n backlog ${backlog}b ${qlen}p requeues ${requeues}`

export const qdiscText = (item: QdiscItem, show: QdiscShow = {}): string => {
  const dev = show.omitDev ? '' : `dev ${item.dev} `
  const options = isNetem(item) ? netemText(item.options) : ''
  const head = `qdisc ${item.kind} ${item.handle} ${dev}root refcnt ${item.refcnt} ${options}`
  return show.stats ? `${head}\n${statsText(item)}` : head
}

export const qdiscJson = (item: QdiscItem, show: QdiscShow = {}): object => {
  const { kind, handle, dev, root, refcnt, options, ...stats } = item
  return {
    kind,
    handle,
    ...(!show.omitDev && { dev }),
    root,
    refcnt,
    options: isNetem(item) ? netemJson(options) : {},
    ...(show.stats && stats),
  }
}
