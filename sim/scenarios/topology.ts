/**
 * A random network of routers and hosts whose cables are cut and joined, links go down and up, MTUs change and networks get
 * other numbers, while a controller (topology/controller.ts) keeps the routes. After each change every host asks every
 * other in both families: who answers is what the graph says.
 */
import { createDraw } from '../draw.ts'
import { Fault } from '../fault.ts'
import type { Scenario } from '../scenarios.ts'
import { askAll } from '../topology/ask.ts'
import { createController } from '../topology/controller.ts'
import { createGraph } from '../topology/graph.ts'
import { createWatch } from '../watch.ts'

/** Until addresses are no longer tentative, and what was on its way is gone. */
const CALM_MS = 5000
/** Times between two changes, up to which entries of neighbours and paths live. */
const SHORT_MS = 1000
const LONG_MS = 900_000

export const topology: Scenario = {
  name: 'topology',
  does: 'random routers, cables cut, links down, MTUs and numbers changed; the graph says who answers',
  draw: (draw) => ({
    flows: draw.whole(2, 5),
    rounds: draw.whole(2, 8),
    workers: draw.whole(1, 2),
  }),
  play: async (knobs, seed) => {
    const draw = createDraw(seed, 'topology')
    const graph = await createGraph(draw, { ...knobs, seed: seed * 31 + knobs.luck })
    const { sim } = graph
    const watch = createWatch(sim, knobs)
    const controller = createController(graph, draw)
    await controller.converge()
    sim.run(CALM_MS)
    let asked = 0
    for (let round = 0; round <= knobs.rounds; round++) {
      const what = round === 0 ? 'the start' : await controller.change()
      await controller.converge()
      sim.run(CALM_MS)
      asked += askAll(graph, draw, what)
      for (const { host } of graph.nodes)
        if (host.mib('IcmpOutTimeExcds') + host.mib('Icmp6OutTimeExcds') > 0)
          throw new Fault('route', `after ${what}: packets go round in circles at ${host.name}`)
      sim.run(draw.scale(SHORT_MS, LONG_MS))
    }
    await controller.calm()
    graph.close()
    return { virtualMs: watch.settle(), nodes: graph.nodes.length, asked }
  },
}
