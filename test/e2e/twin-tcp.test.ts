// TCP's sockets in softnet and in the kernel: the same segments and calls, so the same answers. A hundred cases of fixed
// seeds, each ended at its first difference; `npm run twin -- --proto tcp` plays more.

import { expect, test } from 'bun:test'
import { KNOWN_TCP } from '../twin/tcp/known.ts'
import { formatFinding, runTcpTwin } from '../twin/tcp/twin.ts'
import { describeE2e, isLong } from './support/inside.ts'

const CASES = isLong ? 1000 : 100

describeE2e(import.meta.path, 'a socket of the kernel does the same', () => {
  for (const family of ['ipv4', 'ipv6'] as const)
    for (const ratelimit of [null, 0])
      test(`${family}, with tcp_invalid_ratelimit ${ratelimit ?? 'as it is'}`, () => {
        const { findings } = runTcpTwin(family, 3200, CASES, {
          rounds: 3,
          most: 2,
          ratelimit,
          known: KNOWN_TCP,
        })
        expect(findings.map(formatFinding).join('\n')).toBe('')
      })
})
