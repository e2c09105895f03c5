/** Softnet and a reference measured in turns: only what stood side by side in time is compared. */

export type Ratio = { median: number; least: number; greatest: number }

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The ratios of the pairs. */
export const ratioOf = (ours: readonly number[], reference: readonly number[]): Ratio => {
  const ratios = ours.map((value, k) => value / reference[k]!)
  return { median: median(ratios), least: Math.min(...ratios), greatest: Math.max(...ratios) }
}

export const showRatio = ({ median: middle, least, greatest }: Ratio): string =>
  `${middle.toFixed(2)} (${least.toFixed(2)}-${greatest.toFixed(2)})`
