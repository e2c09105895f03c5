/**
 * The state of devices: up or down, and the other side of each, which belongs to somebody else (the host, a peer) and is
 * asked after. What has changed goes into the row, and those who have to know hear it. Control thread.
 * Linux: net/core/link_watch.c, dev_change_flags() (net/core/dev.c).
 */
import type { Carrier } from '../../dev/kinds/link-kind.ts'
import type { Ifaddrs } from '../../inet/addr/ifaddr.ts'
import {
  DEV_FLAGS,
  DEV_GENERATION,
  DEV_OPERSTATE,
  deviceRow,
  IF_OPER_DOWN,
  IF_OPER_LOWERLAYERDOWN,
  IF_OPER_NOTPRESENT,
  IF_OPER_UNKNOWN,
  IF_OPER_UP,
  IFF_LOWER_UP,
  IFF_RUNNING,
  IFF_UP,
} from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Registry } from './registry.ts'

export type FollowDeps = {
  arena: Arena
  registry: Registry
  addresses: Pick<Ifaddrs, 'deviceUp' | 'deviceReady' | 'deviceDown'>
  /** control.ts: tells workers and nics that it has no carrier: what they learned there is void (neigh_carrier_down). */
  announceCarrierDown: (ifindex: number) => void
  /** control.ts: tells watchers. */
  onEvent: (event: 'new' | 'del', ifindex: number) => void
}
export type Follow = ReturnType<typeof createFollow>

/** Operational state of a device that is up (Linux: default_operstate). */
const OPERSTATE: Readonly<Record<Carrier, number>> = {
  up: IF_OPER_UP,
  unknown: IF_OPER_UNKNOWN,
  down: IF_OPER_DOWN,
  lowerlayerdown: IF_OPER_LOWERLAYERDOWN,
  gone: IF_OPER_NOTPRESENT,
}

export const createFollow = (deps: FollowDeps) => {
  const { arena, registry, addresses, announceCarrierDown, onEvent } = deps
  const { i32 } = arena
  const { of, isUp, isThere } = registry

  const isCarrier = (carrier: Carrier | undefined): boolean =>
    carrier === 'up' || carrier === 'unknown'
  const hasCarrier = (ifindex: number): boolean => isCarrier(registry.find(ifindex)?.carrier)
  const setFlag = (row: number, flag: number, on: boolean): void => {
    i32[row + DEV_FLAGS] = on ? i32[row + DEV_FLAGS] | flag : i32[row + DEV_FLAGS] & ~flag
  }
  const setOperstate = (ifindex: number): void => {
    const row = deviceRow(arena, ifindex)
    const { carrier } = of(ifindex)
    setFlag(row, IFF_RUNNING | IFF_LOWER_UP, isUp(ifindex) && hasCarrier(ifindex))
    i32[row + DEV_OPERSTATE] =
      isUp(ifindex) || carrier === 'gone' ? OPERSTATE[carrier] : IF_OPER_DOWN
  }

  /** How the other side is; true when that has changed. */
  const askCarrier = (ifindex: number): boolean => {
    const link = of(ifindex)
    const now = link.kind.ops.carrier?.(ifindex) ?? 'up'
    if (now === link.carrier || link.carrier === 'gone') return false
    if (isCarrier(now) !== isCarrier(link.carrier)) link.carrierChanges++
    link.carrier = now
    return true
  }
  /** Asks after a device's other side, and tells what has changed; true when anything has. */
  const lookAt = (ifindex: number): boolean => {
    if (!askCarrier(ifindex)) return false
    setOperstate(ifindex)
    if (hasCarrier(ifindex) && isUp(ifindex)) addresses.deviceReady(ifindex)
    if (!hasCarrier(ifindex) && isUp(ifindex)) announceCarrierDown(ifindex)
    onEvent('new', ifindex)
    return true
  }
  /** The state that a device begins with, which nobody has seen yet. */
  const begin = (ifindex: number): void => {
    askCarrier(ifindex)
    setOperstate(ifindex)
  }
  /** Follows the other sides of all devices, now and then; true when any has changed. */
  const look = (): boolean => {
    let any = false
    for (const ifindex of registry.list()) if (lookAt(ifindex)) any = true
    return any
  }
  const setUp = (ifindex: number, up: boolean): void => {
    if (isUp(ifindex) === up) return
    setFlag(deviceRow(arena, ifindex), IFF_UP, up)
    setOperstate(ifindex)
    const link = of(ifindex)
    if (up) link.isActivated = true
    if (link.second !== 0) lookAt(link.second)
    if (up) addresses.deviceUp(ifindex)
    else addresses.deviceDown(ifindex)
  }
  /** A thread has met an error on a device, which may have been made anew since. */
  const failed = (ifindex: number, generation: number, errno: number): void => {
    if (!isThere(ifindex) || i32[deviceRow(arena, ifindex) + DEV_GENERATION] !== generation) return
    of(ifindex).kind.ops.failed?.(ifindex, errno)
  }
  return { begin, look, failed, hasCarrier, setUp }
}
