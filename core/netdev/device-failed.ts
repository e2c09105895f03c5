/**
 * How a thread tells control that it has let a device go: the other side is gone, a disk is full, a file has ended. The
 * row is control's to change, so the news goes by IPI; false when it could not be sent now. Any thread; cold.
 */
import type { Arena } from '../shm/arena.ts'
import type { IpiSystem } from '../shm/ipi.ts'
import { Ipi, Notify } from '../shm/ipi.ts'
import { DEV_GENERATION, deviceRow } from './netdev.ts'

export type DeviceFailed = ReturnType<typeof createDeviceFailed>

export const createDeviceFailed = (arena: Arena, ipi: Pick<IpiSystem, 'send'>) => {
  const { i32, layout } = arena
  return (ifindex: number, errno: number): boolean => {
    const generation = i32[deviceRow(arena, ifindex) + DEV_GENERATION]
    return ipi.send(layout.controlThread, Ipi.NOTIFY, Notify.DEVICE, 0, ifindex, generation, errno)
  }
}
