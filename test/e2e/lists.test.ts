// A hundred thousand routes are loaded in one batch and listed as NDJSON while a ping goes through: neither is felt by it.
// SOFTNET_LONG=1 holds the ping to its bound, which needs an idle machine.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { toolIn } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import { quietAndBeside } from './support/pings.ts'
import { B, createTopology, type Topology } from './support/topology.ts'

const ROUTES = 100_000
/** By how much the 99th percentile of a ping may rise, ms. */
const MOST_RISE_MS = 1

describeE2e(import.meta.path, 'long lists', () => {
  let net: Topology

  beforeAll(async () => {
    net = await createTopology()
    await toolIn(net.a, 'ping', ['-c', '2', '-i', '0.05', B])
  })
  afterAll(() => net?.close())

  const ask = (method: string, path: string, body?: string): Promise<Response> =>
    fetch(`http://softnet/v1/tables/100/${path}`, {
      unix: net.daemon.unix,
      method,
      headers: { accept: 'application/x-ndjson', 'content-type': 'application/x-ndjson' },
      ...(body !== undefined && { body }),
    })
  const linesOf = async (response: Response): Promise<string[]> =>
    (await response.text()).trimEnd().split('\n')

  test(`${ROUTES} routes`, async () => {
    const route = (n: number): string =>
      JSON.stringify({ dst: `11.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32`, gateway: B })
    const batch = Array.from({ length: ROUTES }, (_, n) => route(n)).join('\n')
    const begun = performance.now()
    const answers = await linesOf(await ask('POST', 'routes:batch', batch))
    const loadedMs = performance.now() - begun
    expect(answers.length).toBe(ROUTES)
    expect(answers.filter((line) => !line.includes('"status":200'))).toEqual([])

    let lists = 0
    const list = async (): Promise<void> => {
      const listed = await linesOf(await ask('GET', 'routes'))
      expect(listed.length).toBe(ROUTES)
      lists++
    }
    await list()
    const [quiet, listing] = await quietAndBeside(net.a, B, list)
    console.log(
      `  loaded in ${loadedMs.toFixed(0)} ms; p99 of a ping ${quiet.p99} ms, ${listing.p99} ms beside ${lists} lists`
    )
    if (isLong) expect(listing.p99 - quiet.p99).toBeLessThan(MOST_RISE_MS)
  }, 120_000)
})
