/**
 * A router in memory: the daemon's own threads (workers/net.ts, workers/nic.ts) over one arena, with ports instead of
 * devices. What is on the ports' other sides is the caller's: threads of the arena that it starts as peers. Main thread; the
 * benches' and the tests'.
 */
import { createTextControl } from '../../core/control/text/control.ts'
import type { Control, StackConfig } from '../../core/control/text/messages.ts'
import { seeded } from '../../core/base/random.ts'
import { isRefused } from '../../core/control/text/names.ts'
import { createArena } from '../../core/shm/arena.ts'
import { createIpi } from '../../core/shm/ipi.ts'
import { type ArenaConfig, DEFAULT_ARENA, G_SERVICES, G_SHUTDOWN } from '../../core/shm/layout.ts'
import { servicesMask } from '../../core/socket/services/services.ts'
import { kindsOf } from '../../workers/kinds.ts'
import { monotonicUs } from '../../workers/os/clock.ts'
import type { ThreadData } from '../../workers/thread-data.ts'
import { startThread, type Thread } from '../../workers/threads.ts'
import { createWake } from '../../workers/wake.ts'
import { HOSTS } from './flows.ts'
import type { NumberedData } from './thread-data.ts'

const ROUTES = 500
const LOOK_MS = 5
const ENTRY = new URL('./numbered.ts', import.meta.url).href
const STACK = new URL('../../workers/', import.meta.url)

export type Router = Awaited<ReturnType<typeof startRouter>>

export const startRouter = async (
  workers: number,
  peers: number,
  pools: Partial<ArenaConfig>,
  network: (peers: number[]) => StackConfig = forwarding
) => {
  const config = { ...DEFAULT_ARENA, ...pools, workers, apps: peers }
  const arena = createArena(config)
  const { layout } = arena
  const id = crypto.randomUUID()
  const wake = createWake(arena, id, arena.layout.controlThread)
  const tids = new Int32Array(new SharedArrayBuffer(layout.threads * 4))
  const threads: Thread[] = []

  // before the stacks: it makes the tables that they look into
  const control = createTextControl({
    arena,
    nowUs: monotonicUs,
    wake,
    ipi: createIpi(arena, layout.controlThread, wake),
    // a hash key that spreads these flows over all workers: some do not (Toeplitz is linear)
    random: seeded(7),
    pause: () => new Promise((resolve) => setImmediate(resolve)),
    kinds: kindsOf({
      queues: null,
      namespaces: new Map(),
      openNamespace: () => Promise.reject(new Error('none')),
      files: null,
      log: (_level, line) => console.error(line),
    }),
    hasEnded: () => false,
  })
  const looking = setInterval(control.poll, LOOK_MS)

  const dataFor = (thread: number): ThreadData => ({
    config,
    buffer: arena.buffer as SharedArrayBuffer,
    id,
    thread,
    cpu: -1,
    secret: Int32Array.of(1, 2),
  })
  const start = async <Data extends NumberedData>(data: Data): Promise<void> => {
    const onError = (thread: number, error: string): void => {
      throw new Error(`thread ${thread}: ${error}`)
    }
    threads.push(await startThread(ENTRY, data, onError))
  }
  /** Starts a peer; `program` is the address of its module. */
  const startPeer = async <More>(peer: number, program: string, more: More): Promise<void> =>
    start({ ...dataFor(layout.appThread + peer), tids, program, ...more })

  const stop = async (): Promise<void> => {
    clearInterval(looking)
    Atomics.store(arena.i32, G_SHUTDOWN, 1)
    for (let thread = 0; thread < layout.controlThread; thread++) wake(thread)
    await Promise.all(threads.map((thread) => thread.stopped))
  }

  for (let w = 0; w < workers; w++)
    await start({ ...dataFor(w), tids, program: new URL('net.ts', STACK).href })
  for (let nic = layout.nicThread; nic < layout.appThread; nic++)
    await start({ ...dataFor(nic), tids, program: new URL('nic.ts', STACK).href })
  await configure(
    control,
    network(Array.from({ length: peers }, (_, peer) => layout.appThread + peer))
  )
  arena.i32[G_SERVICES] = servicesMask({ echo: true, discard: true, chargen: false })
  await control.publish()
  const linkOf = async (ifname: string) => {
    const link = await control.request({ type: 'RTM_GETLINK', ifname })
    if (isRefused(link)) throw new Error(link.message)
    return link.item
  }
  return { arena, control, tids, linkOf, startPeer, stop }
}

/** 10.1/16 behind `in`, 10.2/16 with hosts that are known behind `out`; the last peer is on both. */
export const forwarding = (peers: number[]): StackConfig => {
  const port = { kind: 'port', data: { peer: peers.at(-1)! }, up: true }
  return {
    link: [
      { ...port, ifname: 'in', addresses: ['10.1.0.1/16'] },
      { ...port, ifname: 'out', addresses: ['10.2.0.1/16'] },
    ],
    route: Array.from({ length: ROUTES }, (_, k) => ({
      dst: `20.${k >> 8}.${k & 255}.0/24`,
      gateway: '10.2.0.10',
    })),
    neigh: Array.from({ length: HOSTS }, (_, k) => ({
      dev: 'out',
      dst: `10.2.0.${10 + k}`,
      lladdr: `02:02:00:00:00:${10 + k}`,
    })),
    sysctl: { 'net.ipv4.ip_forward': 1 },
  }
}

const configure = async (control: Control, config: StackConfig): Promise<void> => {
  const reply = await control.request({ type: 'CONFIG_SET', config })
  if (isRefused(reply)) throw new Error(`the configuration was refused: ${reply.message}`)
}
