/** Packet sockets of a stack: a family of the socket layer, over ptype and the devices' queues. */
import { AF_PACKET } from '../base/family.ts'
import { createPacketFanout } from '../packet/packet-fanout.ts'
import { createPacketRcv } from '../packet/packet-rcv.ts'
import { createPacketSnd } from '../packet/packet-snd.ts'
import { createPacketSock } from '../packet/packet-sock.ts'
import { SOCK_DGRAM, SOCK_RAW } from '../socket/sock.ts'
import { mix32, mixIn } from '../base/u32.ts'
import { SKB_DATA, SKB_LEN, SKB_TAIL } from '../skb/skb.ts'
import {
  DISSECT_OK,
  KEY_DPORT,
  KEY_DST,
  KEY_IP_PROTO,
  KEY_SPORT,
  KEY_SRC,
} from '../steering/flow-dissect.ts'
import type { Inet } from './inet.ts'
import type { Link } from './link.ts'
import type { Machine } from './machine.ts'
import type { SocketLayer } from './sockets.ts'

export const createPacket = (
  machine: Machine,
  link: Link,
  inet: Inet,
  layer: SocketLayer
): void => {
  const { sockets } = layer
  const { sockEvents } = sockets
  const flowOf = createFlowOf(machine)
  const common = { ...machine, ...link.ptype, ...layer, sockEvents, flowOf }
  const { protoFor, dropDevice } = createPacketSock({
    ...common,
    rcv: createPacketRcv(common),
    snd: createPacketSnd({ ...common, ...link.ether, ...link.xmit }),
    fanout: createPacketFanout(common),
  })
  for (const type of [SOCK_RAW, SOCK_DGRAM]) sockets.registerFamily(AF_PACKET, type, protoFor(type))
  inet.onDeviceDown(dropDevice)
}

/** Of a frame's flow, whichever way it goes (__skb_get_hash_symmetric); 0 is of what has none. */
const createFlowOf = ({ arena, steer }: Machine) => {
  const { i32 } = arena
  const { dissect, keys } = steer
  return (skb: number, mac: number): number => {
    const whole = i32[skb + SKB_LEN] + i32[skb + SKB_DATA] - mac
    if (dissect(mac, Math.min(whole, i32[skb + SKB_TAIL] - mac)) !== DISSECT_OK) return 0
    let hash = keys[KEY_IP_PROTO] ^ mix32(keys[KEY_SPORT] ^ keys[KEY_DPORT])
    for (let w = 0; w < 4; w++) hash = mixIn(hash, keys[KEY_SRC + w] ^ keys[KEY_DST + w])
    return mix32(hash)
  }
}
