/**
 * A capture as pcapng, block by block into one buffer that is emptied when it is sent: an interface for each device when it
 * is first seen, a packet with its direction, and with the reason why it died as a comment.
 */
import type { CaptureItem } from '../../core/control/text/messages.ts'
import {
  ENHANCED_PACKET_LEN,
  INTERFACE_BLOCK_LEN,
  PCAPNG_INBOUND,
  PCAPNG_OUTBOUND,
  putEnhancedPacket,
  putInterface,
  putSectionHeader,
} from '../../core/wire/pcap.ts'

const FIRST_ROOM = 65536
const NO_COMMENT = new Uint8Array(0)
const encoder = new TextEncoder()

/** `epochUs` is the wall clock's time at `startUs` of the items' clock. */
export const createPcapng = (snapLen: number, startUs: number, epochUs: number) => {
  let room = new Uint8Array(FIRST_ROOM)
  let end = putSectionHeader(room, 0)
  const interfaces = new Map<string, number>()

  const reserve = (octets: number): void => {
    if (end + octets <= room.length) return
    const larger = new Uint8Array(2 * (end + octets))
    larger.set(room.subarray(0, end))
    room = larger
  }
  const interfaceOf = (dev: string): number => {
    const known = interfaces.get(dev)
    if (known !== undefined) return known
    const name = encoder.encode(dev)
    reserve(INTERFACE_BLOCK_LEN + name.length + 4)
    end = putInterface(room, end, name, snapLen)
    interfaces.set(dev, interfaces.size)
    return interfaces.size - 1
  }
  const add = ({ timeUs, dev, direction, drop, length, bytes }: CaptureItem): void => {
    const iface = interfaceOf(dev)
    const comment = drop === null ? NO_COMMENT : encoder.encode(`dropped: ${drop}`)
    reserve(ENHANCED_PACKET_LEN + bytes.length + 4 + comment.length + 8)
    const us = Math.floor(epochUs + timeUs - startUs)
    end = putEnhancedPacket(
      room,
      end,
      iface,
      direction === 'in' ? PCAPNG_INBOUND : PCAPNG_OUTBOUND,
      Math.floor(us / 1e6),
      (us % 1e6) * 1000,
      bytes,
      0,
      bytes.length,
      length,
      comment
    )
  }
  /** What has been written since the last time. */
  const take = (): Uint8Array<ArrayBuffer> => {
    const bytes = room.slice(0, end)
    end = 0
    return bytes
  }
  return { add, take }
}
