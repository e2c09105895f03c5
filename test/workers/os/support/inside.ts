// Tests of devices need CAP_NET_ADMIN: a test file runs itself again as root of fresh namespaces,
// which ordinary users may do as well, and nothing of the machine is touched.

import { describe, expect, test } from 'bun:test'
import { runInNewNamespace } from '../../../../workers/os/exec.ts'

export const describeInside = (path: string, title: string, tests: () => void): void => {
  if (process.env['SOFTNET_TEST_INSIDE'] === path) {
    describe(title, tests)
    return
  }
  test(`${title}, as root of fresh namespaces`, async () => {
    const env = { ...process.env, SOFTNET_TEST_INSIDE: path }
    expect(await runInNewNamespace([process.execPath, 'test', path], { env })).toBe(0)
  }, 30_000)
}
