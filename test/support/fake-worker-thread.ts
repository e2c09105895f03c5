// A thread that runs a fake worker: once somebody listens on its port, a peer asks there and hears the answer to its
// end; what it heard is posted. Never returns to its event loop, as a real worker does not.
import { parentPort, workerData } from 'node:worker_threads'
import { attachArena } from '../../core/shm/arena.ts'
import { G_SHUTDOWN } from '../../core/shm/layout.ts'
import { createDoorbellWait, createSleep, createWake } from '../../workers/wake.ts'
import { createFakeWorker } from './fake-worker.ts'

export type FakeThreadData = { port: number; request: string }

const { config, buffer, id, thread, port, request } = workerData
const arena = attachArena(config, buffer)
const wake = createWake(arena, id, thread)
const worker = createFakeWorker(arena, {
  worker: thread,
  wakeApp: (app) => wake(arena.layout.appThread + app),
})
const sleep = createSleep(arena, thread)
const wait = createDoorbellWait(arena, thread)
const pending = (): boolean => worker.port.pending() || worker.sockets.eventsPending()
parentPort!.postMessage('ready')

type Peer = ReturnType<typeof worker.tcp.connect>
let peer: Peer | null = null
let told = false
const heard: Uint8Array[] = []

const ask = (): void => {
  peer = worker.tcp.connect(port)
  peer.write(Buffer.from(request))
}
const hear = (from: Peer): number => {
  const part = from.read(1 << 20)
  if (part.length > 0) heard.push(part)
  if (from.ended() && !told) {
    told = true
    from.end()
    parentPort!.postMessage({ heard: Buffer.concat(heard).toString('latin1') })
  }
  return part.length
}

while (Atomics.load(arena.i32, G_SHUTDOWN) === 0) {
  let did = worker.turn()
  if (peer !== null) did += hear(peer)
  else if (worker.tcp.listens(port)) ask()
  if (did === 0) sleep(pending, () => wait(100))
}
