/** Plays a case: its scenario with its knobs, to a verdict. */
import { Fault, type FaultKind } from './fault.ts'
import { drawKnobs, KNOB_NAMES, type Knobs } from './knobs.ts'
import { scenarioOf } from './scenarios.ts'
import type { Figures } from './scenarios.ts'

/** `set` are knobs that were said; all others are the seed's. */
export type Case = { scenario: string; seed: number; set: Partial<Knobs> }
export type Verdict = { fault?: { kind: FaultKind | 'hung'; text: string }; figures: Figures }

const scenario = (name: string) => {
  const found = scenarioOf(name)
  if (found === undefined) throw new Error(`there is no scenario ${name}`)
  return found
}
export const knobsOf = ({ scenario: name, seed, set }: Case): Knobs => ({
  ...drawKnobs(name, seed, scenario(name).draw),
  ...set,
})

export const play = async (each: Case): Promise<Verdict> => {
  try {
    return { figures: await scenario(each.scenario).play(knobsOf(each), each.seed) }
  } catch (error) {
    const kind = error instanceof Fault ? error.kind : 'threw'
    const text = error instanceof Fault ? error.message : ((error as Error).stack ?? `${error}`)
    return { fault: { kind, text }, figures: {} }
  }
}

/** The command that plays it again. */
export const commandOf = ({ scenario: name, seed, set }: Case): string =>
  [
    `softnet sim --scenario ${name} --seed ${seed}`,
    ...KNOB_NAMES.filter((knob) => set[knob] !== undefined).map(
      (knob) => `--set ${knob}=${set[knob]}`
    ),
  ].join(' ')
