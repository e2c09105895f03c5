/** Changes of a network while flows run, drawn from the seed. */
import type { Draw } from './draw.ts'
import type { Change } from './watch.ts'
import type { World } from './world.ts'

/** In how much time after the start changes come: most flows still run. */
const WITHIN_MS = 2000
/** Entries of an indirection table. */
const INDIRECTION = 128

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

/** Beside what a scenario changes the link changes too, now and then. */
export const sometimesMtuChanges = (world: World, draw: Draw): Change[] =>
  draw.chance(0.4) ? mtuChanges(world, draw) : []

/** Some link's flows go to other workers: by its indirection table, or by RPS. */
export const steeringChanges = (world: World, draw: Draw): Change[] => {
  const { workers, changes } = world.knobs
  const links = [
    [world.a, 'eth0'],
    [world.b, 'eth0'],
    [world.r, 'eth1'],
    [world.r, 'eth2'],
  ] as const
  return Array.from({ length: changes }, () => {
    const [host, ifname] = draw.pick(links)
    const table = Array.from({ length: INDIRECTION }, () => draw.whole(0, workers - 1))
    const mask = draw.whole(0, 2 ** workers - 1).toString(16)
    const isRss = draw.chance(0.6)
    const act = (): Promise<void> =>
      isRss
        ? host.must({
            type: 'ETHTOOL_MSG_RSS_SET',
            rss: { ifname, 'rss-indirection-table': table },
          })
        : host.must({ type: 'RPS_SET', ifname, rps_cpus: mask })
    return { atMs: draw.scale(1, WITHIN_MS), act }
  })
}
