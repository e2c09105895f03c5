/** A plot over time, by uPlot. Colours follow the page's; values of the moment stand in the legend, as text. */
import uPlot from 'uplot'
import { h } from './dom.ts'
import { clock } from './format.ts'
import type { Series } from './rates.ts'

const HEIGHT = 170

/** How uPlot writes times: from so many seconds a tick on, each tick, and below it where the minute or more is another. */
const MINUTE = '\n{HH}:{mm}'
const TICKS = [
  [60, '{HH}:{mm}', null, null, null, null, null, null, 1],
  [1, ':{ss}', MINUTE, null, MINUTE, null, MINUTE, null, 1],
  [0.001, ':{ss}.{fff}', MINUTE, null, MINUTE, null, MINUTE, null, 1],
] as uPlot.Axis.Values

const css = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()

type PlotOptions = {
  /** Key of the word in words.ts. */
  word: string
  title: string
  show: (value: number) => string
  /** The colour of the series at this place: a variable of style.css. */
  color?: (index: number) => string
}

export const createPlot = ({
  word,
  title,
  show,
  color = (i) => `--worker-${i % 8}`,
}: PlotOptions) => {
  const box = h('div', { class: 'canvas' })
  const element = h(
    'figure',
    { class: 'plot' },
    h('figcaption', {}, h('span', { 'data-word': word, tabindex: '0' }, title)),
    box
  )
  let plot: uPlot | null = null
  let drawn = ''

  const axis = (): uPlot.Axis => ({
    stroke: () => css('--soft'),
    grid: { stroke: () => css('--line'), width: 1 },
    ticks: { stroke: () => css('--line'), width: 1 },
    font: '11px system-ui, sans-serif',
  })
  const width = (): number => Math.max(120, box.clientWidth)
  const make = (names: readonly string[], data: uPlot.AlignedData): void => {
    plot?.destroy()
    plot = new uPlot(
      {
        width: width(),
        height: HEIGHT,
        cursor: { points: { size: 6 } },
        scales: { y: { range: (_self, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
        axes: [
          { ...axis(), values: TICKS },
          { ...axis(), size: 68, values: (_self, ticks) => ticks.map((tick) => show(tick)) },
        ],
        series: [
          { value: (_self, at) => (at === null ? '' : clock(new Date(at * 1000))) },
          ...names.map((label, i) => ({
            label,
            stroke: () => css(color(i)),
            width: 1.6,
            points: { show: false },
            value: (_self: uPlot, value: number | null) => (value === null ? '' : show(value)),
          })),
        ],
      },
      data,
      box
    )
  }
  new ResizeObserver(() => plot?.setSize({ width: width(), height: HEIGHT })).observe(box)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plot?.redraw())
  addEventListener('themechange', () => plot?.redraw())

  return {
    element,
    update: ({ times, columns }: Series): void => {
      const names = [...columns.keys()]
      const data = [times, ...columns.values()] as uPlot.AlignedData
      if (names.join() !== drawn || plot === null) {
        drawn = names.join()
        make(names, data)
      } else plot.setData(data)
      // without a pointer the legend shows the last values
      if (plot !== null && !(plot.cursor.left! >= 0) && times.length > 0)
        plot.setLegend({ idx: times.length - 1 })
    },
  }
}
