/** What is asked of nexthop objects and of the buckets of groups. */

export type NexthopFilter = {
  /** 0 is every family; groups are of none. */
  family: number
  id?: number
  dev?: number
  groups?: boolean
  protocol?: number
}
/** Of buckets: those of a group, or of a member or its device. */
export type BucketFilter = { family: number; id?: number; dev?: number; nhid?: number }
