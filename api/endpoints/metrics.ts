/** /metrics: everything that is counted, in Prometheus' text format 0.0.4. */
import type { Control, LinkItem, WorkerItem } from '../../core/control/text/messages.ts'
import { DEV_STAT_ROWS } from '../../core/netdev/netdev.ts'
import { SOFTNET_STAT } from '../../core/shm/softnet-stat.ts'

const escapeLabel = (text: string): string =>
  text.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`))

const labelText = (labels: Readonly<Record<string, string | number>>): string => {
  const parts = Object.entries(labels).map(
    ([name, value]) => `${name}="${escapeLabel(String(value))}"`
  )
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}

type Sample = readonly [labels: Readonly<Record<string, string | number>>, value: number]

const metric = (
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  samples: readonly Sample[]
): string =>
  samples.length === 0
    ? ''
    : [
        `# HELP ${name} ${help}`,
        `# TYPE ${name} ${type}`,
        ...samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}`),
        '',
      ].join('\n')

/** IpInReceives -> ip_in_receives. */
const snake = (name: string): string =>
  name
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()

const linkMetric = (links: readonly LinkItem[], half: 'rx' | 'tx', word: string): string =>
  metric(
    `softnet_link_${half}_${word}_total`,
    'counter',
    `stats64 ${half} ${word}.`,
    links.map(({ ifname, stats64 }) => {
      const counted: Readonly<Record<string, number>> = stats64[half]
      return [{ device: ifname }, counted[word]!]
    })
  )

export const metricsText = async (control: Control, version: string): Promise<string> => {
  const workers = [...control.dump({ type: 'WORKER' })].flat()
  const links = [...control.dump({ type: 'RTM_GETLINK' })].flat()
  const drops = [...control.dump({ type: 'DROPS' })].flat()
  const skbs = [...control.dump({ type: 'SKBS' })].flat()
  const reply = await control.request({ type: 'NSTAT_GET' })
  const memory = await control.request({ type: 'MEMORY_GET' })
  const holders = 'item' in memory ? memory.item.holders : []
  const counters = 'item' in reply ? reply.item : {}
  const workerMetric = (name: keyof WorkerItem, type: 'counter' | 'gauge' | 'flag', help: string) =>
    metric(
      `softnet_worker_${name}${type === 'counter' ? '_total' : ''}`,
      type === 'counter' ? 'counter' : 'gauge',
      help,
      workers.map((worker) => [{ worker: worker.cpu }, Number(worker[name])])
    )
  return [
    metric('softnet_build_info', 'gauge', 'Version.', [[{ version }, 1]]),
    metric('softnet_revision', 'gauge', 'Revision of the configuration.', [
      [{}, control.revision()],
    ]),
    ...SOFTNET_STAT.flatMap(({ name, type, help }) =>
      type === 'label' ? [] : workerMetric(name, type, help)
    ),
    ...DEV_STAT_ROWS.flatMap((row) =>
      'stats64' in row ? linkMetric(links, row.stats64[0], row.stats64[1]) : []
    ),
    metric(
      'softnet_drops_total',
      'counter',
      'Packets that died unused.',
      drops.map((drop) => [{ reason: drop.reason }, drop.count])
    ),
    metric(
      'softnet_skbs_free',
      'gauge',
      'Free skb rows.',
      skbs.map((skb) => [{ thread: skb.thread, role: skb.role }, skb.skbs_free])
    ),
    metric(
      'softnet_memory_held_bytes',
      'gauge',
      'Packet memory that a holder has, truesize.',
      holders.map(({ holder, bytes }) => [{ holder }, bytes])
    ),
    metric(
      'softnet_memory_bound_bytes',
      'gauge',
      'Packet memory that a holder may have.',
      holders.map(({ holder, bound }) => [{ holder }, bound])
    ),
    ...Object.entries(counters).map(([name, value]) =>
      name === 'TcpCurrEstab'
        ? metric('softnet_tcp_curr_estab', 'gauge', 'TcpCurrEstab.', [[{}, value]])
        : metric(`softnet_${snake(name)}_total`, 'counter', `${name}.`, [[{}, value]])
    ),
  ].join('')
}
