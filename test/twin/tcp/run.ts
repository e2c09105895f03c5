// The part of `npm run twin` for TCP: --proto tcp [--cases N] [--seed S] [--family ipv4|ipv6] [--ratelimit MS] [--kind KIND: cases of
// that alone] [--quick].

import { KIND_NAMES } from './generate/kinds.ts'
import { isKnown, KNOWN_TCP } from './known.ts'
import { given } from './play.ts'
import { decodeCase, encodeStep } from './script.ts'
import { formatFinding, playAll, runTcpTwin } from './twin.ts'

type Option = (name: string, otherwise: string) => string

const playOne = (text: string): number => {
  const { world, isn, steps } = decodeCase(text)
  const [run] = playAll(world, [{ isn, next: given(steps) }])
  for (const [k, answers] of run!.answers.entries()) {
    console.log(encodeStep(steps[k]!))
    for (const answer of answers) console.log(`    ${answer}`)
  }
  if (run!.difference === null) {
    console.log('no difference')
    return 0
  }
  const { at, kernel, softnet } = run!.difference
  console.log(`at ${encodeStep(steps[at]!)}`)
  for (const line of kernel) console.log(`kernel:  ${line}`)
  for (const line of softnet) console.log(`softnet: ${line}`)
  const reason = isKnown(KNOWN_TCP, run!)
  if (reason === null) return 1
  console.log(`known: ${reason}`)
  return 0
}

const ROUNDS = 12
export const mainTcp = (option: Option, isQuick: boolean): number => {
  const play = option('--play', '')
  if (play !== '') return playOne(play)
  const seed = Number(option('--seed', '1'))
  const cases = Number(option('--cases', '50000'))
  const ratelimit = option('--ratelimit', '')
  const kind = option('--kind', '')
  if (kind !== '' && !KIND_NAMES.includes(kind)) throw new Error(`kinds: ${KIND_NAMES.join(', ')}`)
  const start = performance.now()
  const seconds = (): string => ((performance.now() - start) / 1000).toFixed(1)
  let differences = 0
  for (const family of ['ipv4', 'ipv6'] as const) {
    if (option('--family', family) !== family) continue
    const { played, steps, known, findings } = runTcpTwin(family, seed, cases, {
      rounds: isQuick ? 0 : ROUNDS,
      ratelimit: ratelimit === '' ? null : Number(ratelimit),
      known: KNOWN_TCP,
      kind,
      progress: (tally) =>
        console.log(`${tally.played} cases, ${tally.findings.length} differences, ${seconds()} s`),
    })
    for (const finding of findings.sort((a, b) => b.times - a.times))
      console.log(formatFinding(finding))
    for (const [reason, times] of known) console.log(`known, ${times} times: ${reason}`)
    console.log(
      `${family}: ${played} cases of seed ${seed}, ${steps} steps: ${findings.length} differences, ${seconds()} s`
    )
    differences += findings.length
  }
  return differences === 0 ? 0 : 1
}
