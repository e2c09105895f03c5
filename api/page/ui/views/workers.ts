/** What each worker does, over time. */
import { curl } from '../api.ts'
import { h, setText, workerChip } from '../dom.ts'
import { count, percent, rate, whole } from '../format.ts'
import type { Model, Worker } from '../model.ts'
import { createPlot } from '../plot.ts'
import { createTable } from '../table.ts'
import type { View } from '../view.ts'

const one = (value: number): string => value.toFixed(1)

export const createWorkersView = ({ plots }: Model): View => {
  const table = createTable<Worker>({
    name: 'workers',
    key: (worker) => String(worker.cpu),
    empty: 'No worker.',
    columns: [
      {
        word: 'worker',
        head: 'CPU',
        value: (worker) => worker.cpu,
        paint: (cell, worker) => {
          if (cell.childElementCount === 0) cell.append(workerChip(worker.cpu))
        },
      },
      {
        word: 'state',
        value: stateOf,
        paint: (cell, worker) => {
          setText(cell, stateOf(worker))
          cell.className = worker.running ? (worker.sleeping ? 'soft' : 'good') : 'bad'
        },
      },
      {
        word: 'processed',
        head: 'packets/s',
        kind: 'n',
        value: (w) => w.rate,
        show: (w) => count(Math.round(w.rate)),
      },
      { word: 'busy', kind: 'n', value: (w) => w.busy_ratio, show: (w) => percent(w.busy_ratio) },
      {
        word: 'vectors_per_call',
        head: 'per call',
        kind: 'n',
        value: (w) => w.load,
        show: (w) => one(w.load),
      },
      { word: 'backlog', kind: 'n', value: (w) => w.backlog_len },
      {
        word: 'time_squeeze',
        kind: 'n',
        value: (w) => w.time_squeeze,
        show: (w) => whole(w.time_squeeze),
      },
      { word: 'dropped', kind: 'n', value: (w) => w.dropped, show: (w) => whole(w.dropped) },
      {
        word: 'received_rps',
        kind: 'n',
        value: (w) => w.received_rps,
        show: (w) => whole(w.received_rps),
      },
      { word: 'processed', kind: 'n', value: (w) => w.processed, show: (w) => whole(w.processed) },
      { word: 'sockets', kind: 'n', value: (w) => w.sockets },
      { word: 'restarts', kind: 'n', value: (w) => w.restarts },
    ],
  })
  const drawn = [
    {
      plot: createPlot({ word: 'processed', title: 'packets per second', show: rate }),
      series: plots.rate,
    },
    {
      plot: createPlot({ word: 'busy', title: 'busy', show: (v) => `${one(v)} %` }),
      series: plots.load,
    },
    {
      plot: createPlot({ word: 'vectors_per_call', title: 'packets in one turn', show: one }),
      series: plots.vectors,
    },
    {
      plot: createPlot({ word: 'time_squeeze', title: 'time squeeze per second', show: one }),
      series: plots.squeeze,
    },
    {
      plot: createPlot({ word: 'backlog', title: 'packets in the backlog', show: count }),
      series: plots.backlog,
    },
  ]
  return {
    id: 'workers',
    title: 'Workers',
    about:
      'Each worker is a CPU of its own. Look for one that is busy while others sleep: its flows can be moved (Steering). Look for time squeeze and drops: it has too much to do.',
    element: h(
      'div',
      {},
      h('div', { class: 'plots' }, ...drawn.map(({ plot }) => plot.element)),
      table.element
    ),
    update: ({ workers }) => {
      table.update(workers)
      for (const { plot, series } of drawn) plot.update(series)
    },
    curl: () => [curl('/v1/workers'), curl('/v1/proc/net/softnet_stat')],
    data: () => ({ workers: table.shown(), plots: plotData(plots) }),
    setFilter: table.setFilter,
  }
}

const stateOf = (worker: Worker): string =>
  worker.running ? (worker.sleeping ? 'asleep' : 'running') : 'stopped'

const plotData = (plots: Model['plots']): unknown =>
  Object.fromEntries(
    Object.entries(plots).map(([name, { times, columns }]) => [
      name,
      { times, ...Object.fromEntries(columns) },
    ])
  )
