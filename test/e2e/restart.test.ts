// Workers of a running daemon that throw again and again, under traffic: each is back soon with what it serves, ss says
// what is so, and neither a descriptor nor an skb is lost.

import { expect, test } from 'bun:test'
import { readdirSync, readlinkSync } from 'node:fs'
import type { SockItem, WorkerItem } from '../../core/control/text/messages.ts'
import type { Busy } from './support/busy-clients.ts'
import { expectNothingLeaked, warmUp } from './support/checks.ts'
import { runIn, startIn } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import { createTopology, ROUTER_A, type Topology } from './support/topology.ts'

const KILLS = isLong ? 100 : 10
const CONNECTIONS = 50
const WORKERS = 2
/** echo, discard and chargen, TCP and UDP, IPv4 and IPv6; the web server listens once a worker for each family. */
const SERVICE_PORTS = [7, 9, 19]
const SERVICE_SOCKETS = 12
const HTTP_PORT = 80
const BACK_WITHIN_MS = 2000
const PROGRAM = `${import.meta.dir}/support/busy-clients.ts`

/** Descriptors of a process by what they are, those of connections left out. */
const descriptors = (pid: number): Record<string, number> => {
  const kinds: Record<string, number> = {}
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const kind = readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\d+/g, '')
    if (!kind.startsWith('socket:')) kinds[kind] = (kinds[kind] ?? 0) + 1
  }
  return kinds
}

const workerItem = ({ daemon }: Topology, worker: number) =>
  daemon.must<WorkerItem>('GET', `/v1/workers/${worker}`)

/** Listening and bound sockets of the worker, by port. */
const bound = async ({ daemon }: Topology, worker: number): Promise<Record<number, number>> => {
  const ports: Record<number, number> = {}
  for (const item of await daemon.list<SockItem>('/v1/sockets?limit=1000')) {
    if (item.worker !== worker || item.peer.port !== 0) continue
    ports[item.local.port] = (ports[item.local.port] ?? 0) + 1
  }
  return ports
}
const until = async (what: string, done: () => Promise<boolean>): Promise<number> => {
  const startedMs = performance.now()
  while (!(await done())) {
    const tookMs = performance.now() - startedMs
    if (tookMs > BACK_WITHIN_MS) throw new Error(`${what}: not within ${BACK_WITHIN_MS} ms`)
    await Bun.sleep(5)
  }
  return performance.now() - startedMs
}

const killAgainAndAgain = async (net: Topology): Promise<void> => {
  const { daemon } = net
  const before = await warmUp(net)
  const listening = await Promise.all([0, 1].map((worker) => bound(net, worker)))
  for (const ports of listening)
    expect(SERVICE_PORTS.reduce((sum, port) => sum + ports[port]!, 0)).toBe(SERVICE_SOCKETS)
  const open = descriptors(daemon.pid)
  const ports = [...SERVICE_PORTS, HTTP_PORT].map(String)
  const clients = startIn(
    net.a,
    [process.execPath, PROGRAM, ROUTER_A, `${CONNECTIONS}`, ...ports],
    {
      limitMs: 300_000,
    }
  )
  // what waits for next hops that are not there
  const pinging = startIn(
    net.a,
    [
      'sh',
      '-c',
      'while sleep 0.05; do for k in 2 3 4 5 6 7 8 9; do ping -c 1 -W 1 10.0.2.$k >/dev/null & done; done',
    ],
    { limitMs: 300_000 }
  )
  let slowestMs = 0
  try {
    for (let n = 0; n < KILLS; n++) {
      const worker = n % WORKERS
      await Bun.sleep(150)
      const { restarts } = await workerItem(net, worker)
      await daemon.must('POST', `/v1/debug/workers/${worker}:throw`)
      const backMs = await until(`worker ${worker} after error ${n}`, async () => {
        const now = await workerItem(net, worker)
        return now.restarts === restarts + 1 && now.running
      })
      slowestMs = Math.max(slowestMs, backMs)
      // the services are there with the worker; the web server, an application, listens again when it has heard
      await until(`listeners of worker ${worker} after error ${n}`, async () =>
        Bun.deepEquals(await bound(net, worker), listening[worker])
      )
    }
  } finally {
    await pinging.end()
  }
  const { out } = await clients.end()
  const said = JSON.parse(out) as Busy
  console.log(`  ${KILLS} errors: back within ${slowestMs.toFixed(0)} ms, ${out.trim()}`)
  expect(said.ended).toBeGreaterThan(KILLS)
  expect(said.bytes).toBeGreaterThan(0)
  expect(descriptors(daemon.pid)).toEqual(open)
  const check = await runIn(net.a, ['sh', '-ec', `echo still | socat -t 5 - TCP4:${ROUTER_A}:7`])
  expect(check.out).toBe('still\n')
  await expectNothingLeaked(daemon, before)
  // what is left of the clients' connections ends with them
  await until('the last connection', async () => (await daemon.nstat('TcpCurrEstab')) === 0)
}

describeE2e(import.meta.path, 'workers that throw', () => {
  for (const steering of ['rps', 'multiqueue'] as const)
    test(`${KILLS} times under traffic, by ${steering}`, async () => {
      const net = await createTopology({ workers: WORKERS, steering, args: ['--debug'] })
      try {
        await killAgainAndAgain(net)
      } finally {
        await net.close()
      }
    })
})
