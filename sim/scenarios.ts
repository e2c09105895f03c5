/** The scenarios: a file each in scenarios/. */
import type { Draw } from './draw.ts'
import type { Knobs } from './knobs.ts'
import { bottleneck } from './scenarios/bottleneck.ts'
import { bulk } from './scenarios/bulk.ts'
import { connections } from './scenarios/connections.ts'
import { datagrams } from './scenarios/datagrams.ts'
import { marking } from './scenarios/marking.ts'
import { memory } from './scenarios/memory.ts'
import { paced } from './scenarios/paced.ts'
import { requests } from './scenarios/requests.ts'
import { restarts } from './scenarios/restarts.ts'
import { routes } from './scenarios/routes.ts'
import { steering } from './scenarios/steering.ts'
import { topology } from './scenarios/topology.ts'

/** What came of a run, for whoever reads -v. */
export type Figures = { virtualMs?: number } & Record<string, number>
export type Scenario = {
  name: string
  does: string
  /** What it draws otherwise than every case. */
  draw: (draw: Draw, knobs: Knobs) => Partial<Knobs>
  /** Plays a case; throws a Fault. */
  play: (knobs: Knobs, seed: number) => Promise<Figures>
}

export const SCENARIOS: readonly [Scenario, ...Scenario[]] = [
  bulk,
  requests,
  connections,
  bottleneck,
  paced,
  marking,
  datagrams,
  routes,
  steering,
  restarts,
  memory,
  topology,
]
export const scenarioOf = (name: string): Scenario | undefined =>
  SCENARIOS.find((scenario) => scenario.name === name)
