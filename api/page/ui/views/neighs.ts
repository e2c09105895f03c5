/** Neighbours and how their states change. */
import type { NeighItem } from '../../../../core/control/text/messages.ts'
import { change, curl } from '../api.ts'
import { createChanges } from '../changes.ts'
import { button, h } from '../dom.ts'
import type { Model } from '../model.ts'
import { createTable } from '../table.ts'
import type { View, ViewDeps } from '../view.ts'

const KIND: Readonly<Record<string, string>> = {
  REACHABLE: 'good',
  PERMANENT: 'good',
  NOARP: 'good',
  DELAY: 'warn',
  PROBE: 'warn',
  INCOMPLETE: 'warn',
  FAILED: 'bad',
}
/** As `ip neigh flush all`: what somebody has entered for good stays. */
const FLUSHED = { state: ['INCOMPLETE', 'REACHABLE', 'STALE', 'DELAY', 'PROBE', 'FAILED'] }
const seconds = (value: number | undefined): string => (value === undefined ? '' : `${value} s`)

const stateBadge = (cell: HTMLElement, { state }: NeighItem): void => {
  const text = state.join(' ')
  if (cell.textContent === text) return
  cell.replaceChildren(h('span', { class: `badge ${KIND[state[0] ?? ''] ?? 'soft'}` }, text))
}

export const createNeighsView = ({ changes }: Model, { say, refresh }: ViewDeps): View => {
  const table = createTable<NeighItem>({
    name: 'neighs',
    key: (n) => `${n.dev} ${n.dst}`,
    empty: 'No neighbour yet: one appears when somebody is talked to.',
    columns: [
      { word: 'neighbour', head: 'address', kind: 'm', value: (n) => n.dst },
      { word: 'dev', kind: 'm', value: (n) => n.dev },
      { word: 'lladdr', kind: 'm', value: (n) => n.lladdr ?? '' },
      { word: 'nud', head: 'state', value: (n) => n.state.join(' '), paint: stateBadge },
      { word: 'used', kind: 'n', value: (n) => n.used ?? 0, show: (n) => seconds(n.used) },
      {
        word: 'confirmed',
        kind: 'n',
        value: (n) => n.confirmed ?? 0,
        show: (n) => seconds(n.confirmed),
      },
      { word: 'probes', kind: 'n', value: (n) => n.probes ?? 0 },
    ],
  })
  const news = createChanges('neigh', ({ event, item }) => {
    const state = Array.isArray(item['state']) ? item['state'].join(' ') : ''
    return event === 'del'
      ? `${item['dst']} is gone`
      : `${item['dst']} ${item['lladdr'] ?? ''} ${state}`
  })
  const flush = async (): Promise<void> => {
    try {
      await change('POST', '/v1/neighs:flush', FLUSHED)
      say('neighbours flushed: whoever is talked to is asked for again')
    } catch (error) {
      say((error as Error).message, true)
    }
    refresh()
  }
  const flusher = button(
    'flush',
    'ip neigh flush all: forget them, and watch them come back',
    () => void flush()
  )
  flusher.dataset['role'] = 'flush'
  return {
    id: 'neighs',
    title: 'Neighbours',
    about:
      'Who is on the wire, and what is known of it. Watch an entry go stale when it is not confirmed, be probed when it is used, and fail when nobody answers.',
    element: h('div', {}, h('div', { class: 'bar' }, flusher), table.element, news.element),
    update: ({ neighs }) => {
      table.update(neighs)
      news.update(changes)
    },
    curl: () => [
      curl('/v1/neighs'),
      curl('/v1/watch?kinds=neigh').replace('curl', 'curl -N'),
      curl('/v1/neighs:flush', 'POST', FLUSHED),
    ],
    data: () => table.shown(),
    setFilter: table.setFilter,
  }
}
