/**
 * Fanout groups: packet sockets that share out among them what each would get. A group belongs to a worker, as its sockets
 * do; those of one flow go to one socket whichever way they go. Linux: fanout_add(), packet_rcv_fanout() (net/packet/af_packet.c).
 */
import { Errno } from '../base/errno.ts'
import { reciprocalScale } from '../base/u32.ts'
import type { Arena } from '../shm/arena.ts'
import { SKB_QUEUE_MAPPING } from '../skb/skb.ts'
import type { Datagram } from '../socket/datagram.ts'
import { SK_BOUND_DEV, SK_NUM, SK_TYPE } from '../socket/sock.ts'
import {
  PACKET_FANOUT_CPU,
  PACKET_FANOUT_FLAG_ROLLOVER,
  PACKET_FANOUT_HASH,
  PACKET_FANOUT_LB,
  PACKET_FANOUT_QM,
  PACKET_FANOUT_RND,
  PACKET_FANOUT_ROLLOVER,
} from '../socket/socket-constants.ts'
import { PK_F_FANOUT, PK_FLAGS } from './packet-constants.ts'

type PacketFanoutDeps = {
  arena: Arena
  worker: number
  random: () => number
  datagram: Pick<Datagram, 'isFull'>
  /** core/stack/packet.ts: of a frame's flow, whichever way it goes. */
  flowOf: (skb: number, mac: number) => number
}

/** `members` take turns as `type` says. */
export type Fanout = {
  id: number
  type: number
  rollsOver: boolean
  members: number[]
  turn: number
}
export type PacketFanout = ReturnType<typeof createPacketFanout>

const MOST = 256

export const createPacketFanout = (deps: PacketFanoutDeps) => {
  const { arena, worker, random, datagram, flowOf } = deps
  const { i32 } = arena
  const groups = new Map<number, Fanout>()
  const groupOf = (sk: number): Fanout | undefined =>
    (i32[sk + PK_FLAGS] & PK_F_FANOUT) === 0
      ? undefined
      : [...groups.values()].find(({ members }) => members.includes(sk))

  const choose = (group: Fanout, skb: number, mac: number): number => {
    const n = group.members.length
    switch (group.type) {
      case PACKET_FANOUT_HASH:
        return reciprocalScale(flowOf(skb, mac), n)
      case PACKET_FANOUT_LB:
        return group.turn++ % n
      case PACKET_FANOUT_CPU:
        return worker % n
      case PACKET_FANOUT_RND:
        return reciprocalScale(random(), n)
      case PACKET_FANOUT_QM:
        return i32[skb + SKB_QUEUE_MAPPING] % n
    }
    return 0
  }
  /** The member that gets the frame. */
  const memberFor = (group: Fanout, skb: number, mac: number): number => {
    const { members, rollsOver } = group
    const first = choose(group, skb, mac)
    if (!rollsOver) return members[first]
    for (let k = 0; k < members.length; k++) {
      const sk = members[(first + k) % members.length]
      if (!datagram.isFull(sk)) return sk
    }
    return members[first]
  }

  const isKnown = (type: number): boolean => type >= PACKET_FANOUT_HASH && type <= PACKET_FANOUT_QM
  const isAlike = (sk: number, other: number): boolean =>
    i32[sk + SK_TYPE] === i32[other + SK_TYPE] &&
    i32[sk + SK_NUM] === i32[other + SK_NUM] &&
    i32[sk + SK_BOUND_DEV] === i32[other + SK_BOUND_DEV]
  /** `arg` as PACKET_FANOUT takes it. The group, which is new with one member; or -errno. */
  const join = (sk: number, arg: number): Fanout | number => {
    const [id, mode] = [arg & 0xffff, arg >>> 16]
    const type = mode & 0xff
    const flags = mode & ~0xff
    if (!isKnown(type) || (flags & ~PACKET_FANOUT_FLAG_ROLLOVER) !== 0) return -Errno.EINVAL
    if ((i32[sk + PK_FLAGS] & PK_F_FANOUT) !== 0) return -Errno.EALREADY
    if (i32[sk + SK_NUM] === 0) return -Errno.EINVAL
    const rollsOver = flags !== 0 || type === PACKET_FANOUT_ROLLOVER
    const group = groups.get(id) ?? { id, type, rollsOver, members: [], turn: 0 }
    if (group.type !== type || group.rollsOver !== rollsOver) return -Errno.EINVAL
    if (group.members.length > 0 && !isAlike(sk, group.members[0])) return -Errno.EINVAL
    if (group.members.length === MOST) return -Errno.ENOSPC
    groups.set(id, group)
    group.members.push(sk)
    i32[sk + PK_FLAGS] |= PK_F_FANOUT
    return group
  }
  /** Takes a socket out of its group: what is left of that. */
  const leave = (sk: number): Fanout | undefined => {
    const group = groupOf(sk)
    if (group === undefined) return undefined
    group.members.splice(group.members.indexOf(sk), 1)
    i32[sk + PK_FLAGS] &= ~PK_F_FANOUT
    if (group.members.length === 0) groups.delete(group.id)
    return group
  }
  /** What PACKET_FANOUT says of a socket; 0 is none. */
  const read = (sk: number): number => {
    const group = groupOf(sk)
    if (group === undefined) return 0
    const rolls = group.rollsOver && group.type !== PACKET_FANOUT_ROLLOVER
    return group.id | ((group.type | (rolls ? PACKET_FANOUT_FLAG_ROLLOVER : 0)) << 16)
  }
  return { memberFor, join, leave, read }
}
