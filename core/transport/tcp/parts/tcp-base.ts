/**
 * What TCP is given, what every part of it works on, and where its sockets are. Made by tcp.ts, first of all.
 */
import type { Time } from '../../../base/time.ts'
import type { TimerWheel } from '../../../base/timer-wheel.ts'
import { log2, roundUpPowerOfTwo } from '../../../base/u32.ts'
import type { Arena } from '../../../shm/arena.ts'
import { COUNTERS } from '../../../shm/layout.ts'
import type { Slab } from '../../../shm/slab.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import type { ConsumeFn, DropFn } from '../../../skb/drop.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import type { AddrType } from '../../../inet/addr/addr-type.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { Pmtu } from '../../../inet/dst/pmtu.ts'
import type { SkDst } from '../../../inet/dst/sk-dst.ts'
import type { PacketAddrs } from '../../../inet/packet-addrs.ts'
import type { IpLocalOut } from '../../../ipv4/ip-local-out.ts'
import { l3mdevOf } from '../../../netdev/netdev.ts'
import type { Events } from '../../../socket/events.ts'
import type { Cmsg } from '../../../socket/msg/cmsg.ts'
import type { ErrQueue } from '../../../socket/msg/errqueue.ts'
import type { SkFilter } from '../../../socket/sk-filter.ts'
import type { Timestamp } from '../../../socket/msg/timestamp.ts'
import { SK_BOUND_DEV } from '../../../socket/sock.ts'
import type { Steer } from '../../../steering/steer.ts'
import type { KeepError } from '../../keep-error.ts'
import type { OwnedFlows } from '../../owned-flows.ts'
import { createPorts } from '../../ports.ts'
import { createSecureSeq } from '../../secure-seq.ts'
import { type CongestionControl, createTcpCong } from '../cong/tcp-cong.ts'
import type { TcpMssDeps } from '../snd/tcp-mss.ts'
import { createTcpTstamp } from '../snd/tcp-tstamp.ts'
import { createTcpHash } from '../sock/tcp-hash.ts'
import { createTcpPktoptions } from '../sock/tcp-pktoptions.ts'

export type TcpDeps = {
  arena: Arena
  worker: number
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  wheel: TimerWheel
  time: Time
  /** Uniform int32. */
  random: () => number
  /** The worker's rows of sockets, shared with the other protocols. */
  slab: Slab
  /** Two random words of the boot: the key of sequence numbers. */
  secret: Int32Array
  afOps: AfOpsOf
  skDst: SkDst
  steer: Steer['steerFlow']
  gsoMax: TcpMssDeps['gsoMax']
  /** The algorithms to choose from (cong/tcp-cong.ts). */
  congestion: readonly CongestionControl[]
  owned: OwnedFlows
  errqueue: ErrQueue
  filter: SkFilter
  cmsg: Cmsg
  timestamp: Timestamp
} & Pick<Pmtu, 'updatePmtu'> &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<IpLocalOut, 'sockConfirm'> &
  Pick<AddrType, 'addrType'> &
  KeepError &
  Pick<Events, 'sockEvents'>

/** What every part works on. */
export const createBase = ({
  arena,
  worker,
  skbs,
  drop,
  consume,
  time,
  random,
  congestion,
  errqueue,
  filter,
  timestamp,
  sockEvents,
  afOps,
  cmsg,
}: TcpDeps) => ({
  arena,
  i32: arena.i32,
  u8: arena.u8,
  f64: arena.f64,
  sysctl: arena.layout.sysctl,
  bank: arena.layout.countersF64 + worker * COUNTERS,
  skbs,
  drop,
  consume,
  time,
  errqueue,
  filter,
  timestamp,
  sockEvents,
  pktoptions: createTcpPktoptions({ arena, afOps, cmsg }),
  tstamp: createTcpTstamp({ i32: arena.i32, errqueue, sockEvents }),
  cong: createTcpCong({
    i32: arena.i32,
    time,
    random,
    sysctl: arena.layout.sysctl,
    controls: congestion,
  }),
})
export type Base = ReturnType<typeof createBase>

/** Where the sockets of the worker are, and what tells them apart. */
export const createTables = (
  { arena, i32, sysctl }: Base,
  { slab, random, owned, secret }: TcpDeps
) => {
  /** Where unbound listeners hear VRFs, all domains are one (inet_sk_bound_l3mdev). */
  const domainOf = (sk: number): number =>
    i32[sysctl + Sysctl.tcp_l3mdev_accept] !== 0 ? 0 : l3mdevOf(arena, i32[sk + SK_BOUND_DEV])
  return {
    slab,
    hash: createTcpHash(arena, log2(roundUpPowerOfTwo(slab.rows)), random(), owned),
    ports: createPorts(arena, domainOf),
    secure: createSecureSeq(secret),
  }
}
export type Tables = ReturnType<typeof createTables>
