/**
 * Counter banks: COUNTERS float64 words a thread, written by that thread alone and read by anyone at any
 * time. An aligned float64 store is one store, so a reader never sees half a number; counters synchronise
 * nothing, so nothing more is needed. Exact to 2^53.
 *
 * Names are those of /proc/net/snmp, /proc/net/netstat and nstat: group and name run together.
 */
import type { Arena } from './arena.ts'
import { COUNTERS } from './layout.ts'

/** SNMP and LINUX_MIB counters, by nstat's names, as indices into a bank. */
export const Mib = {
  IpInReceives: 1, IpInHdrErrors: 2, IpInAddrErrors: 3, IpForwDatagrams: 4, IpInUnknownProtos: 5,
  IpInDiscards: 6, IpInDelivers: 7, IpOutRequests: 8, IpOutDiscards: 9, IpOutNoRoutes: 10,
  IpReasmTimeout: 11, IpReasmReqds: 12, IpReasmOKs: 13, IpReasmFails: 14, IpFragOKs: 15, IpFragFails: 16,
  IpFragCreates: 17, IpOutTransmits: 18,
  IcmpInMsgs: 20, IcmpInErrors: 21, IcmpInCsumErrors: 22, IcmpInDestUnreachs: 23, IcmpInTimeExcds: 24,
  IcmpInParmProbs: 25, IcmpInSrcQuenchs: 26, IcmpInRedirects: 27, IcmpInEchos: 28, IcmpInEchoReps: 29,
  IcmpInTimestamps: 30, IcmpInTimestampReps: 31, IcmpInAddrMasks: 32, IcmpInAddrMaskReps: 33,
  IcmpOutMsgs: 34, IcmpOutErrors: 35, IcmpOutRateLimitGlobal: 36, IcmpOutRateLimitHost: 37,
  IcmpOutDestUnreachs: 38, IcmpOutTimeExcds: 39, IcmpOutParmProbs: 40, IcmpOutSrcQuenchs: 41,
  IcmpOutRedirects: 42, IcmpOutEchos: 43, IcmpOutEchoReps: 44, IcmpOutTimestamps: 45,
  IcmpOutTimestampReps: 46, IcmpOutAddrMasks: 47, IcmpOutAddrMaskReps: 48,
  TcpActiveOpens: 50, TcpPassiveOpens: 51, TcpAttemptFails: 52, TcpEstabResets: 53, TcpCurrEstab: 54,
  TcpInSegs: 55, TcpOutSegs: 56, TcpRetransSegs: 57, TcpInErrs: 58, TcpOutRsts: 59, TcpInCsumErrors: 60,
  UdpInDatagrams: 65, UdpNoPorts: 66, UdpInErrors: 67, UdpOutDatagrams: 68, UdpRcvbufErrors: 69,
  UdpSndbufErrors: 70, UdpInCsumErrors: 71, UdpIgnoredMulti: 72, UdpMemErrors: 73,
  Ip6InReceives: 80, Ip6InHdrErrors: 81, Ip6InTooBigErrors: 82, Ip6InNoRoutes: 83, Ip6InAddrErrors: 84,
  Ip6InUnknownProtos: 85, Ip6InTruncatedPkts: 86, Ip6InDiscards: 87, Ip6InDelivers: 88,
  Ip6OutForwDatagrams: 89, Ip6OutRequests: 90, Ip6OutDiscards: 91, Ip6OutNoRoutes: 92,
  Ip6ReasmTimeout: 93, Ip6ReasmReqds: 94, Ip6ReasmOKs: 95, Ip6ReasmFails: 96, Ip6FragOKs: 97,
  Ip6FragFails: 98, Ip6FragCreates: 99,
  TcpExtSyncookiesSent: 120, TcpExtSyncookiesRecv: 121, TcpExtSyncookiesFailed: 122, TcpExtEmbryonicRsts: 123,
  TcpExtPruneCalled: 124, TcpExtRcvPruned: 125, TcpExtOfoPruned: 126, TcpExtOutOfWindowIcmps: 127,
  TcpExtLockDroppedIcmps: 128, TcpExtTW: 130, TcpExtTWRecycled: 131, TcpExtTWKilled: 132,
  TcpExtPAWSActive: 133, TcpExtPAWSEstab: 134, TcpExtDelayedACKs: 135, TcpExtDelayedACKLocked: 136,
  TcpExtDelayedACKLost: 137, TcpExtListenOverflows: 138, TcpExtListenDrops: 139, TcpExtTCPHPHits: 140,
  TcpExtTCPPureAcks: 141, TcpExtTCPHPAcks: 142, TcpExtTCPRenoRecovery: 143, TcpExtTCPSackRecovery: 144,
  TcpExtTCPSACKReneging: 145, TcpExtTCPSACKReorder: 146, TcpExtTCPRenoReorder: 147, TcpExtTCPTSReorder: 148,
  TcpExtTCPFullUndo: 149, TcpExtTCPPartialUndo: 150, TcpExtTCPDSACKUndo: 151, TcpExtTCPLossUndo: 152,
  TcpExtTCPLostRetransmit: 153, TcpExtTCPRenoFailures: 154, TcpExtTCPSackFailures: 155,
  TcpExtTCPLossFailures: 156, TcpExtTCPFastRetrans: 157, TcpExtTCPSlowStartRetrans: 158,
  TcpExtTCPTimeouts: 159, TcpExtTCPLossProbes: 160, TcpExtTCPLossProbeRecovery: 161,
  TcpExtTCPRenoRecoveryFail: 162, TcpExtTCPSackRecoveryFail: 163, TcpExtTCPRcvCollapsed: 164,
  TcpExtTCPDSACKOldSent: 165, TcpExtTCPDSACKOfoSent: 166, TcpExtTCPDSACKRecv: 167, TcpExtTCPDSACKOfoRecv: 168,
  TcpExtTCPAbortOnData: 169, TcpExtTCPAbortOnClose: 170, TcpExtTCPAbortOnMemory: 171,
  TcpExtTCPAbortOnTimeout: 172, TcpExtTCPAbortOnLinger: 173, TcpExtTCPAbortFailed: 174,
  TcpExtTCPMemoryPressures: 175, TcpExtTCPBacklogDrop: 176, TcpExtTCPTimeWaitOverflow: 177,
  TcpExtTCPReqQFullDoCookies: 178, TcpExtTCPReqQFullDrop: 179, TcpExtTCPRetransFail: 180,
  TcpExtTCPRcvCoalesce: 181, TcpExtTCPOFOQueue: 182, TcpExtTCPOFODrop: 183, TcpExtTCPOFOMerge: 184,
  TcpExtTCPChallengeACK: 185, TcpExtTCPSYNChallenge: 186, TcpExtTCPSpuriousRtxHostQueues: 187,
  TcpExtTCPAutoCorking: 188, TcpExtTCPFromZeroWindowAdv: 189, TcpExtTCPToZeroWindowAdv: 190,
  TcpExtTCPWantZeroWindowAdv: 191, TcpExtTCPSynRetrans: 192, TcpExtTCPOrigDataSent: 193,
  TcpExtTCPHystartTrainDetect: 194, TcpExtTCPHystartDelayDetect: 195, TcpExtTCPACKSkippedSynRecv: 196,
  TcpExtTCPACKSkippedPAWS: 197, TcpExtTCPACKSkippedSeq: 198, TcpExtTCPACKSkippedFinWait2: 199,
  TcpExtTCPACKSkippedTimeWait: 200, TcpExtTCPACKSkippedChallenge: 201, TcpExtTCPWinProbe: 202,
  TcpExtTCPKeepAlive: 203, TcpExtTCPMTUPFail: 204, TcpExtTCPMTUPSuccess: 205, TcpExtTCPDelivered: 206,
  TcpExtTCPDeliveredCE: 207, TcpExtTCPAckCompressed: 208, TcpExtTCPZeroWindowDrop: 209,
  TcpExtTCPRcvQDrop: 210, TcpExtIPReversePathFilter: 211,
  IpExtInNoRoutes: 220, IpExtInTruncatedPkts: 221, IpExtInMcastPkts: 222, IpExtOutMcastPkts: 223,
  IpExtInBcastPkts: 224, IpExtOutBcastPkts: 225, IpExtInOctets: 226, IpExtOutOctets: 227,
  IpExtInMcastOctets: 228, IpExtOutMcastOctets: 229, IpExtInBcastOctets: 230, IpExtOutBcastOctets: 231,
  IpExtInCsumErrors: 232, IpExtInNoECTPkts: 233, IpExtInECT1Pkts: 234, IpExtInECT0Pkts: 235, IpExtInCEPkts: 236,
} as const

/** /proc/net/softnet_stat's columns, and ours beside them. */
export const Softnet = {
  processed: 260, dropped: 261, time_squeeze: 262, received_rps: 263, flow_limit_count: 264,
  /** Calls of net_rx_action that found packets, and packets they took: vectors per call. */
  calls: 265, vectors: 266,
  /** Packets put on another worker's backlog. */
  steered: 267,
  /** neighbour table: allocs, lookups, hits, resolution failures (as /proc/net/stat/arp_cache). */
  neigh_allocs: 270, neigh_res_failed: 271, neigh_unres_discards: 272, neigh_table_fulls: 273,
  neigh_rcv_probes_mcast: 274, neigh_rcv_probes_ucast: 275,
  /** Sockets lost because their worker was restarted. */
  sockets_lost: 280, skbs_recovered: 281,
  /** Packets for CPU n that this thread dropped because its backlog was full, or by its flow limit: base + n. */
  dropped_for: 290, flow_limit_for: 322,
} as const

/** First word of thread's bank in the f64 view. */
export const counterBank = (arena: Arena, thread: number): number =>
  arena.layout.countersF64 + thread * COUNTERS

/** The sum of one counter over all threads. */
export const sumCounter = (arena: Arena, index: number): number => {
  let sum = 0
  for (let t = 0; t < arena.layout.threads; t++) sum += arena.f64[counterBank(arena, t) + index]!
  return sum
}
