/** Packets that died unused, as dropwatch tells of them. */

type Dropped = {
  count: number
  /** Of each worker; nic threads drop too. */
  worker: number[]
}
export type DropItem = Dropped & {
  reason: string
  /** The part of a packet's way. */
  place: string
  /** Those where packets were then; one may have none, or one that is gone. */
  devices: (Dropped & { dev: string })[]
}
