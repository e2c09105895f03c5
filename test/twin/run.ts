// The twin test, long: npm run twin -- [--cases N] [--seed S] [--family ipv4|ipv6] [--quick: differences as they are
// found, no smaller], or --play 'STEPS' for one case that a run
// has printed. Runs itself again as root of fresh namespaces, so nothing of the machine is touched.

import { runInNewNamespace } from '../../workers/os/exec.ts'
import { toolPath } from '../support/tools.ts'
import { decodeCase } from './case.ts'
import { FAMILIES } from './family.ts'
import { mainTcp } from './tcp/run.ts'
import { formatFinding, playFresh, runTwin } from './twin.ts'

const args = process.argv.slice(2)
const option = (name: string, otherwise: string): string => {
  const at = args.indexOf(name)
  return at < 0 ? otherwise : args[at + 1]!
}

const SHRINK_TRIES = 300

const main = async (): Promise<number> => {
  if (option('--proto', 'ip') === 'tcp') return mainTcp(option, args.includes('--quick'))
  const family = FAMILIES[option('--family', 'ipv4')]
  if (family === undefined) throw new Error(`families: ${Object.keys(FAMILIES).join(', ')}`)
  const steps = option('--play', '')
  if (steps !== '') {
    const differences = await playFresh(family, decodeCase(steps))
    for (const { where, kernel, softnet } of differences) {
      for (const line of kernel) console.log(`${where} kernel:  ${line}`)
      for (const line of softnet) console.log(`${where} softnet: ${line}`)
    }
    console.log(differences.length === 0 ? 'no difference' : 'they differ')
    return differences.length === 0 ? 0 : 1
  }
  const seed = Number(option('--seed', '1'))
  const cases = Number(option('--cases', '50000'))
  const start = performance.now()
  const seconds = (): string => ((performance.now() - start) / 1000).toFixed(1)
  const shrinkTries = args.includes('--quick') ? 0 : SHRINK_TRIES
  const progress = (done: number, found: number): void => {
    if (done % 5000 === 0) console.log(`${done} cases, ${found} differences, ${seconds()} s`)
  }
  const findings = await runTwin(family, seed, cases, { shrinkTries, progress })
  for (const finding of findings.sort((a, b) => b.times - a.times))
    console.log(formatFinding(family, finding))
  console.log(`${cases} cases of seed ${seed}: ${findings.length} differences, ${seconds()} s`)
  return findings.length === 0 ? 0 : 1
}

const INSIDE = 'SOFTNET_TWIN_INSIDE'
if (process.env[INSIDE] === '1') process.exit(await main())
const env = { ...process.env, PATH: toolPath(), [INSIDE]: '1' }
process.exit(await runInNewNamespace([process.execPath, import.meta.path, ...args], { env }))
