// Addresses as the kernel's control structures want them: bytes in network order.
// Called by rtnetlink.ts and packet.ts on cold paths only.

import { isIPv4, isIPv6 } from 'node:net'

const v4Bytes = (text: string): number[] => text.split('.').map(Number)

const v6Groups = (text: string): number[] => {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return v4Bytes(group)
    const value = parseInt(group, 16)
    return [value >> 8, value & 255]
  })
}

/** 4 or 16 bytes. Throws on anything that is not an address. */
export const ipBytes = (text: string): Uint8Array => {
  if (isIPv4(text)) return Uint8Array.from(v4Bytes(text))
  if (!isIPv6(text) || text.includes('%')) throw new TypeError(`'${text}' is not an IP address`)
  const [head, tail] = text.split('::')
  const first = v6Groups(head!)
  const last = v6Groups(tail ?? '')
  return Uint8Array.from([...first, ...new Array(16 - first.length - last.length).fill(0), ...last])
}

export type Prefix = { bytes: Uint8Array; length: number }

/** '10.0.1.2/24' or 'fd00::2/64'; without a length it is a single address. */
export const parsePrefix = (text: string): Prefix => {
  const [address, length] = text.split('/')
  const bytes = ipBytes(address!)
  const bits = length === undefined ? bytes.length * 8 : Number(length)
  if (!Number.isInteger(bits) || bits < 0 || bits > bytes.length * 8) {
    throw new TypeError(`'${text}' is not an address with a prefix length`)
  }
  return { bytes, length: bits }
}

export const macBytes = (text: string): Uint8Array => {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) {
    throw new TypeError(`'${text}' is not a MAC address`)
  }
  return Uint8Array.from(text.split(':'), (octet) => parseInt(octet, 16))
}

export const macText = (bytes: Uint8Array): string =>
  Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join(':')
