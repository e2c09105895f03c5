// Many who watch, one of whom reads nothing: the others hear every change in order, he hears that he has missed some, the daemon
// keeps within its memory; and the sockets that programs open are told.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { processUsage } from './support/daemon.ts'
import { toolIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { createTopology, ROUTER_A } from './support/topology.ts'

const WATCHERS = 200
const CHANGES = 3000
/** By which the daemon may have grown with all of them there. */
const MOST_GROWN_MB = 128

describeE2e(import.meta.path, 'watchers', () => {
  let net: Topology
  beforeAll(async () => {
    net = await createTopology()
  })
  afterAll(() => net?.close())

  /** The routes of ours that a stream tells, until the last of them. */
  const hear = async (until: string): Promise<string[]> => {
    const { body } = await fetch('http://softnet/v1/watch?kinds=route', { unix: net.daemon.unix })
    const heard: string[] = []
    const decoder = new TextDecoder()
    let text = ''
    for await (const bytes of body!) {
      text += decoder.decode(bytes, { stream: true })
      const events = text.split('\n\n')
      text = events.pop()!
      for (const event of events) {
        const dst = /"dst":"(10\.1[2-9]\d\.\d+\.0\/24)"/.exec(event)?.[1]
        if (dst !== undefined) heard.push(dst)
        else if (event.includes('event: resync')) heard.push('resync')
      }
      if (heard.at(-1) === until) return heard
    }
    return heard
  }
  /** One who asks, and reads nothing until he is told to. */
  const deaf = (): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = connect(net.daemon.unix, () => {
        socket.pause()
        socket.write('GET /v1/watch?kinds=route HTTP/1.1\r\nHost: softnet\r\n\r\n')
        resolve(socket)
      })
    })
  const routes = Array.from({ length: CHANGES }, (_, n) => `10.${128 + (n >> 8)}.${n & 255}.0/24`)

  test('each hears all, in order, whatever one of them does; who reads nothing is told to begin anew', async () => {
    const before = processUsage(net.daemon.pid).rssMb
    const last = '10.199.0.0/24'
    const socket = await deaf()
    const hearing = Array.from({ length: WATCHERS - 1 }, () => hear(last))
    await Bun.sleep(300)
    for (let from = 0; from < CHANGES; from += 20)
      await Promise.all(
        routes
          .slice(from, from + 20)
          .map((dst) => net.daemon.must('POST', '/v1/routes', { dst, dev: 'lan1' }))
      )
    await net.daemon.must('POST', '/v1/routes', { dst: last, dev: 'lan1' })
    const all = await Promise.all(hearing)
    expect(all[0]!.slice(0, -1).sort()).toEqual([...routes].sort())
    for (const heard of all) expect(heard).toEqual(all[0]!)
    const grown = processUsage(net.daemon.pid).rssMb - before
    console.log(`  grown by ${grown.toFixed(0)} MB`)
    expect(grown).toBeLessThan(MOST_GROWN_MB)
    let said = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    socket.resume()
    const deadline = performance.now() + 15_000
    while (!said.includes('event: resync') && performance.now() < deadline) await Bun.sleep(50)
    expect(said).toContain('event: resync')
    socket.destroy()
  })

  test('the sockets of a request are told from their first state to their end', async () => {
    const { body } = await fetch('http://softnet/v1/watch?kinds=socket', { unix: net.daemon.unix })
    const reader = body!.getReader()
    const decoder = new TextDecoder()
    let said = ''
    const url = `http://${ROUTER_A}/bytes/200000`
    const getting = toolIn(net.a, 'curl', ['-sS', '--limit-rate', '200k', '-o', '/dev/null', url])
    while (!/event: socket\n.*\ndata: \{"event":"del".*"port":80\}/.test(said))
      said += decoder.decode((await reader.read()).value, { stream: true })
    await getting
    expect(said).toMatch(/"event":"new".*"port":80\}.*"state":"ESTAB"/)
    await reader.cancel()
  })
})
