// The other end of a namespace's interface, just enough to be talked to: answers ARP for any
// address and sends UDP datagrams back. Frames carry the 10-byte virtio_net_hdr.

import { block, libc } from '../../../../workers/os/libc.ts'
import { VNET_HDR_LEN } from '../../../../workers/os/tap.ts'

const OUR_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
const ETH = VNET_HDR_LEN
const L3 = ETH + 14

const frame = block(VNET_HDR_LEN + 65536)
const { bytes, view } = frame

const swap = (a: number, b: number, length: number): void => {
  const kept = bytes.slice(a, a + length)
  bytes.copyWithin(a, b, b + length)
  bytes.set(kept, b)
}

const answerArp = (): void => {
  view.setUint16(L3 + 6, 2)
  swap(L3 + 8, L3 + 18, 10)
  bytes.set(OUR_MAC, L3 + 8)
}

/** Reads one frame and answers it; false when there is none. */
export const echoOnce = (fd: number): boolean => {
  const count = libc.read(fd, frame.at, bytes.length)
  if (count < 0) return false
  const type = view.getUint16(ETH + 12)
  if (type === 0x0806) answerArp()
  else if (type === 0x0800 && bytes[L3 + 9] === 17) {
    swap(L3 + 12, L3 + 16, 4)
    swap(L3 + 20, L3 + 22, 2)
  } else return true
  bytes.copyWithin(ETH, ETH + 6, ETH + 12)
  bytes.set(OUR_MAC, ETH + 6)
  libc.write(fd, frame.at, count)
  return true
}
