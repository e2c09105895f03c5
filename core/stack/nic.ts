/**
 * The nic thread's part of a stack: frames of devices in, each flow to its CPU's backlog (receive and steer). It runs
 * no protocol code. What is read from descriptors and files, and the sleep on them, are the caller's (NicInput); what
 * is read from rings is the receive half of a link kind (dev/kinds/). Run by workers/nic.ts on a thread of its own;
 * tests and simulations turn it by hand. Linux: a driver's NAPI poll up to netif_receive_skb() and get_rps_cpu().
 */
import { setTime } from '../base/time.ts'
import { createGro } from '../dev/gro.ts'
import { kindNumbers, SOFT_KINDS } from '../dev/kinds/kinds.ts'
import type { KindReceive, PathKind } from '../dev/kinds/link-kind.ts'
import type { DeviceFailed } from '../netdev/device-failed.ts'
import { createDeviceFailed } from '../netdev/device-failed.ts'
import {
  DEV_FLAGS,
  DEV_IFINDEX,
  DEV_KIND,
  DEV_OPERSTATE,
  deviceRow,
  IF_OPER_NOTPRESENT,
  IFF_UP,
} from '../netdev/netdev.ts'
import { Ipi } from '../shm/ipi.ts'
import type { DropFn } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import { createSteering } from './steering.ts'
import { createPacketThread, type PacketThreadDeps } from './thread.ts'

/** Frames taken from one device in a turn. */
const BATCH = 64
const LONGEST_SLEEP_MS = 1000
/** A backlog of netdev_max_backlog packets is some milliseconds of work. */
const CONGESTED_REST_MS = 0.2

/** What the operating system gives a nic thread to read. */
export type NicInput = {
  /** `devices` are the rows that are up and not gone: what to read from now on. */
  refresh(devices: readonly number[]): void
  /** Reads up to `budget` frames of each device that has some; returns how many. */
  receive(budget: number, deliver: (skb: number) => void): number
  /** Sleeps until a device has frames or the doorbell rings, for at most `timeoutMs`; 0 only looks. */
  wait(timeoutMs: number): void
  /** Milliseconds, at most `limitMs`, until there is something to read that no descriptor tells. */
  nextDelay(limitMs: number): number
}
export type NicEnv = { skbs: Skbs; drop: DropFn; deviceFailed: DeviceFailed }
type NicDeps = PacketThreadDeps & {
  input: (env: NicEnv) => NicInput
  /** The list that the stacks and control have. */
  kinds?: readonly PathKind[]
  /** Sleeps by `wait` unless `pending` says that work has come; says meanwhile that the thread sleeps. */
  sleep: (pending: () => boolean, wait: () => void) => void
  /** Leaves the CPU to the workers. */
  rest: (ms: number) => void
}

export const createNic = (deps: NicDeps) => {
  const { arena, sleep, rest, nowUs, kinds = SOFT_KINDS } = deps
  const { i32, layout } = arena
  const own = createPacketThread(deps)
  const { skbs, drop, ipi, time, isCapturing } = own
  const { steer, backlog, netifRx } = createSteering(own)
  const gro = createGro({ ...own, handOn: netifRx })
  const input = deps.input({ skbs, drop, deviceFailed: createDeviceFailed(arena, ipi) })

  // What there is to read, found anew when control publishes a change.
  const numbers: Readonly<Record<string, number>> = kindNumbers(kinds)
  const readers: { kind: number; reader: KindReceive }[] = kinds.flatMap(({ name, receive }) =>
    receive ? [{ kind: numbers[name], reader: receive({ arena, skbs }) }] : []
  )
  const isReadable = (row: number): boolean =>
    i32[row + DEV_IFINDEX] !== 0 &&
    (i32[row + DEV_FLAGS] & IFF_UP) !== 0 &&
    i32[row + DEV_OPERSTATE] !== IF_OPER_NOTPRESENT
  const findDevices = (): void => {
    const rows: number[] = []
    for (let ifindex = 1; ifindex < layout.config.devices; ifindex++) {
      const row = deviceRow(arena, ifindex)
      if (isReadable(row)) rows.push(row)
    }
    for (const { kind, reader } of readers)
      reader.refresh(rows.filter((row) => i32[row + DEV_KIND] === kind))
    input.refresh(rows.filter((row) => !readers.some(({ kind }) => kind === i32[row + DEV_KIND])))
  }

  const receive = (): number => {
    let work = input.receive(BATCH, gro.receive)
    for (const { reader } of readers) work += reader.receive(BATCH, gro.receive)
    gro.flush()
    return work
  }
  const pending = (): boolean => {
    if (ipi.pending()) return true
    for (const { reader } of readers) if (reader.pending()) return true
    return false
  }
  const wait = (): void => input.wait(input.nextDelay(LONGEST_SLEEP_MS))

  ipi.on(Ipi.DEBUG_THROW, () => {
    throw new Error('thrown on request')
  })

  /**
   * Frames read only to be dropped would cost the very CPU that the workers lack (receive livelock): when a backlog
   * is full, the nic thread rests for a moment and the device's own queue drops instead.
   */
  const giveWay = (): void => {
    rest(CONGESTED_REST_MS)
    input.wait(0)
  }

  /** Takes over what control has changed. */
  const refresh = (): void => {
    findDevices()
    steer.refresh()
  }
  /** One turn of the loop; it sleeps when there was nothing to do. */
  const turn = (): void => {
    ipi.run()
    steer.refresh()
    if (isCapturing()) setTime(time, nowUs())
    const work = receive()
    backlog.flush()
    skbs.flush()
    skbs.reclaim()
    if (work === 0) sleep(pending, wait)
    else if (backlog.takeCongestion()) giveWay()
    else input.wait(0)
  }
  return { refresh, turn, skbs, ipi }
}
