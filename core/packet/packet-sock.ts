/**
 * Packet sockets: the calls of the socket layer (its Proto) for frames as links have them. A socket listens for a protocol
 * (an ethertype; ETH_P_ALL: all, both ways) on a device or on all; its address is a sockaddr_ll, in the words of PEER_*.
 * Linux: net/packet/af_packet.c packet_ops, packet_proto.
 */
import { AF_PACKET } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import type { Ptype } from '../dev/ptype.ts'
import { DEV_FLAGS, DEV_MAC, DEV_TYPE, deviceRow, IFF_UP } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { SKB_MAC } from '../skb/skb.ts'
import type { Datagram } from '../socket/datagram.ts'
import type { Events } from '../socket/events.ts'
import type { Proto } from '../socket/proto.ts'
import {
  SK_BOUND_DEV,
  SK_ERR,
  SK_EVENT_ERROR,
  SK_NUM,
  SK_SADDR,
  SK_TYPE,
  SOCK_DGRAM,
} from '../socket/sock.ts'
import {
  MSG_DONTWAIT,
  MSG_PEEK,
  MSG_TRUNC,
  PACKET_AUXDATA,
  PACKET_FANOUT,
  PACKET_IGNORE_OUTGOING,
  PACKET_STATISTICS,
  SLL_ADDR_HI,
  SLL_ADDR_LO,
  SLL_HATYPE,
  SOL_PACKET,
} from '../socket/socket-constants.ts'
import * as ethernet from '../wire/ethernet.ts'
import {
  PK_DROPS,
  PK_F_AUXDATA,
  PK_F_FANOUT,
  PK_F_IGNORE_OUTGOING,
  PK_FLAGS,
  PK_PACKETS,
} from './packet-constants.ts'
import type { Fanout, PacketFanout } from './packet-fanout.ts'
import type { PacketRcv } from './packet-rcv.ts'
import type { PacketSnd } from './packet-snd.ts'

type PacketSockDeps = {
  arena: Arena
  datagram: Datagram
  rcv: PacketRcv
  snd: PacketSnd
  fanout: PacketFanout
} & Pick<Ptype, 'devAddPack' | 'devAddTap'> &
  Pick<Events, 'sockEvents'>

const { EINVAL, ENETDOWN, ENODEV, ENOPROTOOPT, EOPNOTSUPP } = Errno

export const createPacketSock = (deps: PacketSockDeps) => {
  const { arena, datagram, rcv, snd, fanout } = deps
  const { devAddPack, devAddTap, sockEvents } = deps
  const { i32, u8 } = arena
  const { look, packetRcv, notePeer, peer } = rcv
  /** How to take each socket, or group of them, off ptype. */
  const hooks = new Map<number | Fanout, () => void>()

  // ---- listening

  /** Listens for `protocol`; `memberFor` says which socket hears of a frame. */
  const hook = (
    who: number | Fanout,
    protocol: number,
    memberFor: (skb: number, mac: number) => number
  ): void => {
    if (protocol === 0) return
    const off =
      protocol === ethernet.ETH_P_ALL
        ? devAddTap((skb, mac, type) => look(memberFor(skb, mac), skb, mac, type))
        : devAddPack(protocol, (skb) => packetRcv(memberFor(skb, i32[skb + SKB_MAC]), skb))
    hooks.set(who, off)
  }
  const unhook = (who: number | Fanout): void => {
    hooks.get(who)?.()
    hooks.delete(who)
  }
  const hookSocket = (sk: number): void => hook(sk, i32[sk + SK_NUM], () => sk)

  const opener =
    (type: number) =>
    (_family: number, protocol = 0): number => {
      const sk = datagram.alloc(AF_PACKET, type, 0)
      if (sk === 0) return 0
      i32[sk + SK_NUM] = protocol
      hookSocket(sk)
      return sk
    }
  /** Takes a socket out of its group, which ends with its last one. */
  const leaveGroup = (sk: number): void => {
    const group = fanout.leave(sk)
    if (group !== undefined && group.members.length === 0) unhook(group)
  }
  const close = (sk: number): void => {
    leaveGroup(sk)
    unhook(sk)
    datagram.free(sk)
  }

  /** To a device (0: all) and a protocol (0: the one that it has). A device that is down is told as an error. */
  const bind = (sk: number, _words: Int32Array, _at: number, port: number, zone = 0): number => {
    if ((i32[sk + PK_FLAGS] & PK_F_FANOUT) !== 0) return -EINVAL
    if (zone !== 0 && !snd.isDevice(zone)) return -ENODEV
    unhook(sk)
    i32[sk + SK_BOUND_DEV] = zone
    if (port !== 0) i32[sk + SK_NUM] = port
    nameDevice(sk, zone)
    hookSocket(sk)
    if (zone !== 0 && (i32[deviceRow(arena, zone) + DEV_FLAGS] & IFF_UP) === 0) deviceDown(sk)
    return 0
  }
  /** What getsockname tells: the address and the type of the device. */
  const nameDevice = (sk: number, ifindex: number): void => {
    const mac = (deviceRow(arena, ifindex) + DEV_MAC) << 2
    i32[sk + SK_SADDR + SLL_ADDR_HI] = ifindex === 0 ? 0 : ethernet.macHi(u8, mac)
    i32[sk + SK_SADDR + SLL_ADDR_LO] = ifindex === 0 ? 0 : ethernet.macLo(u8, mac)
    i32[sk + SK_SADDR + SLL_HATYPE] = ifindex === 0 ? 0 : i32[deviceRow(arena, ifindex) + DEV_TYPE]
  }
  const deviceDown = (sk: number): void => {
    i32[sk + SK_ERR] = ENETDOWN
    sockEvents(sk, SK_EVENT_ERROR)
  }
  /** A device goes down: who is bound to it hears so (packet_notifier). */
  const dropDevice = (ifindex: number): void => {
    for (const who of hooks.keys())
      for (const sk of typeof who === 'number' ? [who] : who.members)
        if (i32[sk + SK_BOUND_DEV] === ifindex) deviceDown(sk)
  }

  // ---- sending and receiving

  const sendto = (
    sk: number,
    from: number,
    len: number,
    words: Int32Array,
    at: number,
    port: number,
    _flags = 0,
    zone = 0
  ): number => snd.send(sk, from, len, zone, port, words[at + SLL_ADDR_HI], words[at + SLL_ADDR_LO])
  /** By the device that it is bound to. A payload has to be told where to, unless its device has but one place. */
  const sendmsg = (sk: number, from: number, len: number): number => {
    const dev = i32[sk + SK_BOUND_DEV]
    const isLost = i32[sk + SK_TYPE] === SOCK_DGRAM && snd.isDevice(dev) && !snd.hasNoAddress(dev)
    return isLost ? -EINVAL : snd.send(sk, from, len, dev, i32[sk + SK_NUM], 0, 0)
  }
  /** Takes one packet, cut to `len`, into the arena. Its sender lies in `peer` then. Other flags it does not know (packet_recvmsg). */
  const recvfrom = (sk: number, to: number, len: number, flags = 0): number =>
    (flags & ~(MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT)) === 0
      ? datagram.receive(sk, to, len, flags, 0, notePeer)
      : -EINVAL

  // ---- options

  const setFlag = (sk: number, flag: number, on: number): number => {
    if (on === 0) i32[sk + PK_FLAGS] &= ~flag
    else i32[sk + PK_FLAGS] |= flag
    return 0
  }
  const joinGroup = (sk: number, arg: number): number => {
    const group = fanout.join(sk, arg)
    if (typeof group === 'number') return group
    unhook(sk)
    if (group.members.length === 1)
      hook(group, i32[sk + SK_NUM], (skb, mac) => fanout.memberFor(group, skb, mac))
    return 0
  }
  const setOption = (sk: number, level: number, name: number, value: number): number => {
    if (level !== SOL_PACKET) return -ENOPROTOOPT
    if (name === PACKET_AUXDATA) return setFlag(sk, PK_F_AUXDATA, value)
    if (name === PACKET_FANOUT) return joinGroup(sk, value)
    if (name !== PACKET_IGNORE_OUTGOING) return -ENOPROTOOPT
    return value < 0 || value > 1 ? -EINVAL : setFlag(sk, PK_F_IGNORE_OUTGOING, value)
  }
  const hasFlag = (sk: number, flag: number): number => ((i32[sk + PK_FLAGS] & flag) === 0 ? 0 : 1)
  const getOption = (sk: number, level: number, name: number): number => {
    if (level !== SOL_PACKET) return -ENOPROTOOPT
    if (name === PACKET_AUXDATA) return hasFlag(sk, PK_F_AUXDATA)
    if (name === PACKET_FANOUT) return fanout.read(sk)
    return name === PACKET_IGNORE_OUTGOING ? hasFlag(sk, PK_F_IGNORE_OUTGOING) : -ENOPROTOOPT
  }
  /** struct tpacket_stats: those that came, the lost ones among them, and the lost ones; they begin anew. */
  const getNameOption: NonNullable<Proto['getNameOption']> = (sk, level, name, words, at) => {
    if (level !== SOL_PACKET || name !== PACKET_STATISTICS) return -ENOPROTOOPT
    words[at] = i32[sk + PK_PACKETS] + i32[sk + PK_DROPS]
    words[at + 1] = i32[sk + PK_DROPS]
    i32[sk + PK_PACKETS] = i32[sk + PK_DROPS] = 0
    return 8
  }

  /** Sockets of the type, SOCK_RAW or SOCK_DGRAM. */
  const protoFor = (type: number): Proto => ({
    open: opener(type),
    bind,
    connect: () => -EOPNOTSUPP,
    sendmsg,
    recvmsg: recvfrom,
    sendto,
    recvfrom,
    peer,
    ...datagram.calls,
    shutdown: () => -EOPNOTSUPP,
    close,
    abort: close,
    setOption,
    getOption,
    getNameOption,
  })
  return { protoFor, dropDevice }
}
