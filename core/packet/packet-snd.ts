/**
 * Packet output: a frame as an application made it (SOCK_RAW), or its payload with the link header that its address says
 * (SOCK_DGRAM), straight to the device's queue. On the socket's worker. Linux: packet_snd() (net/packet/af_packet.c).
 */
import { Errno } from '../base/errno.ts'
import type { DevQueueXmit } from '../dev/dev-queue-xmit.ts'
import type { EtherOutput } from '../dev/ether-output.ts'
import {
  DEV_FLAGS,
  DEV_IFINDEX,
  DEV_MTU,
  deviceRow,
  IFF_LOOPBACK,
  IFF_NOARP,
  IFF_UP,
} from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { type DropFn, Drop } from '../skb/drop.ts'
import {
  MAX_HEADER,
  SKB_DEV,
  SKB_MAC,
  SKB_MARK,
  SKB_NETWORK,
  SKB_PROTOCOL,
  SKB_SK,
  SKB_TRANSPORT,
} from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import { SK_MARK, SK_TYPE, SOCK_DGRAM } from '../socket/sock.ts'
import * as ethernet from '../wire/ethernet.ts'
import { VLAN_HLEN } from '../wire/vlan.ts'

type PacketSndDeps = { arena: Arena; skbs: Skbs; drop: DropFn } & Pick<EtherOutput, 'ethHeader'> &
  Pick<DevQueueXmit, 'devQueueXmit'>

export type PacketSnd = ReturnType<typeof createPacketSnd>

export const createPacketSnd = (deps: PacketSndDeps) => {
  const { arena, skbs, drop, ethHeader, devQueueXmit } = deps
  const { i32, u8, layout } = arena

  const isDevice = (ifindex: number): boolean =>
    ifindex > 0 &&
    ifindex < layout.config.devices &&
    i32[deviceRow(arena, ifindex) + DEV_IFINDEX] === ifindex
  /** A tagged frame may be longer by its tag. */
  const isTooLong = (from: number, len: number, payload: number, mtu: number): boolean =>
    payload > mtu &&
    (payload > mtu + VLAN_HLEN ||
      payload === len ||
      ethernet.type(u8, from) !== ethernet.ETH_P_8021Q)

  /** Sends `len` bytes of the arena by a device, with SOCK_DGRAM as `protocol` to the MAC address (hi, lo): len, or -errno. */
  const send = (
    sk: number,
    from: number,
    len: number,
    ifindex: number,
    protocol: number,
    hi: number,
    lo: number
  ): number => {
    if (!isDevice(ifindex)) return -Errno.ENXIO
    const dev = deviceRow(arena, ifindex)
    if ((i32[dev + DEV_FLAGS] & IFF_UP) === 0) return -Errno.ENETDOWN
    const isWhole = i32[sk + SK_TYPE] !== SOCK_DGRAM
    const payload = isWhole ? len - ethernet.ETH_HLEN : len
    if (payload < 0) return -Errno.EINVAL
    if (isTooLong(from, len, payload, i32[dev + DEV_MTU])) return -Errno.EMSGSIZE
    const skb = skbs.alloc(len, MAX_HEADER)
    if (skb === 0) return -Errno.ENOBUFS
    const at = skbs.put(skb, len)
    u8.copyWithin(at, from, from + len)
    i32[skb + SKB_DEV] = ifindex
    i32[skb + SKB_MARK] = i32[sk + SK_MARK]
    // taps pass over the socket that has sent it
    i32[skb + SKB_SK] = sk
    if (!isWhole && !ethHeader(skb, ifindex, hi, lo, protocol)) {
      drop(skb, Drop.NOMEM)
      return -Errno.ENOBUFS
    }
    const mac = isWhole ? at : i32[skb + SKB_MAC]
    i32[skb + SKB_MAC] = mac
    i32[skb + SKB_NETWORK] = i32[skb + SKB_TRANSPORT] = mac + ethernet.ETH_HLEN
    i32[skb + SKB_PROTOCOL] = isWhole ? ethernet.protocolOf(ethernet.type(u8, mac)) : protocol
    const error = devQueueXmit(skb)
    return error === 0 ? len : error
  }
  /** Has every frame there the same address, its own? */
  const hasNoAddress = (ifindex: number): boolean =>
    (i32[deviceRow(arena, ifindex) + DEV_FLAGS] & (IFF_LOOPBACK | IFF_NOARP)) !== 0
  return { send, isDevice, hasNoAddress }
}
