// End to end tests build networks, which needs CAP_NET_ADMIN: a test file runs itself again as root of fresh
// namespaces, which ordinary users may do as well; nothing of the machine is touched, and what a test may have
// left behind goes with the namespaces.

import { describe, expect, test } from 'bun:test'
import { runInNewNamespace } from '../../../workers/os/exec.ts'
import { toolPath } from '../../support/tools.ts'

/** The long run moves more bytes for more time: SOFTNET_LONG=1 bun test test/e2e. */
export const isLong = process.env['SOFTNET_LONG'] === '1'

const TEST_TIMEOUT_MS = isLong ? 400_000 : 30_000
const FILE_TIMEOUT_MS = isLong ? 1_200_000 : 150_000

export const describeE2e = (path: string, title: string, tests: () => void): void => {
  if (process.env['SOFTNET_TEST_INSIDE'] === path) {
    describe(title, tests)
    return
  }
  test(
    `${title}, as root of fresh namespaces`,
    async () => {
      const env = { ...process.env, PATH: toolPath(), SOFTNET_TEST_INSIDE: path }
      const options = ['--only-failures', `--timeout=${TEST_TIMEOUT_MS}`]
      const argv = [process.execPath, 'test', ...options, path]
      expect(await runInNewNamespace(argv, { env })).toBe(0)
    },
    FILE_TIMEOUT_MS
  )
}
