/**
 * What a device that is a file descriptor with a vnet header (TAP, packet socket) puts into its row, and how it is
 * closed: tap.ts and packet.ts open theirs and end here. Control thread; drivers/fd.ts moves the frames.
 */
import {
  DEV_FEATURES,
  DEV_GSO_MAX,
  DEV_NAPI,
  DEV_RX_QUEUES,
  DEV_TX_QUEUES,
  deviceFds,
  deviceRow,
  NETIF_F_GRO,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_TSO,
  NETIF_F_TSO6,
  NETIF_F_USO,
  NETIF_F_VNET_HDR,
} from '../../core/netdev/netdev.ts'
import type { Carrier } from '../../core/dev/kinds/link-kind.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { FD_IS_SOCKET } from '../drivers/fd.ts'
import { libc } from '../os/libc.ts'
import { TunOffload } from '../os/tap.ts'

const GSO_MAX_SIZE = 65535
const OFFLOADS =
  NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_VNET_HDR | NETIF_F_GRO

type FdOptions = {
  /** Packet sockets, not queues of a TAP. */
  isSocket: boolean
  /** The mask of TunOffload that the kernel has granted. */
  offload?: number
  /** Worker i reads queue i. */
  isNapi?: boolean
}

export const fillFdRow = (
  arena: Arena,
  ifindex: number,
  fds: readonly number[],
  { isSocket, offload = 0, isNapi = false }: FdOptions
): void => {
  const { i32 } = arena
  const row = deviceRow(arena, ifindex)
  i32[row + FD_IS_SOCKET] = isSocket ? 1 : 0
  i32[row + DEV_FEATURES] = OFFLOADS | (offload & TunOffload.USO4 ? NETIF_F_USO : 0)
  i32[row + DEV_GSO_MAX] = GSO_MAX_SIZE
  i32[row + DEV_TX_QUEUES] = fds.length
  i32[row + DEV_RX_QUEUES] = fds.length
  // a CPU alone reads its devices itself: there is no other to hand flows to, and each hop would cost as much as the rest
  i32[row + DEV_NAPI] = isNapi || arena.layout.config.workers === 1 ? 1 : 0
  fds.forEach((fd, queue) => {
    i32[deviceFds(arena, ifindex) + queue] = fd
  })
}

/** The devices of one kind that are open, each with a look at its other side through its first descriptor. */
export const createFdDevices = () => {
  type Device = { fds: readonly number[]; look: (fd: number) => Carrier; isDead: boolean }
  const opened = new Map<number, Device>()
  const add = (ifindex: number, fds: readonly number[], look: (fd: number) => Carrier): void => {
    opened.set(ifindex, { fds, look, isDead: false })
  }
  const carrier = (ifindex: number): Carrier => {
    const { fds, look, isDead } = opened.get(ifindex)!
    return isDead ? 'gone' : look(fds[0])
  }
  /** Takes it off the list; what there is to close. */
  const remove = (ifindex: number): readonly number[] => {
    const fds = opened.get(ifindex)?.fds ?? []
    opened.delete(ifindex)
    return fds
  }
  /** A queue that no thread reads any more makes the whole device useless. */
  const failed = (ifindex: number): void => {
    opened.get(ifindex)!.isDead = true
  }
  return { add, remove, carrier, failed }
}

export const closeAll = (fds: readonly number[]): void => {
  for (const fd of fds) libc.close(fd)
}
