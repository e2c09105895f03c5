/** Packets that died unused: why, where, on which worker. */
import { curl } from '../api.ts'
import { h } from '../dom.ts'
import { rate, whole } from '../format.ts'
import type { Dropped } from '../model.ts'
import { createTable } from '../table.ts'
import type { View } from '../view.ts'
import { reasonText } from '../words.ts'

export const createDropsView = (): View => {
  const table = createTable<Dropped>({
    name: 'drops',
    key: (d) => d.reason,
    empty: 'Nothing was dropped.',
    columns: [
      {
        word: 'reason',
        kind: 'm',
        value: (d) => d.reason,
        paint: (cell, d) => {
          if (cell.textContent !== d.reason)
            cell.replaceChildren(
              h('span', { 'data-tip': reasonText(d.reason), tabindex: '0' }, d.reason)
            )
        },
      },
      { word: 'place', value: (d) => d.place },
      { word: 'device', value: (d) => d.devices.map(({ dev }) => dev).join(' ') },
      {
        word: 'dropped',
        head: 'since reset',
        kind: 'n',
        value: (d) => d.since,
        show: (d) => whole(d.since),
      },
      { word: 'dropped', head: 'now', kind: 'n', value: (d) => d.rate, show: (d) => rate(d.rate) },
      { word: 'worker', head: 'by worker', value: (d) => d.byWorker.join(' ') },
      { word: 'drop', head: 'what it means', value: (d) => reasonText(d.reason) },
    ],
  })
  return {
    id: 'drops',
    title: 'Drops',
    about:
      'Every packet that dies unused is counted here, by the names of the Linux kernel. Reset, then do what fails.',
    element: table.element,
    update: ({ drops }) => {
      table.update(drops.filter(({ since }) => since > 0))
    },
    curl: () => [curl('/v1/drops')],
    data: () => table.shown(),
    setFilter: table.setFilter,
  }
}
