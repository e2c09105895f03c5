// The daemon's own threads over one arena, with 1 to 16 workers: frames of many flows are forwarded while the table that says
// whose each flow is changes. Nothing is lost or counted twice, a flow has one owner at a time, and stays in order.

import { afterEach, describe, expect, test } from 'bun:test'
import { FLOWS } from '../../bench/scale/flows.ts'
import { type Router, startRouter } from '../../bench/scale/router.ts'
import { isRefused } from '../../core/control/text/names.ts'
import { counterBank, Mib, Softnet, sumCounter } from '../../core/shm/counters.ts'
import { type CountingOptions, Word } from '../support/counting-words.ts'

const PEER = new URL('../support/counting-peer.ts', import.meta.url).href
const POOLS = { skbs: 8192, smallBuffers: 8192, largeBuffers: 128, socks: 1024 }
const WITHIN_MS = 20_000
const TABLE = 128

let router: Router | null = null
afterEach(async () => {
  await router?.stop()
  router = null
})

const start = async (workers: number) => {
  const made = await startRouter(workers, 1, POOLS)
  router = made
  const words = new Int32Array(new SharedArrayBuffer((Word.OWNERS + FLOWS) * 4))
  const options: CountingOptions = { ifindex: (await made.linkOf('in')).ifindex, words }
  await made.startPeer(0, PEER, options)
  const { arena, control } = made

  /** Lets the peer send so many frames; resolves when they are home. */
  const run = async (frames: number, meanwhile: () => Promise<void> = async () => {}) => {
    words[Word.FRAMES] = frames
    const number = Atomics.add(words, Word.RUN, 1) + 1
    const deadline = performance.now() + WITHIN_MS
    while (Atomics.load(words, Word.DONE) !== number) {
      if (performance.now() > deadline) throw new Error(`${words[Word.RECEIVED]} of ${frames} came`)
      await meanwhile()
      await Bun.sleep(1)
    }
    const [sent, received] = [words[Word.SENT], words[Word.RECEIVED]]
    return { sent, received, disordered: words[Word.DISORDERED], strayed: words[Word.STRAYED] }
  }
  const steer = async (table: number[]): Promise<void> => {
    const rss = { ifname: 'in', 'rss-indirection-table': table }
    const reply = await control.request({ type: 'ETHTOOL_MSG_RSS_SET', rss })
    if (isRefused(reply)) throw new Error(reply.message)
  }
  const forwarded = (): number[] =>
    Array.from(
      { length: workers },
      (_, w) => arena.f64[counterBank(arena, w) + Mib.IpForwDatagrams]!
    )
  const dropped = (): number =>
    Array.from({ length: workers }, (_, w) => sumCounter(arena, Softnet.dropped + w)).reduce(
      (sum, n) => sum + n
    )
  const owners = (): Set<number> => new Set(words.subarray(Word.OWNERS).map((owner) => owner - 1))
  return { run, steer, forwarded, dropped, owners }
}
type Started = Awaited<ReturnType<typeof start>>

const FRAMES = 10 * FLOWS
const whole = { sent: FRAMES, received: FRAMES, disordered: 0, strayed: 0 }
const turned = (workers: number, by: number): number[] =>
  Array.from({ length: TABLE }, (_, k) => (k + by) % workers)

describe.each([1, 2, 3, 4, 8, 16])('%p workers', (workers) => {
  const all = new Set(Array.from({ length: workers }, (_, w) => w))
  const total = (stack: Started): number => stack.forwarded().reduce((sum, n) => sum + n, 0)

  test('forward every flow in order, each on the worker that the table says', async () => {
    const stack = await start(workers)
    expect(await stack.run(FRAMES)).toEqual(whole)
    expect(stack.owners()).toEqual(all)
    await stack.steer(Array(TABLE).fill(workers - 1))
    expect(await stack.run(FRAMES)).toEqual(whole)
    expect(stack.owners()).toEqual(new Set([workers - 1]))
    await stack.steer(turned(workers, 1))
    expect(await stack.run(FRAMES)).toEqual(whole)
    expect(stack.owners()).toEqual(all)

    // the table changes all the while: what was on its way by the old one may come later, but it comes
    let changes = 0
    const moving = await stack.run(10 * FRAMES, async () => {
      await stack.steer(turned(workers, ++changes))
    })
    expect(changes).toBeGreaterThan(2)
    expect([moving.sent, moving.received]).toEqual([10 * FRAMES, 10 * FRAMES])
    if (workers > 1) expect(moving.strayed).toBeGreaterThan(0)
    expect(await stack.run(FRAMES)).toEqual(whole)

    expect(total(stack)).toBe(14 * FRAMES)
    expect(Math.min(...stack.forwarded())).toBeGreaterThan(0)
    expect(stack.dropped()).toBe(0)
    // sixteen threads and a loaded machine: each run has its own bound
  }, 60_000)
})
