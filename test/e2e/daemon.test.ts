// The daemon as a process: how it ends, what it costs when nothing happens, what it says when it cannot start, and
// what an error in one worker does to the others.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { WorkerItem } from '../../core/control/text/messages.ts'
import { libc } from '../../workers/os/libc.ts'
import { withRtnetlink } from '../../workers/os/rtnetlink.ts'
import { openTap } from '../../workers/os/tap.ts'
import { freeBuffers, numbered } from './support/checks.ts'
import { toolIn } from './support/commands.ts'
import { atRest, failDaemon, MOST_AT_REST, processUsage, startDaemon } from './support/daemon.ts'
import { describeE2e, isLong } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { B, createTopology, spreadTheSame, kind } from './support/topology.ts'

type Flow = { sport: number; dport: number }

const IDLE_SECONDS = isLong ? 30 : 5
/** Until what the start left behind is compiled and collected, and the main thread has become calm. */
const SETTLE_MS = 6000
const AT_ONCE_MS = 5_000

/** Processes whose parent is `pid`. */
const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => {
      try {
        const stat = readFileSync(`/proc/${candidate}/stat`, 'utf8')
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid
      } catch {
        return false
      }
    })

const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`)

describeE2e(import.meta.path, 'the daemon', () => {
  describe('ends', () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      test(`by ${signal} within a second, under traffic, and leaves nothing`, async () => {
        const net = await createTopology()
        try {
          await toolIn(net.a, 'ping', ['-c', '100', '-i', '0.002', B])
          const { status, tookMs, said } = await net.daemon.stop(signal)
          expect({ status, said: said.replace(/^softnet: API at .*\n/m, '') }).toEqual({
            status: 0,
            said: '',
          })
          expect(tookMs).toBeLessThan(1000)
          expect(existsSync(net.daemon.unix)).toBe(false)
          if (kind === 'tap') {
            const devices = await Bun.file(`/proc/${net.a.pid}/net/dev`).text()
            expect(devices).not.toContain('eth0')
          }
        } finally {
          await net.close()
        }
      })
    }

    test('with its namespaces, in the demo', async () => {
      const daemon = await startDaemon({ command: 'demo' })
      const namespaces = (await daemon.list<{ pid: number }>('/v1/netns')).map(({ pid }) => pid)
      const children = childrenOf(daemon.pid)
      expect(namespaces.length).toBeGreaterThan(0)
      const { status, tookMs } = await daemon.stop()
      expect(status).toBe(0)
      expect(tookMs).toBeLessThan(1000)
      expect([...namespaces, ...children].filter(isRunning)).toEqual([])
    })
  })

  test('services listen with what the configuration says', async () => {
    const config =
      '[sysctl]\n"net.ipv4.tcp_congestion_control" = "reno"\n[services]\nchargen = false\n'
    const daemon = await startDaemon({ config })
    try {
      const lines = (await daemon.cli('ss', '-tlniO')).out.split('\n').slice(1, -1)
      // three ports, two families, two workers; the web server of port 80 is one program's
      expect(lines.map((line) => / (\S+):(7|9|80) .* (\w+) cwnd/.exec(line)?.slice(2))).toEqual(
        lines.map(() => [expect.any(String), 'reno'])
      )
      expect(lines.filter((line) => /:7 /.test(line))).toHaveLength(4)
      expect(lines.filter((line) => /:19 /.test(line))).toEqual([])
    } finally {
      await daemon.stop()
    }
  })

  describe('cannot start', () => {
    test('on a TAP name that is taken, and says so', async () => {
      const name = 'taken0'
      const release = ((): (() => void) => {
        if (kind === 'tap') {
          const { fd } = openTap({ name })
          return () => libc.close(fd)
        }
        withRtnetlink((rtnl) => rtnl.addVeth({ name }, { name: 'taken1' }))
        return () => withRtnetlink((rtnl) => rtnl.deleteLink(name))
      })()
      try {
        const { status, said, tookMs } = await failDaemon({ args: ['--tap', name] })
        expect({ status, lines: said.trim().split('\n').length }).toEqual({ status: 1, lines: 1 })
        expect(said).toContain(kind === 'tap' ? name : '/dev/net/tun')
        expect(tookMs).toBeLessThan(AT_ONCE_MS)
      } finally {
        release()
      }
    })

    test('on an API port that is taken, and says so', async () => {
      const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('') })
      try {
        const { status, said, tookMs } = await failDaemon({
          args: ['--api', `127.0.0.1:${server.port}`],
        })
        expect({ status, lines: said.trim().split('\n').length }).toEqual({ status: 1, lines: 1 })
        expect(said).toContain(String(server.port))
        expect(tookMs).toBeLessThan(AT_ONCE_MS)
      } finally {
        await server.stop(true)
      }
    })
  })

  test(
    'idle, wakes seldom, and takes 140 MB',
    async () => {
      const daemon = await startDaemon({ workers: 2 })
      try {
        await Bun.sleep(SETTLE_MS)
        const { wakes, cpuMs } = await atRest(daemon.pid, IDLE_SECONDS)
        const { rssMb } = processUsage(daemon.pid)
        console.log(`  idle: ${wakes} wake-ups and ${cpuMs} ms a second, ${rssMb.toFixed(0)} MB`)
        expect(wakes).toBeLessThan(MOST_AT_REST.wakes)
        expect(cpuMs).toBeLessThan(MOST_AT_REST.cpuMs)
        expect(rssMb).toBeLessThan(140)
      } finally {
        await daemon.stop()
      }
    },
    SETTLE_MS + IDLE_SECONDS * 1000 + 30_000
  )

  describe('when a worker throws', () => {
    let net: Topology
    const SENDING = { address: B, port: 6200, flows: 1, rate: 2000 }

    beforeAll(async () => {
      net = await createTopology({ workers: 2, args: ['--debug'] })
      await spreadTheSame(net)
      await toolIn(net.a, 'ping', ['-c', '2', '-i', '0.05', B])
    })
    afterAll(() => net?.close())

    /** A source port whose flow worker 0 or 1 handles. */
    const portOnWorker = async (worker: number): Promise<number> => {
      const firstPort = 32_000
      await numbered(net, { ...SENDING, firstPort, flows: 16, packets: 4 })
      const flows = await net.daemon.list<Flow>(`/v1/flows?worker=${worker}`)
      const mine = flows.find((flow) => flow.dport === SENDING.port && flow.sport >= firstPort)
      if (mine === undefined) throw new Error(`worker ${worker} has none of 16 flows`)
      return mine.sport
    }
    const workerItem = (worker: number) =>
      net.daemon.must<WorkerItem>('GET', `/v1/workers/${worker}`)

    test('it runs again within a second, and a flow through another worker loses nothing', async () => {
      const firstPort = await portOnWorker(1)
      const got = await numbered(net, { ...SENDING, firstPort, packets: 5000 }, async () => {
        const { heartbeat } = await workerItem(1)
        await Bun.sleep(500)
        expect((await workerItem(1)).heartbeat).toBeGreaterThan(heartbeat)
        const thrownMs = performance.now()
        await net.daemon.must('POST', '/v1/debug/workers/0:throw')
        for (;;) {
          const { restarts, running } = await workerItem(0)
          if (restarts === 1 && running) break
          expect(performance.now() - thrownMs).toBeLessThan(1000)
        }
      })
      expect(got).toEqual({ received: 5000, reordered: 0, duplicates: 0, flows: 1 })
    })

    test('the restarted worker forwards as before, and nothing is lost for good', async () => {
      const firstPort = await portOnWorker(0)
      const before = await freeBuffers(net.daemon)
      const got = await numbered(net, { ...SENDING, firstPort, packets: 500 })
      expect(got.received).toBe(500)
      expect(await freeBuffers(net.daemon)).toEqual(before)
    })
  })
})
