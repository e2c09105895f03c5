// Commands that are programs of their own end with the command line, however that ends.

import { expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { root } from '../../../bin/bootstrap.mjs'

const WITHIN_MS = 10_000
/** The command line, the program, and two that play. */
const PROCESSES = 4

/** Who started a process, and whether it still runs; who is gone was started by nobody. */
const statOf = (pid: number): { parent: number; runs: boolean } => {
  try {
    const [state, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
    return { parent: Number(parent), runs: state !== 'Z' }
  } catch {
    return { parent: 0, runs: false }
  }
}
const startedBy = (pid: number): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((one) => one > 0 && statOf(one).parent === pid)
    .flatMap((one) => [one, ...startedBy(one)])
const until = async (what: string, isSo: () => boolean): Promise<void> => {
  const limit = performance.now() + WITHIN_MS
  while (!isSo()) {
    if (performance.now() > limit) throw new Error(`not within ${WITHIN_MS} ms: ${what}`)
    await Bun.sleep(10)
  }
}

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'softnet sim ends by %s, with all that it has started',
  async (signal) => {
    const args = [`${root}/bin/softnet.mjs`, 'sim', '--seeds', '100000', '--jobs', '2']
    const child = spawn('node', args, { stdio: 'ignore' })
    await until('all have started', () => startedBy(child.pid!).length === PROCESSES)
    const all = startedBy(child.pid!)
    child.kill(signal)
    try {
      await until('all are gone', () => !all.some((pid) => statOf(pid).runs))
    } finally {
      for (const pid of all) if (statOf(pid).runs) process.kill(pid)
    }
    expect(statOf(child.pid!).runs).toBe(false)
  }
)
