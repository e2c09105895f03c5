/** Nexthop objects and resilient groups' buckets in the words of `ip nexthop`. */
import type { FamilyName } from './family.ts'

export type NexthopMember = {
  id: number
  /** 1 to 256; 1 when not given. */
  weight?: number
}
/** Timers in seconds. A new group says how many buckets it has; what is left out is as it was, or as Linux has it. */
export type ResilientSpec = { buckets?: number; idle_timer?: number; unbalanced_timer?: number }
/** What names and describes a nexthop object: a next hop, a blackhole, or a group of others. */
export type NexthopObjectSpec = {
  /** The next that is free, when not given. */
  id?: number
  /** Of one that names no gateway. */
  family?: FamilyName
  gateway?: string
  dev?: string
  /** 'onlink' */
  flags?: string[]
  blackhole?: null | boolean
  group?: NexthopMember[]
  /** Of a group. */
  type?: 'mpath' | 'resilient'
  /** Of a resilient one. */
  resilient_args?: ResilientSpec
  protocol?: string | number
}
/** As `ip -j -d nexthop` prints it, and its family. */
export type NexthopItem = {
  id: number
  group?: NexthopMember[]
  type?: 'resilient'
  /** With the seconds that it has been out of balance. */
  resilient_args?: Required<ResilientSpec> & { unbalanced_time: number }
  gateway?: string
  dev?: string
  scope: string
  blackhole?: null
  protocol: string
  flags: string[]
  /** Groups have none. */
  family?: FamilyName
}
export type NexthopFilter = {
  family?: FamilyName
  id?: number
  dev?: string
  groups?: boolean
  protocol?: string | number
}

/** A bucket of a resilient group: its member, and the seconds since something went that way. */
export type BucketItem = {
  id: number
  bucket: { index: number; idle_time: number; nhid: number }
  flags: string[]
}
export type BucketFilter = { family?: FamilyName; id?: number; dev?: string; nhid?: number }
