/**
 * The built-in services of one worker. Made at boot by core/stack/sockets.ts, and none runs yet: whoever makes the stack opens
 * them once it is configured (`configure`), so that their sockets begin with its sysctls. Worker only.
 */
import type { Arena } from '../../shm/arena.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import { LARGE_ROOM, RX_HEADROOM, SKB_DATA } from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import type { Sockets } from '../sockets.ts'
import { createChargen } from './chargen.ts'
import { createDiscard } from './discard.ts'
import { createEcho } from './echo.ts'
import type { Service } from './listen.ts'

const NAMES = ['echo', 'discard', 'chargen'] as const
export type ServicesConfig = Record<(typeof NAMES)[number], boolean>

/** Which are to run, as a word that threads share (G_SERVICES), and back. */
export const servicesMask = (config: ServicesConfig): number =>
  NAMES.reduce((mask, name, bit) => mask | (Number(config[name]) << bit), 0)
export const servicesOf = (mask: number): ServicesConfig => {
  const [echo, discard, chargen] = NAMES.map((_, bit) => ((mask >> bit) & 1) === 1)
  return { echo, discard, chargen }
}

type ServicesDeps = {
  arena: Arena
  skbs: Skbs
  sockets: Sockets
  consume: ConsumeFn
  random: () => number
}

export const createServices = ({ arena, skbs, sockets, consume, random }: ServicesDeps) => {
  const { i32 } = arena
  // one large buffer for good: what is thrown away or sent back passes through it, and small answers are built in front
  const scratch = skbs.alloc(LARGE_ROOM, RX_HEADROOM)
  if (scratch === 0) throw new Error('no memory for the services')
  const page = i32[scratch + SKB_DATA]
  const sink = page + 1024
  const services: Record<keyof ServicesConfig, Service[]> = {
    echo: createEcho({ arena, skbs, sockets, consume, scratch: sink }),
    discard: createDiscard({ sockets, sink }),
    chargen: createChargen({ arena, sockets, sink, page, random }),
  }
  const running: ServicesConfig = { echo: false, discard: false, chargen: false }

  /** Makes what runs match `config`; false when a socket could not be had (its service then does not run). */
  const configure = (config: ServicesConfig): boolean => {
    let all = true
    for (const name of NAMES) {
      if (config[name] === running[name]) continue
      if (!config[name]) {
        for (const service of services[name]) service.close()
        running[name] = false
        continue
      }
      running[name] = services[name].every((service) => service.open())
      if (running[name]) continue
      for (const service of services[name]) service.close()
      all = false
    }
    return all
  }
  return { configure }
}
