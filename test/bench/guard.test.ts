// What a packet costs, against a loop of the same run: a quarter more than bench/guard.json says of this kind of CPU is a
// failure. Where it is meant, `bun bench/guard.ts --renew` writes the line anew, and the commit says why.

import { expect, test } from 'bun:test'
import { baselineHere, cost, IPV6_TOLERANCE, TOLERANCE } from '../../bench/guard.ts'

const baseline = baselineHere()
/** A process may be compiled or placed badly: only one that always costs more has become dearer. */
const TRIES = 5

test.each(['nic', 'worker'] as const)(
  "the %s's part costs what it did",
  (part) => {
    const limit = baseline[part] * (1 + TOLERANCE)
    let least = Number.POSITIVE_INFINITY
    for (let k = 0; k < TRIES && least > limit; k++) least = Math.min(least, cost(part))
    expect(least).toBeLessThanOrEqual(limit)
  },
  60_000
)

test.each([
  ['nic6', 'nic'],
  ['worker6', 'worker'],
] as const)(
  "IPv6's %s costs little more than IPv4's %s",
  (six, four) => {
    let least = Number.POSITIVE_INFINITY
    for (let k = 0; k < TRIES && least > 1 + IPV6_TOLERANCE; k++)
      least = Math.min(least, cost(six) / cost(four))
    expect(least).toBeLessThanOrEqual(1 + IPV6_TOLERANCE)
  },
  120_000
)
