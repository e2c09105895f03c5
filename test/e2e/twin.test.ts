// softnet and the kernel as routers with the same links, addresses and routes: what goes in is the same, so what comes out
// must be, octet by octet. Some hundred cases of fixed seeds and of one that nobody has seen; `npm run twin` plays more.

import { expect, test } from 'bun:test'
import { FAMILIES } from '../twin/family.ts'
import { formatFinding, runTwin } from '../twin/twin.ts'
import { describeE2e, isLong } from './support/inside.ts'

const CASES = isLong ? 20_000 : 400
const FRESH = (Date.now() % 1_000_000) * 1000

describeE2e(import.meta.path, 'the kernel does the same', () => {
  for (const family of Object.values(FAMILIES))
    test.each([1, FRESH])(`${family.name}, cases from seed %p`, async (seed) => {
      const findings = await runTwin(family, seed, CASES, { shrinkTries: 40, most: 2 })
      expect(findings.map((finding) => formatFinding(family, finding)).join('\n')).toBe('')
    })
})
