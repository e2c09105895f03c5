/** Counters over time: what each gained since the last look, and since the reader pressed reset. */

/** Seconds of history that a plot shows. */
const HISTORY = 120

export const createRates = () => {
  const last = new Map<string, { value: number; at: number }>()
  const base = new Map<string, number>()
  return {
    /** Per second since the last look. A counter that fell began anew. */
    rate: (key: string, value: number, at: number): number => {
      const before = last.get(key)
      last.set(key, { value, at })
      if (before === undefined || at <= before.at) return 0
      return Math.max(0, value - before.value) / (at - before.at)
    },
    /** What was gained since the reset: all, where there was none. */
    since: (key: string, value: number): number => {
      const from = base.get(key) ?? 0
      if (value >= from) return value - from
      base.delete(key)
      return value
    },
    reset: (values: Iterable<readonly [string, number]>): void => {
      base.clear()
      for (const [key, value] of values) base.set(key, value)
    },
    forget: (): void => last.clear(),
  }
}

/** Columns of numbers over time, bounded. */
export type Series = { times: number[]; columns: Map<string, (number | null)[]> }

export const createSeries = (): Series => ({ times: [], columns: new Map() })

export const addSample = (
  series: Series,
  at: number,
  values: Readonly<Record<string, number | null>>
): void => {
  const { times, columns } = series
  for (const key of Object.keys(values))
    if (!columns.has(key)) columns.set(key, new Array(times.length).fill(null))
  times.push(at)
  for (const [key, column] of columns) column.push(values[key] ?? null)
  if (times.length <= HISTORY) return
  times.shift()
  for (const column of columns.values()) column.shift()
}
