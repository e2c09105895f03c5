// Reads what `bun test` says about a run: the counts from its closing summary, what failed and why from the lines
// before, the names of skipped tests from its JUnit report. The report alone would not do: a test file that does not even load is
// in the summary and the exit status, and not in the report.

export type Tally = { passed: number; failed: number; skipped: number }

export const addTally = (a: Tally, b: Tally): Tally => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
})

/** The counts of a run's output; a run that ended badly has at least one failure, whatever it said. */
export const readSummary = (output: string, exitCode: number | null): Tally => {
  const plain = Bun.stripANSI(output)
  const count = (word: string): number => {
    const lines = [...plain.matchAll(new RegExp(`^\\s*(\\d+) ${word}s?$`, 'gm'))]
    return Number(lines.at(-1)?.[1] ?? 0)
  }
  const failed = count('fail')
  return {
    passed: count('pass'),
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: count('skip') + count('todo'),
  }
}

const LAST_LINES = 40
const FILE_HEADER = /^\S+\.test\.ts:$/

/** Each failed test of a run's output as it was told: its file, what was said since the test before it, its name. */
export const failuresIn = (output: string): string[] => {
  const failures: string[] = []
  let file = ''
  let said: string[] = []
  for (const line of Bun.stripANSI(output).split('\n')) {
    if (FILE_HEADER.test(line)) file = line
    const isFailure = line.startsWith('(fail) ')
    if (isFailure) failures.push([file, ...said.slice(-LAST_LINES), line].join('\n'))
    if (isFailure || line.startsWith('(pass) ') || line === file) said = []
    else said.push(line)
  }
  return failures
}

const attribute = (tag: string, name: string): string =>
  tag.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1] ?? ''

/** `file: test` of each skipped test case in a JUnit report, for files under a folder. */
export const skippedIn = (junit: string, folder: string): string[] =>
  [...junit.matchAll(/<testcase\b([^>]*[^/])>\s*<skipped\b/g)]
    .map((match) => match[1]!)
    .filter((tag) => attribute(tag, 'file').startsWith(folder))
    .map((tag) => `${attribute(tag, 'file')}: ${attribute(tag, 'name')}`)
