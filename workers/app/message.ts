/**
 * Messages of an application's sockets as records of the rings carry them: whom they are to or from, in text, and what goes beside
 * the data, control messages with Linux's numbers and octets. Application thread.
 */
import { deviceName } from '../../core/netdev/netdev.ts'
import { SKB_DATA, SKB_LEN } from '../../core/skb/skb.ts'
import { E_ADDR, E_ARG0, E_CONTROL, E_PORT, E_SKB } from '../../core/socket/app-constants.ts'
import { FLAGS_BYTES } from '../../core/socket/app-control.ts'
import { CMSG_HEADER } from '../../core/socket/msg/cmsg.ts'
import { addressAt, type AddressInfo } from './address.ts'
import type { Engine } from './engine.ts'

/** struct cmsghdr and its octets: numbers in them are the machine's, addresses the network's, as CMSG_DATA has them. */
export type ControlMessage = { level: number; type: number; data: Uint8Array }
/** What came beside the data: MSG_* flags (MSG_TRUNC, MSG_ERRQUEUE), and control messages. */
export type Beside = { flags: number; control: ControlMessage[] }

const HEADER_BYTES = CMSG_HEADER * 4
const padded = (length: number): number => (length + 3) & ~3

/** Octets that control messages take in a record's skb. */
export const controlLength = (control: readonly ControlMessage[]): number =>
  control.reduce((sum, { data }) => sum + HEADER_BYTES + padded(data.length), 0)

/** Writes them to `to`. */
export const writeControl = (
  bytes: Buffer,
  to: number,
  control: readonly ControlMessage[]
): void => {
  let at = to
  for (const { level, type, data } of control) {
    bytes.writeInt32LE(level, at)
    bytes.writeInt32LE(type, at + 4)
    bytes.writeInt32LE(data.length, at + 8)
    bytes.fill(0, at + HEADER_BYTES, at + HEADER_BYTES + padded(data.length))
    bytes.set(data, at + HEADER_BYTES)
    at += HEADER_BYTES + padded(data.length)
  }
}

/** What came beside the data of the record at `at`, which still has its skb. */
export const besideAt = ({ arena, bytes, copyBytes }: Engine, at: number): Beside => {
  const { i32 } = arena
  const length = i32[at + E_CONTROL]
  if (length === 0) return { flags: 0, control: [] }
  const skb = i32[at + E_SKB]
  const end = i32[skb + SKB_DATA] + i32[skb + SKB_LEN]
  const from = end - length
  const control = readControl(copyBytes(from + FLAGS_BYTES, length - FLAGS_BYTES))
  return { flags: bytes.readInt32LE(from), control }
}
/** Control messages that lie one behind the other, as those of an option do (IP_PKTOPTIONS). */
export const readControl = (bytes: Buffer): ControlMessage[] => {
  const control: ControlMessage[] = []
  for (let k = 0; k < bytes.length; ) {
    const size = bytes.readInt32LE(k + 8)
    const data = bytes.subarray(k + HEADER_BYTES, k + HEADER_BYTES + size)
    control.push({ level: bytes.readInt32LE(k), type: bytes.readInt32LE(k + 4), data })
    k += HEADER_BYTES + padded(size)
  }
  return control
}

/** Whom the record at `at` is from, with the device where the address needs one. */
export const senderAt = ({ arena }: Engine, at: number): AddressInfo => {
  const { i32 } = arena
  const from = addressAt(i32, at + E_ADDR, i32[at + E_PORT])
  const zone = i32[at + E_ARG0]
  if (zone !== 0) from.address += `%${deviceName(arena, zone)}`
  return from
}
