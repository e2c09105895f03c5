import { expect, test } from 'bun:test'
import { addTally, failuresIn, readSummary, skippedIn } from './summary.ts'

test('reads the counts of the closing summary, colours or not', () => {
  const output =
    '\x1b[32m 12 pass\x1b[0m\n 2 skip\n 1 todo\n\x1b[31m 3 fail\x1b[0m\n 7 expect() calls\n'
  expect(readSummary(output, 1)).toEqual({ passed: 12, failed: 3, skipped: 3 })
})

test('takes the last summary when a test printed something like one', () => {
  expect(readSummary(' 99 pass\n 1 fail\n 5 pass\n 0 fail\n', 0)).toEqual({
    passed: 5,
    failed: 0,
    skipped: 0,
  })
})

test('a run that ended badly without a failed test counts as one failure', () => {
  expect(readSummary(' 5 pass\n 0 fail\n 1 error\n', 1).failed).toBe(1)
  expect(readSummary('killed before it said anything', null).failed).toBe(1)
})

test('tells each failure with its file and what was said before it', () => {
  const output = `
test/a.test.ts:
(pass) fine
error: expect(received).toBe(expected)
\x1b[31m(fail)\x1b[0m broken [2.00ms]
noise of one that passed
(pass) fine too

test/b.test.ts:
(fail) slow [50.31ms]
  ^ this test timed out after 50ms.
`
  expect(failuresIn(output)).toEqual([
    'test/a.test.ts:\nerror: expect(received).toBe(expected)\n(fail) broken [2.00ms]',
    'test/b.test.ts:\n(fail) slow [50.31ms]',
  ])
})

test('names the skipped tests of one folder', () => {
  const junit = `
    <testcase name="runs" file="test/e2e/a.test.ts" line="1" assertions="1" />
    <testcase name="ping" file="test/e2e/a.test.ts" line="2" assertions="0">
      <skipped />
    </testcase>
    <testcase name="unit" file="test/core/a.test.ts" line="2"><skipped message="TODO" /></testcase>
    <testcase name="fails" file="test/e2e/a.test.ts" line="9"><failure /></testcase>`
  expect(skippedIn(junit, 'test/e2e/')).toEqual(['test/e2e/a.test.ts: ping'])
})

test('adds tallies', () => {
  const sum = addTally({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 0, skipped: 1 })
  expect(sum).toEqual({ passed: 11, failed: 2, skipped: 4 })
})
