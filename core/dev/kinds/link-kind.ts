/**
 * What a kind of link is: one object with two halves. Control's half makes and ends its devices and says how they are;
 * the path's half sends, on each thread that runs a stack, and for some kinds reads, on the nic thread. Soft kinds are the
 * files beside this one (kinds.ts lists them), those of the operating system are in workers/devices/.
 * Linux: rtnl_link_ops (include/net/rtnetlink.h) and net_device_ops.
 */
import type { LinkChange, OtherEnd } from '../../control/rtnetlink.ts'
import type { DeviceFailed } from '../../netdev/device-failed.ts'
import type { StartXmit } from '../../netdev/netdev.ts'
import type { Machine } from '../../stack/machine.ts'
import type { IpiSystem } from '../../shm/ipi.ts'
import type { Arena } from '../../shm/arena.ts'
import type { DropFn } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'

export type LinkKind<Name extends string = string> = {
  /** IFLA_INFO_KIND, as in `ip link add ... type NAME`. */
  readonly name: Name
  /** What may stand in `data`: what it takes, and what it shows itself, which may be given back. */
  readonly data: readonly string[]
  /** Which of them names the second device that is made with the first, and goes with it. */
  readonly pair?: string
  /** Devices of this kind that are there, and up, from the start; no other can be made, and none deleted. */
  readonly boot?: readonly string[]
  /** dev->min_mtu, where it is not the least that IPv4 speaks by. */
  readonly minMtu?: number
  /** dev->max_mtu, where it is not an IP packet's. */
  readonly maxMtu?: number
  /** Control's half; made once, with the control plane. */
  readonly linkOps: (env: KindEnv) => LinkOps
} & PathKind

/** The half that a stack needs. */
export type PathKind = {
  readonly name: string
  /** ndo_start_xmit of its devices, for one stack. */
  readonly startXmit: (env: XmitEnv) => StartXmit
  /** Reads its devices on a nic thread, where no descriptor of the system tells of frames. */
  readonly receive?: (env: ReceiveEnv) => KindReceive
}

/** What control gives its half of a kind. */
export type KindEnv = {
  arena: Arena
  /** Has that thread come to its end? */
  hasEnded: (thread: number) => boolean
  isUp: (ifindex: number) => boolean
  /** What is wrong with a name for a new device; `field` is where it was given. */
  checkName: (name: string, field: string) => LinkRefusal | undefined
  /** The first of stem0, stem1 ... that no device has. */
  freeName: (stem: string) => string
  nameOf: (ifindex: number) => string
  /** Numbers of ports, for all kinds that have some. */
  ports: PortNumbers
  /** The two devices of a pair are each by itself from now on. */
  part: (ifindex: number) => void
  /** Two devices are a pair from now on: neither is without the other. */
  pair: (ifindex: number, other: number) => void
  /** The row of a second device of this kind, by its ifindex: it appears with the first. 0: there is none left. */
  reserve: (name: string) => number
  /** The row of a device that is the L3 master of others is filled: its table, and the rule that leads there (VRFs). */
  l3MasterMade: (ifindex: number) => void
}

/** Where a device is made: its row has what every Ethernet device of 1500 bytes starts with. */
export type NewLink = { ifindex: number; row: number; spec: LinkChange }

/** Control's half of a kind; its functions may take their time. */
export type LinkOps = {
  /**
   * Makes the device and fills its row: features, queues, descriptors, and what differs from an Ethernet device of 1500
   * bytes. A refusal leaves nothing behind. `data` is the link's info_data, `second` the other device of a pair.
   */
  newlink(link: NewLink): LinkAnswer | Promise<LinkAnswer>
  /** Closes it; no thread uses it any more. */
  dellink(ifindex: number): void | Promise<void>
  /** What else is wrong with a change, of a device that is there. */
  validate?(change: LinkChange): LinkRefusal | undefined
  /** Why a device may not be enslaved to one of this kind; a kind without it is nobody's master. */
  slaveFault?(slave: number): LinkRefusal | undefined
  /** MTU, MAC, name, flags or channels have changed. */
  changed?(ifindex: number): void | Promise<void>
  /**
   * How the other side of the device is now. Asked ten times a second, so it is one look that never waits. A kind
   * without it always has carrier.
   */
  carrier?(ifindex: number): Carrier
  /** A thread met an errno on the device after which it is of no use to that thread, and has let it go. */
  failed?(ifindex: number, errno: number): void
  /** The other end of the device where that is in another net. */
  otherEnd?(ifindex: number): OtherEnd | undefined
  /**
   * Makes it in another net, in the place of this one, which goes away behind it; `isHere`: that net is this one. A kind without it
   * stays where it is.
   */
  move?(ifindex: number, to: Moved): Promise<MoveAnswer>
  /** What else there is to say of the device: info_xstats. */
  xstats?(ifindex: number): Record<string, unknown> | undefined
}
/**
 * `unknown` is a device without another side to ask, which sends all the same; `lowerlayerdown` one that waits for another
 * device here; `gone` does not come back: the link has to be made again.
 */
export type Carrier = 'up' | 'unknown' | 'down' | 'lowerlayerdown' | 'gone'
/** In the kernel's words (`extack`), or in those of who refused. */
export type LinkRefusal = {
  error: number
  extack?: string | null
  message?: string
  field?: string
}
export type MoveAnswer = LinkRefusal | { error: 0; isHere?: true }
export type LinkAnswer =
  | LinkRefusal
  | {
      error: 0
      data?: Record<string, unknown>
      second?: number
      /** What was said of that. */
      secondChange?: LinkChange
    }
/** Who has which port (ports.ts). */
export type PortNumbers = {
  /** The first that nobody has, with its rings; -1 when there is none left. */
  take: () => number
  release: (port: number) => void
  /** The device has it from now on. */
  fill: (row: number, port: number, peer: number) => void
}
/** What of a device goes along into another net, in words. */
type Moved = { netns: string; name: string; address: string; mtu: number }

/** What a stack gives the transmit half of a kind. */
export type XmitEnv = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  deviceFailed: DeviceFailed
  /** Registers what a driver that gathers frames does when a batch ends; returns how many frames it gave back. */
  onBatchEnd: (end: () => number) => void
  /** Gives back a frame that was taken and has found no room: the last of several first. */
  requeue: (skb: number) => void
} & Pick<Machine, 'steerSkb' | 'enqueueSteered' | 'backlog'> &
  Pick<IpiSystem, 'kick'>

export type ReceiveEnv = { arena: Arena; skbs: Skbs }
/** The devices of one kind as a nic thread reads them. */
export type KindReceive = {
  /** `rows` are those that are up and not gone: what to read from now on. */
  refresh(rows: readonly number[]): void
  /** Reads up to `budget` frames of each device; returns how many. */
  receive(budget: number, deliver: (skb: number) => void): number
  /** Is there anything to read now? Asked before the thread sleeps. */
  pending(): boolean
}
