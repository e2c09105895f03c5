/** Changes of a network while flows run, drawn from the seed. */
import type { Draw } from './draw.ts'
import type { Change, World } from './world.ts'

/** In how much time after the start changes come: most flows still run. */
const WITHIN_MS = 2000

/** The router's link to the server gets narrower and wider. */
export const mtuChanges = (world: World, draw: Draw): Change[] => {
  const { family, changes } = world.knobs
  const least = family === 4 ? 600 : 1280
  return Array.from({ length: changes }, () => {
    const mtu = draw.whole(least, 1500)
    const atMs = draw.scale(1, WITHIN_MS)
    return { atMs, act: () => world.link(world.r, 'eth2', { mtu }) }
  })
}
