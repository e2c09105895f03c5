import { expect, test } from 'bun:test'
import { fitUsl, predict } from '../../../bench/scale/usl.ts'

const law = (lambda: number, sigma: number, kappa: number) => (n: number) =>
  [n, predict({ lambda, sigma, kappa, peak: null }, n)] as const
const COUNTS = [1, 2, 3, 4, 6, 8]

test('finds the law that the points obey', () => {
  const fit = fitUsl(COUNTS.map(law(4e6, 0.03, 0.002)))!
  expect(fit.lambda).toBeCloseTo(4e6, 0)
  expect(fit.sigma).toBeCloseTo(0.03, 8)
  expect(fit.kappa).toBeCloseTo(0.002, 8)
  expect(fit.peak).toBeCloseTo(Math.sqrt(0.97 / 0.002), 4)
})

test('says that points in a line have no peak', () => {
  expect(fitUsl(COUNTS.map(law(1000, 0, 0)))).toMatchObject({ peak: null })
})

test('a term that would be below nothing is none', () => {
  // more than twice by two: noise
  const fit = fitUsl([
    [1, 100],
    [2, 205],
    [4, 400],
  ])!
  expect(fit.sigma).toBeGreaterThanOrEqual(0)
  expect(fit.kappa).toBeGreaterThanOrEqual(0)
  expect(fit.lambda).toBeGreaterThan(95)
})

test('fits nothing to two points', () => {
  expect(fitUsl([law(1, 0, 0)(1), law(1, 0, 0)(2)])).toBeNull()
})
