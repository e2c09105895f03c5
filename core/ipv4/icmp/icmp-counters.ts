/**
 * The counters of ICMP's types (icmp_statistics), and how far they go.
 */
import { Mib } from '../../shm/counters.ts'
import * as icmp from '../../wire/icmp.ts'

/** Highest type that Linux knows (NR_ICMP_TYPES). */
export const LAST_TYPE = 18

/** Counters by type; 0 is none. */
export const IN_COUNTERS = new Int32Array(256)
export const OUT_COUNTERS = new Int32Array(256)
const counted: [type: number, into: number, out: number][] = [
  [icmp.ICMP_ECHOREPLY, Mib.IcmpInEchoReps, Mib.IcmpOutEchoReps],
  [icmp.ICMP_DEST_UNREACH, Mib.IcmpInDestUnreachs, Mib.IcmpOutDestUnreachs],
  [icmp.ICMP_SOURCE_QUENCH, Mib.IcmpInSrcQuenchs, Mib.IcmpOutSrcQuenchs],
  [icmp.ICMP_REDIRECT, Mib.IcmpInRedirects, Mib.IcmpOutRedirects],
  [icmp.ICMP_ECHO, Mib.IcmpInEchos, Mib.IcmpOutEchos],
  [icmp.ICMP_TIME_EXCEEDED, Mib.IcmpInTimeExcds, Mib.IcmpOutTimeExcds],
  [icmp.ICMP_PARAMETERPROB, Mib.IcmpInParmProbs, Mib.IcmpOutParmProbs],
  [icmp.ICMP_TIMESTAMP, Mib.IcmpInTimestamps, Mib.IcmpOutTimestamps],
  [icmp.ICMP_TIMESTAMPREPLY, Mib.IcmpInTimestampReps, Mib.IcmpOutTimestampReps],
  [icmp.ICMP_ADDRESS, Mib.IcmpInAddrMasks, Mib.IcmpOutAddrMasks],
  [icmp.ICMP_ADDRESSREPLY, Mib.IcmpInAddrMaskReps, Mib.IcmpOutAddrMaskReps],
]
for (const [type, into, out] of counted) {
  IN_COUNTERS[type] = into
  OUT_COUNTERS[type] = out
}
