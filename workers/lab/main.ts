/**
 * The lab thread: runs the simulated hosts, each a stack of its own, on the router's ports. It lives in Bun's event loop
 * (the hosts' applications do), so it is woken by a message, and gives the loop its turn between its own.
 */
import { workerData } from 'node:worker_threads'
import { attachArena } from '../../core/shm/arena.ts'
import { G_SHUTDOWN, THREAD_SLEEPING, THREAD_WORDS } from '../../core/shm/layout.ts'
import { createThread } from '../../core/stack/thread.ts'
import { createBell } from '../app/doorbell.ts'
import { serveHttp } from '../app/http.ts'
import { installWeb } from '../app/http-response.ts'
import { announce } from '../thread-data.ts'
import { createWake } from '../wake.ts'
import type { HostAnswer, HostCall } from './host-calls.ts'
import { answerHostCalls } from './host-calls.ts'
import { createLabHost, type LabHost } from './host.ts'
import type { LabData } from './lab-data.ts'
import type { Segment } from './segment.ts'
import { createSegment } from './segment.ts'
import { type Place, startTraffic } from './traffic.ts'

const LONGEST_SLEEP_MS = 100
/** Turns without work before the lab sleeps. */
const IDLE_TURNS = 4

const { config, buffer, id, thread, lans, hostApp, hostApi, traffic } = workerData as LabData
const router = attachArena(config, buffer)
const { i32, layout } = router
const block = layout.threadBlocks + thread * THREAD_WORDS
const { skbs, ipi } = createThread({ arena: router, thread, wake: createWake(router, id) })
const segments: Segment[] = []
const hosts: LabHost[] = []
const places: Place[] = []

let scheduled = false
let idle = 0
let timer: Timer | undefined
const schedule = (): void => {
  if (scheduled) return
  scheduled = true
  clearTimeout(timer)
  setImmediate(turn)
}
const work = (): number => {
  let done = 0
  for (const host of hosts) host.tick()
  for (const segment of segments) done += segment.poll()
  for (const host of hosts) done += host.poll()
  for (const segment of segments) segment.flush()
  skbs.flush()
  skbs.reclaim()
  return done
}
const turn = (): void => {
  scheduled = false
  if (i32[G_SHUTDOWN] !== 0) return end()
  Atomics.store(i32, block + THREAD_SLEEPING, 0)
  idle = work() === 0 ? idle + 1 : 0
  if (idle < IDLE_TURNS) return schedule()
  // says that it sleeps, then looks once more: whoever publishes after that rings
  Atomics.store(i32, block + THREAD_SLEEPING, 1)
  if (work() !== 0) return schedule()
  let delay = LONGEST_SLEEP_MS
  for (const host of hosts) delay = Math.min(delay, host.nextDelay(delay))
  timer = setTimeout(schedule, delay)
}
const bell = createBell(id, thread)
/** Everything here ends with the thread. */
const end = (): void => {
  bell.close()
  announce('stopped')
  process.exit()
}

for (const lan of lans) {
  const segment = createSegment({ router, skbs, port: lan.port, kick: ipi.kick })
  segments.push(segment)
  for (const spec of lan.hosts) {
    const host = await createLabHost(spec, segment, schedule)
    segment.addHost(host)
    hosts.push(host)
    places.push({ host, segment, mac: lan.mac })
  }
}
installWeb()
const { createHostApp } = await import(hostApp)
for (const host of hosts) {
  const app = createHostApp({ hostname: host.name })
  serveHttp({
    net: host.app.net,
    port: 80,
    fetch: (request, connection) => app.fetch(request, connection),
  })
}
/** The API is loaded when the first one asks. */
const apis = new Map<string, (request: Request) => Promise<Response>>()
const apiOf = async ({ name, control }: LabHost) => {
  const { createHostApi } = await import(hostApi)
  const api = apis.get(name) ?? createHostApi(control)
  apis.set(name, api)
  return api
}
const answer = async ({ host, method, path, headers, body }: HostCall): Promise<HostAnswer> => {
  const found = hosts.find(({ name }) => name === host)
  if (found === undefined) return { status: 404, headers: {}, body: '' }
  const api = await apiOf(found)
  const response = await api(
    new Request(`http://${host}${path}`, { method, headers, ...(body !== '' && { body }) })
  )
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  }
}
answerHostCalls(answer)
bell.listen(() => {
  idle = 0
  schedule()
})
schedule()
startTraffic(places, traffic)
announce('ready')
