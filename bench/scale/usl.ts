/**
 * The Universal Scalability Law (Gunther): C(N) = L N / (1 + s (N-1) + k N (N-1)); L is what one worker does, s what they
 * wait for one another, k what it costs to keep them at one. Least squares over measured points.
 */
export type Usl = {
  lambda: number
  sigma: number
  kappa: number
  /** Number of workers from which on more of them do less; null when there is none. */
  peak: number | null
}

/** What it says of N workers. */
export const predict = ({ lambda, sigma, kappa }: Usl, n: number): number =>
  (lambda * n) / (1 + sigma * (n - 1) + kappa * n * (n - 1))

/** Solves a small system of linear equations by elimination; `rows` have their right side at the end. */
const solve = (rows: number[][]): number[] => {
  const n = rows.length
  for (let at = 0; at < n; at++) {
    const best = rows.slice(at).reduce((a, b) => (Math.abs(b[at]!) > Math.abs(a[at]!) ? b : a))
    rows.splice(rows.indexOf(best), 1)
    rows.splice(at, 0, best)
    for (const row of rows) {
      if (row === best) continue
      const factor = row[at]! / best[at]!
      for (let k = at; k <= n; k++) row[k]! -= factor * best[k]!
    }
  }
  return rows.map((row, k) => row[n]! / row[k]!)
}

/**
 * N / C(N) is linear in 1/L, s/L and k/L; each point's error counts in parts of its value. A term that comes out below
 * nothing is left out: it is noise.
 */
export const fitUsl = (
  points: readonly (readonly [workers: number, rate: number])[]
): Usl | null => {
  if (points.length < 3) return null
  const terms = [() => 1, (n: number) => n - 1, (n: number) => n * (n - 1)]
  const fit = (used: readonly number[]): number[] => {
    const rows = used.map((a) => [
      ...used.map((b) => sum(points, (n, weight) => terms[a]!(n) * terms[b]!(n) * weight)),
      sum(points, (n, weight, y) => terms[a]!(n) * y * weight),
    ])
    const found = solve(rows)
    const values = [0, 0, 0]
    for (const [k, term] of used.entries()) values[term] = found[k]!
    return values
  }
  const candidates = [[0, 1, 2], [0, 1], [0, 2], [0]].map(fit)
  const [a = 0, b = 0, c = 0] = candidates.find((values) => values.every((value) => value >= 0))!
  const [sigma, kappa] = [b / a, c / a]
  return {
    lambda: 1 / a,
    sigma,
    kappa,
    peak: kappa === 0 ? null : Math.sqrt(Math.max(0, 1 - sigma) / kappa),
  }
}
const sum = (
  points: readonly (readonly [number, number])[],
  term: (n: number, weight: number, y: number) => number
): number => points.reduce((all, [n, rate]) => all + term(n, (rate / n) ** 2, n / rate), 0)
