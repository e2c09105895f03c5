import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { root } from '../../bin/bootstrap.mjs'

/** Waits until `look` gives something. */
const until = async <T>(look: () => T | undefined): Promise<T> => {
  const deadline = performance.now() + 20_000
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error('it did not come')
    await Bun.sleep(10)
  }
}

test('processes that play cases end with the one that asked for them, also when it is killed', async () => {
  const parent = Bun.spawn(
    [
      process.execPath,
      `${root}/sim/run.ts`,
      '--scenario',
      'bulk',
      '--seed',
      '1',
      '--set',
      'bytes=2000000000',
      '--jobs',
      '1',
    ],
    {
      stdio: ['ignore', 'ignore', 'ignore'],
    }
  )
  const children = `/proc/${parent.pid}/task/${parent.pid}/children`
  const child = await until(() => /\d+/.exec(readFileSync(children, 'utf8'))?.[0])
  // it plays, and will for a while
  const busyTicks = (): number => Number(readFileSync(`/proc/${child}/stat`, 'utf8').split(' ')[13])
  await until(() => (busyTicks() > 50 ? true : undefined))
  parent.kill('SIGKILL')
  await until(() => (existsSync(`/proc/${child}`) ? undefined : true))
  expect(await parent.exited).not.toBe(0)
})
