/** Two kinds of plots as SVG text: bars in groups, and lines. */

const WIDTH = 760
const LEFT = 64
const RIGHT = 16
const TOP = 64
const BOTTOM = 44
const PLOT_HEIGHT = 260
const HEIGHT = TOP + PLOT_HEIGHT + BOTTOM
const COLORS = ['#2a6fb0', '#d9822b', '#4c9a52', '#a64b8a', '#7a7a7a', '#b8a12a']

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const n = (value: number): string => value.toFixed(1)
const short = (value: number): string =>
  value >= 1e6
    ? `${+(value / 1e6).toPrecision(3)}M`
    : value >= 1e4
      ? `${+(value / 1e3).toPrecision(3)}k`
      : `${+value.toPrecision(3)}`

type TextOptions = { anchor?: 'start' | 'middle' | 'end'; size?: number; bold?: boolean }
const text = (x: number, y: number, words: string, options: TextOptions = {}): string => {
  const { anchor = 'start', size = 12, bold = false } = options
  const weight = bold ? ' font-weight="bold"' : ''
  return `<text x="${n(x)}" y="${n(y)}" font-size="${size}" text-anchor="${anchor}"${weight}>${escaped(words)}</text>`
}
const line = (x1: number, y1: number, x2: number, y2: number, color: string, more = ''): string =>
  `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" stroke="${color}" ${more}/>`

/** A round number of which a handful reach the top. */
const stepFor = (most: number): number => {
  const rough = most / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  return power * ([1, 2, 5, 10].find((k) => k * power >= rough) ?? 10)
}

type Frame = { title: string; unit: string; series: readonly string[]; most: number }
/** Title, legend and the vertical axis; `y` places a value. */
const frame = ({ title, unit, series, most }: Frame) => {
  const step = stepFor(most)
  const top = Math.ceil(most / step) * step
  const y = (value: number): number => TOP + PLOT_HEIGHT * (1 - value / top)
  const parts = [text(LEFT, 20, title, { size: 14, bold: true }), text(8, TOP - 10, unit)]
  let x = LEFT
  for (const [k, name] of series.entries()) {
    parts.push(
      `<rect x="${n(x)}" y="31" width="10" height="10" fill="${COLORS[k % COLORS.length]}"/>`
    )
    parts.push(text(x + 14, 40, name))
    x += 32 + 6.6 * name.length
  }
  for (let value = 0; value <= top + step / 2; value += step) {
    parts.push(line(LEFT, y(value), WIDTH - RIGHT, y(value), value === 0 ? '#444' : '#ddd'))
    parts.push(text(LEFT - 6, y(value) + 4, short(value), { anchor: 'end' }))
  }
  return { parts, y }
}
const picture = (parts: readonly string[]): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${parts.join('\n')}
</svg>
`

/** `least` and `greatest` are drawn as a whisker. */
export type Bar = { value: number; least?: number; greatest?: number }
export type BarPlot = {
  title: string
  unit: string
  series: readonly string[]
  groups: readonly { label: string; bars: readonly (Bar | null)[] }[]
  /** A line across, to compare with. */
  mark?: number
}

export const barPlot = ({ title, unit, series, groups, mark }: BarPlot): string => {
  const bars = groups.flatMap((group) => group.bars).filter((bar) => bar !== null)
  const most = Math.max(mark ?? 0, ...bars.map((bar) => bar.greatest ?? bar.value))
  const { parts, y } = frame({ title, unit, series, most })
  const groupWidth = (WIDTH - LEFT - RIGHT) / groups.length
  const width = Math.min(40, (groupWidth * 0.8) / series.length)
  for (const [g, { label, bars: own }] of groups.entries()) {
    const middle = LEFT + groupWidth * (g + 0.5)
    parts.push(text(middle, HEIGHT - BOTTOM + 18, label, { anchor: 'middle' }))
    for (const [k, bar] of own.entries()) {
      if (bar === null) continue
      const x = middle + (k - series.length / 2) * width
      const color = COLORS[k % COLORS.length]!
      parts.push(
        `<rect x="${n(x)}" y="${n(y(bar.value))}" width="${n(width - 2)}" height="${n(y(0) - y(bar.value))}" fill="${color}"/>`
      )
      const centre = x + width / 2 - 1
      if (bar.least !== undefined && bar.greatest !== undefined)
        parts.push(
          line(centre, y(bar.least), centre, y(bar.greatest), '#222', 'stroke-width="1.5"')
        )
      const above = y(bar.greatest ?? bar.value) - 4
      parts.push(text(centre, above, short(bar.value), { anchor: 'middle', size: 10 }))
    }
  }
  if (mark !== undefined)
    parts.push(line(LEFT, y(mark), WIDTH - RIGHT, y(mark), '#c22', 'stroke-dasharray="5 4"'))
  return picture(parts)
}

export type LinePlot = {
  title: string
  unit: string
  xTitle: string
  /** Hollow points are drawn as such; a dashed line has none. */
  lines: readonly {
    name: string
    dashed?: boolean
    points: readonly { x: number; y: number; hollow?: boolean }[]
  }[]
}

export const linePlot = ({ title, unit, xTitle, lines }: LinePlot): string => {
  const all = lines.flatMap(({ points }) => points)
  const most = Math.max(...all.map((point) => point.y))
  const widest = Math.max(...all.map((point) => point.x))
  const { parts, y } = frame({ title, unit, series: lines.map(({ name }) => name), most })
  const x = (value: number): number => LEFT + ((WIDTH - LEFT - RIGHT - 12) * value) / widest
  const ticks = new Set(all.filter((point) => Number.isInteger(point.x)).map((point) => point.x))
  for (const tick of ticks)
    parts.push(text(x(tick), HEIGHT - BOTTOM + 18, `${tick}`, { anchor: 'middle' }))
  parts.push(text((LEFT + WIDTH) / 2, HEIGHT - 8, xTitle, { anchor: 'middle' }))
  for (const [k, { points, dashed }] of lines.entries()) {
    const color = COLORS[k % COLORS.length]!
    const way = points.map((point) => `${n(x(point.x))},${n(y(point.y))}`).join(' ')
    const dash = dashed ? ' stroke-dasharray="5 4"' : ''
    parts.push(`<polyline points="${way}" fill="none" stroke="${color}" stroke-width="2"${dash}/>`)
    if (dashed) continue
    for (const point of points)
      parts.push(
        `<circle cx="${n(x(point.x))}" cy="${n(y(point.y))}" r="4" stroke="${color}" fill="${point.hollow ? '#fff' : color}"/>`
      )
  }
  return picture(parts)
}
