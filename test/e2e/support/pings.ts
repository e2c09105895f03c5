// How long packets take while something else goes on.

import type { Namespace } from '../../../workers/os/netns.ts'
import { toolIn } from './commands.ts'

const INTERVAL_S = '0.004'
const LIMIT_MS = 25_000

/** Round trips of so many pings, ms, the shortest first, while `meanwhile` goes on again and again. None may be lost. */
export const pingTimes = async (
  from: Namespace,
  address: string,
  count: number,
  meanwhile: () => Promise<unknown>
): Promise<number[]> => {
  let isOver = false
  const pings = toolIn(from, 'ping', ['-i', INTERVAL_S, '-c', String(count), address], LIMIT_MS)
  void pings.finally(() => {
    isOver = true
  })
  while (!isOver) await meanwhile()
  const times = [...(await pings).matchAll(/time=([\d.]+)/g)].map(([, ms]) => Number(ms))
  if (times.length !== count) throw new Error(`${times.length} of ${count} pings are answered`)
  return times.sort((a, b) => a - b)
}
/** That which 99 of a hundred do not exceed. */
export const p99 = (times: readonly number[]): number => times[Math.floor(times.length * 0.99)]!
