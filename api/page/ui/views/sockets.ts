/** Sockets of the stack and of the simulated hosts, and what TCP does in one over time. */
import type { SockItem } from '../../../../core/control/text/messages.ts'
import { curl, list } from '../api.ts'
import { h, setText, workerChip } from '../dom.ts'
import { bits, bytes, end } from '../format.ts'
import type { NetnsItem, Sample } from '../model.ts'
import { createPlot } from '../plot.ts'
import type { Series } from '../rates.ts'
import { addSample, createSeries } from '../rates.ts'
import { createTable } from '../table.ts'
import type { View } from '../view.ts'

type Sock = SockItem & { netns: string }

const LIMIT = 500
const INFINITE_SSTHRESH = 0x7fffffff
const keyOf = (s: Sock): string => `${s.netns} ${s.netid} ${s.sk}`
const pathOf = (netns: string, kind: string): string =>
  `/v1${netns === '' ? '' : `/netns/${netns}`}/sockets/${kind}?limit=${LIMIT}`

const isIdle = ({ state }: Sock): boolean => state === 'LISTEN' || state === 'UNCONN'
/** Connections stand before those that wait for some, and what only waits for its end is last. */
const rankOf = (s: Sock): number => (s.state === 'TIME-WAIT' ? 2 : isIdle(s) ? 1 : 0)
/** The connection that brings most, which is shown until another is chosen. */
const busiestOf = (all: readonly Sock[]): Sock | undefined =>
  all
    .filter((s) => rankOf(s) === 0 && s.delivery_rate !== undefined)
    .reduce<Sock | undefined>(
      (most, s) => (most === undefined || s.delivery_rate! > most.delivery_rate! ? s : most),
      undefined
    )

const ms = (value: number | undefined): string =>
  value === undefined ? '' : `${value.toFixed(value < 10 ? 2 : 1)} ms`

/** What TCP does in one connection, over time. */
const createSocketPlots = () => {
  const cwnd = createSeries()
  const rtt = createSeries()
  const speed = createSeries()
  const drawn: { plot: ReturnType<typeof createPlot>; series: Series }[] = [
    {
      plot: createPlot({
        word: 'cwnd',
        title: 'cwnd and ssthresh, in segments',
        show: (v) => v.toFixed(0),
        color: (i) => (i === 0 ? '--accent' : '--warn'),
      }),
      series: cwnd,
    },
    {
      plot: createPlot({
        word: 'rtt',
        title: 'round trip time',
        show: (v) => `${v.toFixed(1)} ms`,
        color: (i) => ['--accent', '--good', '--warn'][i]!,
      }),
      series: rtt,
    },
    {
      plot: createPlot({
        word: 'delivery_rate',
        title: 'delivery rate',
        show: bits,
        color: () => '--accent',
      }),
      series: speed,
    },
  ]
  return {
    element: h('div', { class: 'plots' }, ...drawn.map(({ plot }) => plot.element)),
    clear: (): void => {
      for (const { series } of drawn) {
        series.times.length = 0
        series.columns.clear()
      }
    },
    add: (s: Sock, at: number): void => {
      const ssthresh =
        s.ssthresh === undefined || s.ssthresh >= INFINITE_SSTHRESH ? null : s.ssthresh
      addSample(cwnd, at, { cwnd: s.cwnd ?? null, ssthresh })
      addSample(rtt, at, { rtt: s.rtt ?? null, minrtt: s.minrtt ?? null })
      addSample(speed, at, { 'delivery rate': s.delivery_rate ?? null })
      for (const { plot, series } of drawn) plot.update(series)
    },
  }
}

export const createSocketsView = (): View => {
  let all: Sock[] = []
  let picked = ''
  let netnsOf: string[] = ['']
  const plots = createSocketPlots()
  const title = h('h3', { 'data-role': 'picked' })
  const facts = h('p', { class: 'facts' })
  const detail = h('div', { class: 'socket-detail', hidden: true }, title, facts, plots.element)

  const table = createTable<Sock>({
    name: 'sockets',
    key: keyOf,
    empty: 'No socket.',
    onPick: (s) => {
      picked = keyOf(s)
      plots.clear()
      show(s)
    },
    columns: [
      { word: 'netns', head: 'host', value: (s) => s.netns || 'router' },
      { word: 'kind', head: 'netid', value: (s) => s.netid },
      { word: 'tcpstate', head: 'state', value: (s) => s.state },
      {
        word: 'local_end',
        head: 'local',
        kind: 'm',
        value: (s) => end(s.local.addr, s.local.port),
      },
      {
        word: 'peer',
        kind: 'm',
        value: (s) => (s.peer.port === 0 ? '*' : end(s.peer.addr, s.peer.port)),
      },
      { word: 'recv_q', kind: 'n', value: (s) => s.recv_q },
      { word: 'send_q', kind: 'n', value: (s) => s.send_q },
      {
        word: 'cwnd',
        kind: 'n',
        value: (s) => s.cwnd ?? 0,
        show: (s) => (isIdle(s) ? '' : String(s.cwnd ?? '')),
      },
      { word: 'rtt', kind: 'n', value: (s) => s.rtt ?? 0, show: (s) => ms(s.rtt) },
      {
        word: 'retrans',
        kind: 'n',
        value: (s) => s.bytes_retrans ?? 0,
        show: (s) => (s.bytes_retrans ? bytes(s.bytes_retrans) : ''),
      },
      {
        word: 'delivery_rate',
        head: 'rate',
        kind: 'n',
        value: (s) => s.delivery_rate ?? 0,
        show: (s) => (s.delivery_rate ? bits(s.delivery_rate) : ''),
      },
      { word: 'cong', value: (s) => s.cong ?? '' },
      {
        word: 'worker',
        value: (s) => s.worker,
        paint: (cell, s) => {
          if (cell.textContent !== String(s.worker)) cell.replaceChildren(workerChip(s.worker))
        },
      },
    ],
  })
  const show = (s: Sock): void => {
    detail.hidden = false
    setText(
      title,
      `${s.netns || 'router'}: ${end(s.local.addr, s.local.port)} to ${end(s.peer.addr, s.peer.port)} ${s.state}`
    )
    const ssthresh =
      s.ssthresh === undefined || s.ssthresh >= INFINITE_SSTHRESH ? 'none yet' : String(s.ssthresh)
    const known: readonly (readonly [string, string])[] = [
      ['cwnd', String(s.cwnd ?? '')],
      ['ssthresh', ssthresh],
      ['rtt', ms(s.rtt)],
      ['minrtt', ms(s.minrtt)],
      ['rto', ms(s.rto)],
      ['unacked', String(s.unacked ?? 0)],
      ['lost', String(s.lost ?? 0)],
      ['retrans', bytes(s.bytes_retrans ?? 0)],
      ['cong', s.cong ?? ''],
    ]
    facts.replaceChildren(
      ...known.map(([name, value]) =>
        h(
          'span',
          {},
          h('span', { 'data-word': name, tabindex: '0', class: 'soft' }, name),
          ` ${value}`
        )
      )
    )
  }
  const listOf = async (netns: string, kind: string): Promise<Sock[]> =>
    (await list<SockItem>(pathOf(netns, kind))).map((s) => ({ ...s, netns }))
  const look = async (netns: readonly NetnsItem[]): Promise<Sock[]> => {
    // a namespace that a process holds is the machine's, and its sockets are the kernel's
    netnsOf = ['', ...netns.filter(({ pid }) => pid === undefined).map(({ name }) => name)]
    const lists = await Promise.all(
      netnsOf.flatMap((name) => [listOf(name, 'tcp'), listOf(name, 'udp')])
    )
    return lists.flat().sort((a, b) => rankOf(a) - rankOf(b))
  }
  return {
    id: 'sockets',
    title: 'Sockets',
    about:
      'Every socket of the router and of the simulated hosts, as ss shows them. Choose a connection to see its congestion window, threshold and round trip time over time.',
    element: h('div', {}, detail, table.element),
    update: async (sample: Sample) => {
      all = await look(sample.netns)
      table.update(all)
      const chosen = picked === '' ? busiestOf(all) : all.find((s) => keyOf(s) === picked)
      if (chosen === undefined) return
      picked = keyOf(chosen)
      show(chosen)
      plots.add(chosen, sample.at)
    },
    curl: () => netnsOf.map((name) => curl(pathOf(name, 'tcp'))),
    data: () => table.shown(),
    setFilter: table.setFilter,
    reset: plots.clear,
  }
}
