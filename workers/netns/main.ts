/**
 * The thread of the namespaces: runs their stacks and the wires between them, and those to the default net. It lives in Bun's event loop
 * (applications of namespaces do), so it is woken by a message, and gives the loop its turn between its own. The control thread
 * (control.ts) says by calls which namespaces there are. Entry of a Worker.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { attachArena } from '../../core/shm/arena.ts'
import { G_SHUTDOWN, THREAD_SLEEPING, THREAD_WORDS } from '../../core/shm/layout.ts'
import { createThread } from '../../core/stack/thread.ts'
import { createBell } from '../app/doorbell.ts'
import { installWeb } from '../app/http/response.ts'
import { buildLab } from '../lab/lab.ts'
import type { LabSpec } from '../lab/lab-data.ts'
import { announce, announceReady, textOf } from '../thread-data.ts'
import { createWake } from '../wake.ts'
import { createCalls } from './calls.ts'
import { createNets } from './nets.ts'
import type { ControlFunctions } from './control.ts'
import type { NetnsData } from './netns-data.ts'
import { createPairs } from './pairs.ts'
import { createWires } from './wires.ts'

const LONGEST_SLEEP_MS = 100
/** Turns without work before the thread sleeps. */
const IDLE_TURNS = 4

const { config, buffer, id, thread, services, isKept, hostApp, hostApi } = workerData as NetnsData
const router = attachArena(config, buffer)
const { i32, layout } = router
const block = layout.threadBlocks + thread * THREAD_WORDS
const { skbs, drop, ipi } = createThread({
  arena: router,
  thread,
  wake: createWake(router, id, thread),
})

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
  nets.tick()
  const done = wires.poll() + nets.poll()
  wires.flush()
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
  timer = setTimeout(schedule, nets.nextDelay(LONGEST_SLEEP_MS))
}
const bell = createBell(id, thread, router.layout.threads)
/** Everything here ends with the thread. */
const end = (): void => {
  bell.close()
  announce('stopped')
  process.exit()
}

installWeb()
const createHostApp = hostApp === null ? null : (await import(hostApp)).createHostApp
const wires = createWires({ router, skbs, drop, kick: ipi.kick })
const pairs = createPairs({
  wires,
  find: (name) => nets.find(name),
  tell: (port, state) => void callControl('tell', port, state),
})
const nets = createNets({
  wires,
  pairs,
  schedule,
  services,
  serve: createHostApp && ((hostname) => createHostApp({ hostname }).fetch),
  askDefault: (name, message) => callControl('request', name, message),
  keep: isKept ? (name, messages) => callControl('keep', name, messages) : null,
  onError: (name, error) => void callControl('failed', name, textOf(error)),
  createApi: async (control) => (await import(hostApi!)).createHostApi(control),
})

/** What the control thread may call. */
const functions = {
  add: async (name: string): Promise<void> => void (await nets.add(name)),
  del: nets.del,
  ask: nets.ask,
  nextPiece: nets.streams.next,
  cancelStream: nets.streams.cancel,
  request: nets.request,
  configs: nets.configs,
  lab: (spec: LabSpec): Promise<void> => buildLab(spec, nets, wires),
  join: (...args: Parameters<typeof pairs.join>) => nets.run(() => pairs.join(...args)),
  leave: (port: number) => nets.run(() => pairs.leave(port)),
  leaving: pairs.leaving,
  hand: (...args: Parameters<typeof pairs.hand>) => nets.run(() => pairs.hand(...args)),
  move: (...args: Parameters<typeof pairs.move>) => nets.run(() => pairs.move(...args)),
  nearChanged: pairs.nearChanged,
}
export type NetnsFunctions = typeof functions

const callControl = createCalls<ControlFunctions>(parentPort!, functions)
bell.listen(() => {
  idle = 0
  schedule()
})
schedule()
announceReady()
