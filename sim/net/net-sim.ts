// A network of whole stacks in one thread under virtual time: hosts and routers (sim-host.ts) joined by wires that lose,
// repeat, delay and reorder frames by a seed (sim-wire.ts). The same seed is the same run. `run` turns the clock from
// event to event; `leaks` says what is left over.

import { createSimHost, type HostOptions, type SimHost } from './sim-host.ts'
import { createStation, createWires, type End, type Station, type WireOptions } from './sim-wire.ts'
import { seeded } from '../../core/base/random.ts'

export type { HostOptions, SimHost } from './sim-host.ts'
export type { Station, WireOptions } from './sim-wire.ts'
export type Sim = ReturnType<typeof createSim>

const START_US = 1_000_000_000
/** Turns at one moment of time after which something goes round in circles. */
const MANY_TURNS = 100_000

export const createSim = (seed = 1) => {
  const random = seeded(seed)
  const hosts: SimHost[] = []
  let nowUs = START_US
  const wires = createWires(() => nowUs, random)

  const host = async (name: string, options: HostOptions): Promise<SimHost> => {
    const made = await createSimHost({ nowUs: () => nowUs, random }, name, options)
    hosts.push(made)
    return made
  }

  type Plug = readonly [SimHost, string] | Station
  const isStation = (plug: Plug): plug is Station => 'end' in plug
  const endOf = (plug: Plug): End =>
    isStation(plug) ? plug.end : plug[0].end(plug[0].ifindex(plug[1]))
  /** Joins two devices, or a device and a station. The options may be changed later. */
  const wire = (a: Plug, b: Plug, options: WireOptions = {}): WireOptions => {
    const made = wires.makeWire([endOf(a), endOf(b)], options)
    for (const [side, plug] of [a, b].entries()) {
      if (isStation(plug)) plug.plugIn(made, side)
      else plug[0].wires[plug[0].ifindex(plug[1])] = { wire: made, side }
    }
    return options
  }

  /** Lets everything happen that happens at this moment. */
  const settle = (): void => {
    for (let turns = 0; ; turns++) {
      let work = wires.deliver()
      for (const each of hosts) {
        work += each.turn()
        each.control.poll()
      }
      if (work === 0) return
      if (turns > MANY_TURNS) throw new Error('the network goes round in circles')
    }
  }
  const nextUs = (): number => {
    let next = wires.nextUs()
    const jiffy = Math.floor(nowUs / 1000)
    for (const each of hosts)
      for (const stack of each.stacks) next = Math.min(next, (jiffy + stack.nextDelay(1000)) * 1000)
    return next
  }
  /** Runs until `done`, for at most `ms` of virtual time; whether it was done. */
  const run = (ms: number, done: () => boolean = () => false): boolean => {
    const limit = nowUs + ms * 1000
    for (;;) {
      settle()
      if (done()) return true
      if (nowUs >= limit) return false
      nowUs = Math.min(limit, Math.max(nowUs, nextUs()))
    }
  }

  return {
    host,
    station: createStation,
    wire,
    run,
    random,
    nowMs: (): number => nowUs / 1000,
    inFlight: wires.inFlight,
    /** What is left over on every host, by name; nothing where all was given back. */
    leaks: (): Record<string, string[]> =>
      Object.fromEntries(
        hosts
          .map((each) => [each.name, each.leaks()] as const)
          .filter(([, found]) => found.length > 0)
      ),
  }
}
