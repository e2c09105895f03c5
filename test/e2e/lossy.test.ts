// How fast softnet's TCP is over a path that loses, beside the kernel's over the same path: a's kernel on one end, and on the other
// b's kernel or a softnet in b's namespace, in turns; between them a router whose links lose, double and reorder.
// SOFTNET_LONG=1 moves as much as a verdict needs.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { SOFTNET_B } from './support/bulk-ends.ts'
import { type Background, runIn, startIn, toolIn, untilBound } from './support/commands.ts'
import { requireTool } from '../support/tools.ts'
import { describeE2e, isLong } from './support/inside.ts'
import { B, createTopology, ROUTER_A, ROUTER_B, type Topology } from './support/topology.ts'

const TOOL = `${import.meta.dir}/support/bulk-ends.ts`
const ROUNDS = isLong ? 6 : 2
/** softnet may be slower by chance, as a short run loses some dozens of packets: then more rounds tell. */
const MOST_ROUNDS = isLong ? ROUNDS : 8
const LEAST = isLong ? 0.95 : 0.35
const LIMIT_MS = isLong ? 300_000 : 25_000
/** One way; times in microseconds. */
const PATHS = [
  {
    name: '1 % loss',
    netem: { loss: 1, duplicate: 0, reorder: 0, delay: 5000 },
    megabytes: isLong ? 24 : 2,
  },
  {
    name: '2 % loss, duplicates and reordering',
    netem: { loss: 2, duplicate: 2, reorder: 2, delay: 500 },
    megabytes: isLong ? 40 : 3,
  },
] as const
const WAYS = [
  { way: 'from', does: 'take' },
  { way: 'to', does: 'send' },
  { way: 'to and from', does: 'echo' },
] as const

describeE2e(import.meta.path, 'a path that loses', () => {
  let net: Topology
  const servers: Background[] = []

  beforeAll(async () => {
    net = await createTopology()
    // a namespace may not choose the algorithm of others for itself, but its routes may
    for (const [namespace, gateway] of [
      [net.a, ROUTER_A],
      [net.b, ROUTER_B],
    ] as const)
      await toolIn(namespace, 'ip', [
        'route',
        'replace',
        'default',
        'via',
        gateway,
        'congctl',
        'cubic',
      ])
    for (const stack of ['kernel', 'softnet'])
      servers.push(startIn(net.b, [process.execPath, TOOL, stack], { limitMs: 1_200_000 }))
    await untilBound(net.b, 'tcp', 19)
    // ping gives up when the router says that nobody is there yet
    const ping = [requireTool('ping'), '-c', '1', '-W', '1', SOFTNET_B]
    while ((await runIn(net.a, ping)).status !== 0) await Bun.sleep(100)
  })
  afterAll(async () => {
    for (const server of servers) await server.end()
    await net?.close()
  })

  const seconds = async (does: string, address: string, bytes: number): Promise<number> => {
    const argv = [process.execPath, TOOL, does, address, `${bytes}`]
    const { out, err } = await runIn(net.a, argv, LIMIT_MS)
    if (!(Number(out) > 0)) throw new Error(`${does} ${address}: ${out}${err}`)
    return Number(out) / 1000
  }

  describe.each(PATHS)('$name', ({ netem, megabytes }) => {
    beforeAll(async () => {
      for (const link of ['lan0', 'lan1'])
        await net.daemon.must('PATCH', `/v1/links/${link}`, { netem })
    })
    test.each(WAYS)(
      `${ROUNDS} times ${megabytes} MB $way softnet are as fast as $way the kernel`,
      async ({ way, does }) => {
        const bytes = megabytes << 20
        const took = { kernel: 0, softnet: 0 }
        const isSlow = (): boolean => took.kernel / took.softnet <= LEAST
        let round = 0
        for (; round < ROUNDS || (isSlow() && round < MOST_ROUNDS); round++) {
          took.kernel += await seconds(does, B, bytes)
          took.softnet += await seconds(does, SOFTNET_B, bytes)
        }
        const mbit = (s: number): string => ((round * bytes * 8) / s / 1e6).toFixed(1)
        console.log(
          `  ${way} the kernel ${mbit(took.kernel)} Mbit/s, ${way} softnet ${mbit(took.softnet)}`
        )
        expect(took.kernel / took.softnet).toBeGreaterThan(LEAST)
      },
      2 * MOST_ROUNDS * LIMIT_MS
    )
  })
})
