/**
 * The nic thread: receives from devices, picks a CPU for each flow, and puts frames on that CPU's backlog. It
 * runs no protocol code. It reads the descriptors of single-queue devices (queues of multiqueue devices are read
 * by the workers) and the rings of ports, and sleeps in poll(2) on all of them.
 */
import { workerData } from 'node:worker_threads'
import {
  DEV_FLAGS,
  DEV_GENERATION,
  DEV_IFINDEX,
  DEV_KIND,
  DEV_RPS_FLOW_CNT,
  DEV_NAPI,
  DevKind,
  DevStat,
  deviceFds,
  deviceRow,
  deviceStats,
  IFF_UP,
} from '../core/netdev/netdev.ts'
import { PORT_NUMBER, portRxRing } from '../core/dev/kinds/port.ts'
import type { Arena } from '../core/shm/arena.ts'
import { attachArena, backlogRing } from '../core/shm/arena.ts'
import { createIpi, Ipi } from '../core/shm/ipi.ts'
import { THREAD_EVENTFD, THREAD_RUNNING, THREAD_WORDS } from '../core/shm/layout.ts'
import { ringReadable, ringRelease, ringTail, ringTake } from '../core/shm/ring.ts'
import { createDrop } from '../core/skb/drop.ts'
import { createSkbs, SKB_DATA, SKB_DEV, SKB_HASH, SKB_LEN } from '../core/skb/skb.ts'
import { createBacklog } from '../core/softnet/backlog.ts'
import { createCpuFlowLimit } from '../core/steering/cpu-flow-limit.ts'
import { createSteer } from '../core/steering/steer.ts'
import { createFdDriver } from './drivers/fd.ts'
import { createPcapReplay } from './drivers/pcap.ts'
import type { PcapReplay } from './drivers/pcap.ts'
import { monotonicUs } from './os/clock.ts'
import { createPollSet, POLLIN } from './os/poll.ts'
import { createQuiescent } from './quiescent.ts'
import type { ThreadData } from './thread-data.ts'
import { announce } from './thread-data.ts'
import { createDoorbellWait, createSleep, createWake } from './wake.ts'

const BATCH = 64
const LONGEST_SLEEP_MS = 1000
const MAX_FDS = 256
/** A backlog of netdev_max_backlog packets is some milliseconds of work. */
const CONGESTED_REST_MS = 0.2

const createNic = (arena: Arena, thread: number, id: string) => {
  const { i32, f64, layout } = arena
  const skbs = createSkbs(arena, thread)
  const { drop } = createDrop(arena, skbs)
  const wake = createWake(arena, id)
  const ipi = createIpi(arena, thread, wake)
  const steer = createSteer(arena, thread, DEV_RPS_FLOW_CNT)
  const flowLimited = createCpuFlowLimit(arena)
  const backlog = createBacklog({ arena, skbs, drop, kick: ipi.kick, flowLimited })
  const driver = createFdDriver(arena, skbs, drop)
  const polls = createPollSet(MAX_FDS)
  i32[layout.threadBlocks + thread * THREAD_WORDS + THREAD_EVENTFD] = polls.doorbell

  let congested = false
  const deliver = (skb: number): void => {
    const dev = i32[skb + SKB_DEV]
    const cpu = steer.steerFrame(dev, i32[skb + SKB_DATA], i32[skb + SKB_LEN])
    const hash = steer.hash()
    i32[skb + SKB_HASH] = hash
    if (backlog.enqueueToBacklog(cpu, skb, hash))
      steer.saveTail(dev, ringTail(i32, backlogRing(layout, cpu, thread)))
    else congested = true
  }

  // What there is to read, rebuilt when control publishes a change.
  let fds: { fd: number; ifindex: number; slot: number; hot: boolean }[] = []
  let ports: { ring: number; ifindex: number }[] = []
  // By ifindex: a replay goes on from where it was when devices change around it.
  const replays = new Map<number, { generation: number; fd: number; replay: PcapReplay }>()
  const openReplay = createPcapReplay(arena, skbs, monotonicUs)
  let playing: PcapReplay[] = []
  const findReplay = (dev: number, ifindex: number): void => {
    const generation = i32[dev + DEV_GENERATION]
    const fd = i32[deviceFds(arena, ifindex)]
    const known = replays.get(ifindex)
    if (known?.generation !== generation || known.fd !== fd) {
      replays.set(ifindex, { generation, fd, replay: openReplay(ifindex) })
    }
    playing.push(replays.get(ifindex)!.replay)
  }
  const isUp = (dev: number): boolean =>
    i32[dev + DEV_IFINDEX] !== 0 && (i32[dev + DEV_FLAGS] & IFF_UP) !== 0

  const findDevices = (): void => {
    for (const { slot } of fds) polls.remove(slot)
    fds = []
    ports = []
    playing = []
    for (let ifindex = 1; ifindex < layout.config.devices; ifindex++) {
      const dev = deviceRow(arena, ifindex)
      if (!isUp(dev)) continue
      const kind = i32[dev + DEV_KIND]
      if (kind === DevKind.port)
        ports.push({ ring: portRxRing(arena, i32[dev + PORT_NUMBER]), ifindex })
      if ((kind === DevKind.tap || kind === DevKind.packet) && i32[dev + DEV_NAPI] === 0) {
        const fd = i32[deviceFds(arena, ifindex)]
        fds.push({ fd, ifindex, slot: polls.add(fd, POLLIN), hot: true })
      }
      if (kind === DevKind.pcap && i32[deviceFds(arena, ifindex)] !== 0) findReplay(dev, ifindex)
    }
  }

  const pollPort = (ring: number, ifindex: number): number => {
    const readable = ringReadable(i32, ring)
    if (readable === 0) return 0
    const n = readable < BATCH ? readable : BATCH
    const stats = deviceStats(arena, thread, ifindex)
    for (let k = 0; k < n; k++) {
      const skb = ringTake(i32, ring)
      i32[skb + SKB_DEV] = ifindex
      f64[stats + DevStat.rx_packets]++
      f64[stats + DevStat.rx_bytes] += i32[skb + SKB_LEN]
      deliver(skb)
    }
    ringRelease(i32, ring)
    return n
  }

  const receive = (): number => {
    let work = 0
    for (const device of fds) {
      if (!device.hot) continue
      const n = driver.poll(device.fd, device.ifindex, BATCH, deliver)
      device.hot = n === BATCH
      work += n
    }
    for (const port of ports) work += pollPort(port.ring, port.ifindex)
    for (const replay of playing) work += replay.poll(BATCH, deliver)
    return work
  }
  const pending = (): boolean => {
    if (ipi.pending()) return true
    for (const port of ports) if (ringReadable(i32, port.ring) !== 0) return true
    return false
  }
  const poll = (timeoutMs: number): void => {
    if (polls.wait(timeoutMs) === 0) return
    for (const device of fds) device.hot = polls.revents(device.slot) !== 0
  }

  ipi.on(Ipi.DEBUG_THROW, () => {
    throw new Error('thrown on request')
  })
  const quiescent = createQuiescent(arena, thread, () => {
    findDevices()
    steer.refresh()
  })
  const sleep = createSleep(arena, thread)
  const rest = createDoorbellWait(arena, thread)
  const wait = (): void => {
    let ms = LONGEST_SLEEP_MS
    for (const replay of playing) ms = Math.min(ms, replay.delayMs())
    poll(ms)
  }

  /**
   * Frames read only to be dropped would cost the very CPU that the workers lack (receive livelock): when a backlog
   * is full, the nic thread rests for a moment and the device's own queue drops instead.
   */
  const giveWay = (): void => {
    congested = false
    rest(CONGESTED_REST_MS)
    poll(0)
  }

  /** One turn; false when it is time to stop. */
  const turn = (): boolean => {
    if (!quiescent()) return false
    ipi.run()
    steer.refresh()
    const work = receive()
    backlog.flush()
    skbs.flush()
    skbs.reclaim()
    if (work === 0) sleep(pending, wait)
    else if (congested) giveWay()
    else poll(0)
    return true
  }
  return { turn }
}

const { config, buffer, id, thread } = workerData as ThreadData
const arena = attachArena(config, buffer)
const nic = createNic(arena, thread, id)
arena.i32[arena.layout.threadBlocks + thread * THREAD_WORDS + THREAD_RUNNING] = 1
announce('ready')
while (nic.turn()) {}
announce('stopped')
