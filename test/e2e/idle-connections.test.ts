// Established connections that say nothing: they take little memory, and listing them all over the API holds up no packet.
// SOFTNET_LONG=1 makes it 100,000 of them, and holds memory and delay to their bounds.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { expectNothingLeaked, freeBuffers } from './support/checks.ts'
import { type Background, startIn, toolIn } from './support/commands.ts'
import { processUsage } from './support/daemon.ts'
import type { Idle } from './support/idle-clients.ts'
import { describeE2e, isLong } from './support/inside.ts'
import { quietAndBeside } from './support/pings.ts'
import { B, createTopology, ROUTER_A, ROUTER_B, type Topology } from './support/topology.ts'

const TOOL = `${import.meta.dir}/support/idle-clients.ts`
/** A process may have some 20,000 descriptors, an address 28,000 ports to each of four listeners. */
const PROCESSES = isLong ? 10 : 2
const EACH = isLong ? 10_000 : 1000
const CONNECTIONS = PROCESSES * EACH
const TARGETS = [ROUTER_A, ROUTER_B].flatMap((address) => [`${address}:7`, `${address}:9`])
const LIMIT_MS = isLong ? 240_000 : 60_000
/** What a connection may take of the process, octets. */
const MOST_EACH = 3072
/** By how much a listing may hold up a ping, and the 99th of a hundred, ms. */
const MOST_STALL_MS = 5
const MOST_RISE_MS = 1

describeE2e(import.meta.path, 'idle connections', () => {
  let net: Topology
  const clients: Background[] = []

  beforeAll(async () => {
    net = await createTopology()
    await toolIn(net.a, 'ping', ['-c', '2', '-i', '0.05', B])
  })
  afterAll(async () => {
    for (const client of clients) await client.end()
    await net?.close()
  })

  const rssMb = (): number => processUsage(net.daemon.pid).rssMb
  /** As NDJSON, a line each. */
  const established = async (): Promise<number> => {
    const headers = { accept: 'application/x-ndjson' }
    const { unix } = net.daemon
    const answer = await fetch('http://softnet/v1/sockets/tcp', { unix, headers })
    return (await answer.text()).split('"state":"ESTAB"').length - 1
  }
  const hold = (count: number): void => {
    const argv = [process.execPath, TOOL, `${count}`, ...TARGETS]
    clients.push(startIn(net.a, argv, { limitMs: LIMIT_MS }))
  }
  const until = async (isSo: () => Promise<boolean>): Promise<void> => {
    const deadline = performance.now() + LIMIT_MS / 2
    while (!(await isSo()) && performance.now() < deadline) await Bun.sleep(200)
  }
  const opens = (): Promise<number> => net.daemon.nstat('TcpCurrEstab')

  test(
    'take little, and are listed while packets go on',
    async () => {
      await net.daemon.list('/v1/sockets/tcp')
      const free = await freeBuffers(net.daemon)
      const before = rssMb()
      const begun = performance.now()
      for (let k = 0; k < PROCESSES; k++) hold(EACH)
      await until(async () => (await opens()) >= CONNECTIONS)
      const tookMs = performance.now() - begun
      const each = ((rssMb() - before) * 2 ** 20) / CONNECTIONS
      let lists = 0
      const [quiet, listing] = await quietAndBeside(net.a, ROUTER_A, async () => {
        expect(await established()).toBe(CONNECTIONS)
        lists++
      })
      console.log(
        `  ${CONNECTIONS} in ${tookMs.toFixed(0)} ms, ${each.toFixed(0)} octets each; the slowest ping ` +
          `${quiet.slowest} ms, ${listing.slowest} ms beside ${lists} lists, p99 ${quiet.p99} and ${listing.p99}`
      )
      if (isLong) {
        expect(each).toBeLessThan(MOST_EACH)
        expect(listing.slowest - quiet.slowest).toBeLessThan(MOST_STALL_MS)
        expect(listing.p99 - quiet.p99).toBeLessThan(MOST_RISE_MS)
      }
      const said = await Promise.all(clients.splice(0).map((client) => client.end()))
      for (const { out } of said)
        expect(JSON.parse(out) as Idle).toEqual({ opened: EACH, failures: [] })
      await until(async () => (await opens()) === 0)
      expect(await opens()).toBe(0)
      await expectNothingLeaked(net.daemon, free)
    },
    LIMIT_MS + 30_000
  )
})
