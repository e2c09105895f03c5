// What `npm test` runs: everything the project has to prove. The tools that the e2e tests need, then
// types, format and lint, then all the tests. At the end stands once more what failed, then
// `N passed, N failed, N skipped`; the exit status is 0 only when nothing failed and no e2e test was
// skipped, since a skipped proof is none.
//
//   npm test                         everything
//   npm test -- test/core/wire       the tests whose path contains that, and nothing else
//   npm run check                    --fast: everything that needs neither network nor privilege

import { mkdtempSync, rmSync } from 'node:fs'
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../bin/bootstrap.mjs'
import { addTally, failuresIn, readSummary, skippedIn, type Tally } from './support/summary.ts'
import { ensureTools, toolPath } from './support/tools.ts'

const TEST_TIMEOUT_MS = 60_000
const WHOLE_RUN_TIMEOUT_MS = 20 * 60_000
/** Of what runs beside tests that know time. */
const LOW_PRIORITY = 15
const SLOW_FOLDERS = ['e2e', 'fuzz', 'sim']
/** Tests of packets on their way through a stack. */
const PACKET_PATH = ['dev', 'neigh', 'ipv4', 'ipv6', 'netfilter', 'transport/udp']
  .map((folder) => `test/core/${folder}`)
  .concat('test/journeys', '--path-ignore-patterns=test/journeys/restart*')

const PASSED: Tally = { passed: 1, failed: 0, skipped: 0 }
const FAILED: Tally = { passed: 0, failed: 1, skipped: 0 }

const args = process.argv.slice(2)
const fast = args.includes('--fast')
const testArgs = args.filter((arg) => arg !== '--fast')
const filters = testArgs.filter((arg) => !arg.startsWith('-'))
const everything = testArgs.length === 0
const wantsTools = !fast && (everything || filters.some((filter) => filter.includes('e2e')))

const colors = process.stderr.isTTY ? 'force' : 'off'
const env = { ...process.env, PATH: toolPath() }

const checkTools = (): Tally => {
  const problem = ensureTools()
  if (problem === null) return PASSED
  console.error(`FAIL tools\n${problem}`)
  return FAILED
}

// Scripts made for Node run under this Bun too, so that Bun alone is enough.
const checkWith = (name: string, script: string, scriptArgs: string[]): Tally => {
  const command = [process.execPath, join(root, 'node_modules', script), ...scriptArgs]
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: root, env })
  if (exitCode === 0) {
    console.log(`ok ${name}`)
    return PASSED
  }
  console.error(`FAIL ${name}\n${stdout}${stderr}`)
  return FAILED
}

type Run = {
  paths: string[]
  /** Folders of test/ that are left out. */
  without?: string[]
  /** More of the environment. */
  more?: Record<string, string>
  /** Behind all others, and what it says comes at its end. */
  isAside?: boolean
}
/** Runs tests of this tree; which of them ran stands in `reportFile`. */
const runTests = async (reportFile: string, run: Run): Promise<Tally> => {
  const { paths, without = [], more = {}, isAside = false } = run
  const options = ['--only-failures', `--timeout=${TEST_TIMEOUT_MS}`]
  options.push('--reporter=junit', `--reporter-outfile=${reportFile}`)
  for (const name of without) options.push(`--path-ignore-patterns=test/${name}/**`)
  // --no-orphans: what a test started ends with the run, whatever happens to either.
  const child = Bun.spawn([process.execPath, '--no-orphans', 'test', ...options, ...paths], {
    cwd: root,
    env: { ...env, ...(process.stderr.isTTY && { FORCE_COLOR: '1' }), ...more },
    stdin: 'ignore',
    stdout: isAside ? 'ignore' : 'inherit',
    stderr: 'pipe',
    timeout: WHOLE_RUN_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  if (isAside) setPriority(child.pid, LOW_PRIORITY)
  let said = ''
  const decoder = new TextDecoder()
  for await (const chunk of child.stderr) {
    if (!isAside) process.stderr.write(chunk)
    said += decoder.decode(chunk, { stream: true })
  }
  await child.exited
  if (isAside) process.stderr.write(said)
  failures.push(...failuresIn(said))
  if (child.signalCode) console.error(`FAIL the tests were ended by ${child.signalCode}`)
  return readSummary(said, child.exitCode)
}

const skippedE2e = async (reportFile: string): Promise<string[]> => {
  const report = Bun.file(reportFile)
  return (await report.exists()) ? skippedIn(await report.text(), 'test/e2e/') : []
}

const scratch = mkdtempSync(join(tmpdir(), 'softnet-test-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
for (const [signal, number] of Object.entries({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15 })) {
  process.on(signal, () => process.exit(128 + number))
}
const reportFile = join(scratch, 'junit.xml')

const tallies: Tally[] = []
const failures: string[] = []
if (wantsTools) tallies.push(checkTools())
if (everything) {
  tallies.push(checkWith('types', 'typescript/bin/tsc', ['--build']))
  tallies.push(
    checkWith('format and lint', '@biomejs/biome/bin/biome', [
      'ci',
      '--error-on-warnings',
      `--colors=${colors}`,
    ])
  )
}
const runSome = async (): Promise<Tally[]> => [
  await runTests(reportFile, { paths: testArgs, without: fast ? SLOW_FOLDERS : [] }),
]
/** What computes; what holds for packets holds for packets whose bytes move as well (sim/net/restless-buffers.ts). */
const runComputing = async (without: string[], isAside: boolean): Promise<Tally[]> => {
  const restless = { SOFTNET_TEST_BUFFERS: 'restless' }
  return [
    await runTests(join(scratch, 'computing.xml'), { paths: [], without, isAside }),
    await runTests(join(scratch, 'restless.xml'), { paths: PACKET_PATH, more: restless, isAside }),
  ]
}
/** What builds networks waits for most of its time; what computes has the CPUs meanwhile, behind it. */
const runAll = async (): Promise<Tally[]> =>
  (
    await Promise.all([
      runTests(reportFile, { paths: ['test/e2e'] }).then((tally) => [tally]),
      runComputing(['e2e'], true),
    ])
  ).flat()
const run = everything ? (fast ? () => runComputing(SLOW_FOLDERS, false) : runAll) : runSome
tallies.push(...(await run()))

const unproved = await skippedE2e(reportFile)
for (const name of unproved) console.error(`SKIPPED ${name}: an e2e test must run or fail`)
if (failures.length > 0) console.error(`\nFAILED\n\n${failures.join('\n\n')}\n`)

const { passed, failed, skipped } = tallies.reduce(addTally)
process.exitCode = failed > 0 || unproved.length > 0 ? 1 : 0
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
