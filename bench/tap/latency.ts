/**
 * `softnet bench latency`: how long a datagram takes there and back, through softnet as a router and to its own echo service,
 * beside the kernel in turns, at shares of the highest rate that each of them takes. Open loop (support/udp-probe.ts).
 */
import type { Background } from '../../test/e2e/support/commands.ts'
import type { Networks, Steering } from '../support/networks.ts'
import { createNetworks, joinSoftnet, VIA_KERNEL, VIA_SOFTNET } from '../support/networks.ts'
import { median } from '../support/pairs.ts'
import { runProgram, startServer } from '../support/programs.ts'
import type { Probed } from '../support/udp-probe.ts'

export type LatencyOptions = {
  workers: number[]
  steerings: Steering[]
  seconds: number
  rounds: number
}
type Percentiles = Pick<Probed, 'p50' | 'p90' | 'p99' | 'p999'>
export type LatencyResult = {
  /** Which way, and whose. */
  way: 'routed' | 'local'
  stack: string
  /** Packets a second that it takes, and the share of it that was sent. */
  limit: number
  share: number
  us: Percentiles
}

const ECHO = 7
const SHARES = [0.1, 0.5, 0.9]
/** What is not answered above the limit. */
const TOLERATED = 0.005
const FIRST_RATE = 20_000
const BISECTIONS = 3
const TRIAL_SECONDS = 0.3

type Path = { way: LatencyResult['way']; stack: string; address: string }

const probe = ({ a }: Networks, { address }: Path, seconds: number, rate: number) =>
  runProgram<Probed>(a, 'udp-probe', [address, ECHO, seconds, Math.round(rate)])

/** The highest rate that is answered, by doubling and halving. */
const findLimit = async (networks: Networks, path: Path): Promise<number> => {
  const passes = async (rate: number): Promise<boolean> => {
    const { answered } = await probe(networks, path, TRIAL_SECONDS, rate)
    return answered >= TRIAL_SECONDS * rate * (1 - TOLERATED)
  }
  // one stall is no limit
  const isTaken = async (rate: number): Promise<boolean> =>
    (await passes(rate)) || (await passes(rate))
  let low = FIRST_RATE / 2
  let high = FIRST_RATE
  while (await isTaken(high)) [low, high] = [high, high * 2]
  for (let k = 0; k < BISECTIONS; k++) {
    const middle = (low + high) / 2
    if (await isTaken(middle)) low = middle
    else high = middle
  }
  return low
}

const show = ({ way, stack, limit, share, us }: LatencyResult): void =>
  console.log(
    [
      stack.padEnd(15),
      way.padEnd(7),
      Math.round(limit).toLocaleString('en').padStart(9),
      `${(100 * share).toFixed(0)}%`.padStart(5),
      ...[us.p50, us.p90, us.p99, us.p999].map((value) => value.toFixed(0).padStart(8)),
    ].join(' ')
  )

/** In turns at each share; the median of the rounds. */
const measure = async (
  networks: Networks,
  paths: readonly Path[],
  { seconds, rounds }: LatencyOptions
): Promise<LatencyResult[]> => {
  const limits = new Map<Path, number>()
  for (const path of paths) limits.set(path, await findLimit(networks, path))
  const results: LatencyResult[] = []
  for (const share of SHARES) {
    const taken = new Map<Path, Probed[]>(paths.map((path) => [path, []]))
    for (let round = 0; round < rounds; round++)
      for (const path of paths)
        taken.get(path)!.push(await probe(networks, path, seconds, limits.get(path)! * share))
    for (const path of paths) {
      const all = taken.get(path)!
      const of = (name: keyof Percentiles): number => median(all.map((each) => each[name]))
      const us = { p50: of('p50'), p90: of('p90'), p99: of('p99'), p999: of('p999') }
      const { way, stack } = path
      results.push({ way, stack, limit: limits.get(path)!, share, us })
      show(results.at(-1)!)
    }
  }
  return results
}

export const runLatency = async (options: LatencyOptions): Promise<LatencyResult[]> => {
  const networks = await createNetworks()
  const servers: Background[] = []
  const results: LatencyResult[] = []
  try {
    for (const namespace of [networks.b, networks.kernel])
      servers.push(await startServer(namespace, 'udp-echo', [ECHO], 'udp', ECHO))
    console.log('\na datagram there and back, sent by the clock; microseconds')
    console.log('stack           way         limit    at      p50      p90      p99    p99.9')
    for (const workers of options.workers)
      for (const steering of options.steerings) {
        const daemon = await joinSoftnet(networks, workers, steering)
        const stack = `${steering} x${workers}`
        try {
          for (const [way, ours, theirs] of [
            ['routed', VIA_SOFTNET.destination, VIA_KERNEL.destination],
            ['local', VIA_SOFTNET.gateway, VIA_KERNEL.gateway],
          ] as const) {
            const paths: Path[] = [
              { way, stack: 'kernel', address: theirs },
              { way, stack, address: ours },
            ]
            results.push(...(await measure(networks, paths, options)))
          }
        } finally {
          await daemon.stop()
        }
      }
  } finally {
    for (const server of servers) await server.end()
    await networks.close()
  }
  return results
}
