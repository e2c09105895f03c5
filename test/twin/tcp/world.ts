// Where TCP's cases happen: a host with one Ethernet, behind whose gateway every case has a peer of its own, so that nothing
// that is remembered of peers (path MTUs, inet_peer) is shared, and a port of its own.

import { parseAddr } from '../../../core/wire/text.ts'

export const HOST_MAC = '02:00:00:00:00:02'
export const GATEWAY_MAC = '02:00:00:00:00:99'
export const DEVICE = 'eth1'
/** The peer's. */
export const PEER_PORT = 4000
export const FIRST_PORT = 10_000
/** Cases that one pair of hosts can have. */
export const MOST_CASES = 40_000

/** So many cases share a host that what is sent in a while is no measure. */
export const UNLIMITED = [
  'net.ipv4.icmp_ratelimit=0',
  'net.ipv4.icmp_msgs_per_sec=1000000',
  'net.ipv4.icmp_msgs_burst=1000000',
  'net.ipv6.icmp.ratelimit=0',
]

export const NETS = {
  ipv4: {
    ethertype: 0x0800,
    mtu: 1500,
    local: '192.168.0.1',
    plen: 16,
    gateway: '192.168.255.254',
    all: '0.0.0.0/0',
    header: 20,
    addresses: 12,
  },
  ipv6: {
    ethertype: 0x86dd,
    mtu: 1520,
    local: 'fd00::1',
    plen: 64,
    gateway: 'fd00::99',
    all: '::/0',
    header: 40,
    addresses: 8,
  },
} as const

export const peerText = (family: 'ipv4' | 'ipv6', id: number): string =>
  family === 'ipv4' ? `11.1.${id >> 8}.${id & 255}` : `fd01::${(id + 1).toString(16)}`

/** The octets of an address. */
export const addressBytes = (text: string): Uint8Array => {
  const { words } = parseAddr(text)!
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  for (const [k, word] of words.entries()) view.setInt32(4 * k, word)
  return text.includes(':') ? bytes : bytes.subarray(12)
}
