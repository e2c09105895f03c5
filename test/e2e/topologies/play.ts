// Plays a plan in two labs at once: each step in both, until what is expected has come in both and nothing more does.

import type { Lab } from './lab.ts'
import { must } from './lab.ts'
import { type Plan, readNetworks, readStep, type Step } from './plan.ts'
import { readProbe, say, withoutDrawn } from './probe.ts'

/** Nothing more comes. */
const QUIET_MS = 8
const COMES_WITHIN_MS = 1500

/** By host, what has come to it in a step. */
type Heard = Map<string, Uint8Array[]>

const listen = (lab: Lab, macs: ReadonlySet<string>, heard: Heard): boolean => {
  let isNew = false
  lab.pump()
  for (const [name, host] of lab.hosts) {
    const packets = host.take(macs)
    if (packets.length === 0) continue
    isNew = true
    heard.set(name, [...(heard.get(name) ?? []), ...packets])
  }
  return isNew
}
const wordsOf = (heard: Heard, node: string): string =>
  (heard.get(node) ?? []).map(say).join(', ') || 'nothing'

const count = (heard: Heard): number =>
  [...heard.values()].reduce((sum, list) => sum + list.length, 0)

/** What one of two has heard, short of what is drawn anew each time. */
const comparable = (heard: Heard): string[] =>
  [...heard]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, packets]) => packets.map((p) => `${name} ${say(p)} ${withoutDrawn(p)}`))

/** `ip -j route get` without what counts down. */
const answer = (said: string): unknown => {
  if (!said.startsWith('[')) return said.replace(/ \([\w.]+: .*\)$/m, '')
  return JSON.parse(said, (key, value) => (key === 'expires' ? 0 : value))
}

export type Difference = { step: string; kernel: unknown; softnet: unknown; expected?: string }

export const playPlan = async (plan: Plan, kernel: Lab, softnet: Lab): Promise<Difference[]> => {
  const members = readNetworks(plan).flat()
  const macs = new Set(members.map(({ mac }) => mac.replaceAll(':', '')))
  const differences: Difference[] = []

  const send = async (step: Step & { kind: 'send' }, text: string, seq: number): Promise<void> => {
    const { node, words, outcome } = step
    const addresses = members.filter((m) => m.node === node).flatMap((m) => m.addresses)
    const probe = readProbe(words, addresses, seq)
    const [theirs, ours]: [Heard, Heard] = [new Map(), new Map()]
    kernel.hosts.get(node)!.send(probe)
    softnet.hosts.get(node)!.send(probe)
    const start = performance.now()
    let changed = start
    for (;;) {
      if (listen(kernel, macs, theirs) || listen(softnet, macs, ours)) changed = performance.now()
      const now = performance.now()
      const isThere =
        wordsOf(theirs, node) === outcome &&
        wordsOf(ours, node) === outcome &&
        count(theirs) === count(ours)
      if (isThere ? now - changed > QUIET_MS : now - start > COMES_WITHIN_MS) break
      await Bun.sleep(1)
    }
    const said = { kernel: wordsOf(theirs, node), softnet: wordsOf(ours, node) }
    if (said.kernel !== outcome || said.softnet !== outcome)
      differences.push({ step: text, ...said, expected: outcome })
    const [a, b] = [comparable(theirs), comparable(ours)]
    if (a.join() !== b.join()) differences.push({ step: text, kernel: a, softnet: b })
  }

  const wait = async (ms: number): Promise<void> => {
    const end = performance.now() + ms
    while (performance.now() < end) {
      softnet.pump()
      await Bun.sleep(1)
    }
  }
  for (const [seq, text] of plan.steps.entries()) {
    const step = readStep(text)
    if (step.kind === 'send') await send(step, text, seq + 1)
    else if (step.kind === 'wait') await wait(step.ms)
    else if (step.kind === 'run')
      for (const lab of [kernel, softnet]) await must(lab, step.node, step.line)
    else {
      const said = {
        kernel: answer(await kernel.run(step.node, step.line)),
        softnet: answer(await softnet.run(step.node, step.line)),
      }
      if (!Bun.deepEquals(said.kernel, said.softnet)) differences.push({ step: text, ...said })
    }
  }
  return differences
}
