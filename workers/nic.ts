/**
 * The nic thread: what core/stack/nic.ts does, over the system's descriptors. It reads those of single-queue devices
 * (queues of multiqueue devices are read by the workers) and the files of pcap devices, and sleeps in poll(2) on
 * all of them and an eventfd.
 */
import { workerData } from 'node:worker_threads'
import {
  DEV_GENERATION,
  DEV_IFINDEX,
  DEV_KIND,
  DEV_NAPI,
  deviceFds,
} from '../core/netdev/netdev.ts'
import type { Arena } from '../core/shm/arena.ts'
import { attachArena } from '../core/shm/arena.ts'
import { THREAD_EVENTFD, THREAD_RUNNING, THREAD_WORDS } from '../core/shm/layout.ts'
import type { NicEnv, NicInput } from '../core/stack/nic.ts'
import { createNic } from '../core/stack/nic.ts'
import { closeRing, createRingRefresh, FD_IS_SOCKET, threadRing } from './drivers/fd.ts'
import { createFdRx } from './drivers/fd-rx.ts'
import { createFdQueues } from './drivers/fd-queues.ts'
import type { PcapReplay } from './drivers/pcap-replay.ts'
import { createPcapReplay } from './drivers/pcap-replay.ts'
import { DevKind, KINDS } from './kinds.ts'
import type { PollSet } from './os/poll.ts'
import { monotonicUs } from './os/clock.ts'
import { createPollSet } from './os/poll.ts'
import { takeShortTurns } from './os/slice.ts'
import { createQuiescent } from './quiescent.ts'
import type { ThreadData } from './thread-data.ts'
import { announce } from './thread-data.ts'
import { createDoorbellWait, createSleep, createWake } from './wake.ts'

const MAX_FDS = 256

const createInput = (arena: Arena, polls: PollSet, env: NicEnv): NicInput => {
  const { i32 } = arena
  const { skbs, drop, deviceFailed } = env
  const queues = createFdQueues(
    createFdRx({ arena, skbs, drop, ring: threadRing(arena) }),
    polls,
    deviceFailed
  )
  const refreshRing = createRingRefresh(arena)
  const openReplay = createPcapReplay(arena, skbs, monotonicUs, deviceFailed)
  // By ifindex: a replay goes on from where it was when devices change around it.
  const replays = new Map<number, { generation: number; replay: PcapReplay }>()
  let playing: PcapReplay[] = []

  const findReplay = (row: number, ifindex: number): void => {
    const generation = i32[row + DEV_GENERATION]
    let known = replays.get(ifindex)
    if (known?.generation !== generation) {
      known = { generation, replay: openReplay(ifindex) }
      replays.set(ifindex, known)
    }
    playing.push(known.replay)
  }
  const refresh = (devices: readonly number[]): void => {
    refreshRing()
    queues.clear()
    playing = []
    for (const row of devices) {
      const ifindex = i32[row + DEV_IFINDEX]
      const fd = i32[deviceFds(arena, ifindex)]
      if (fd === 0) continue
      if (i32[row + DEV_KIND] === DevKind.pcap) findReplay(row, ifindex)
      else if (i32[row + DEV_NAPI] === 0) queues.open(fd, ifindex, i32[row + FD_IS_SOCKET] === 1)
    }
  }
  return {
    refresh,
    receive(budget, deliver) {
      let n = queues.readHot(budget, deliver)
      for (const replay of playing) n += replay.poll(budget, deliver)
      return n
    },
    wait: queues.wait,
    nextDelay(limitMs) {
      let ms = limitMs
      for (const replay of playing) ms = Math.min(ms, replay.delayMs())
      return ms
    },
  }
}

const { config, buffer, id, thread } = workerData as ThreadData
const arena = attachArena(config, buffer)
const block = arena.layout.threadBlocks + thread * THREAD_WORDS
const polls = createPollSet(MAX_FDS)
takeShortTurns()
arena.i32[block + THREAD_EVENTFD] = polls.doorbell
const nic = createNic({
  arena,
  thread,
  wake: createWake(arena, id, thread),
  nowUs: monotonicUs,
  kinds: KINDS,
  input: (env) => createInput(arena, polls, env),
  sleep: createSleep(arena, thread),
  rest: createDoorbellWait(arena, thread),
})
const quiescent = createQuiescent(arena, thread, nic.refresh)
arena.i32[block + THREAD_RUNNING] = 1
announce('ready')
while (quiescent()) nic.turn()
closeRing()
announce('stopped')
