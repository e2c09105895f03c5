/**
 * Counter banks: COUNTERS float64 words a thread, written by that thread alone and read by anyone at any
 * time. An aligned float64 store is one store, so a reader never sees half a number; counters synchronise
 * nothing, so nothing more is needed. Exact to 2^53.
 *
 * Names are those of /proc/net/snmp, /proc/net/netstat and nstat: group and name run together. Where a counter lies in
 * the bank follows from its place in the lists below, which is also the order in which /proc shows them: to add one is
 * to write its name where Linux has it. A bank is: a word for none, SNMP and LINUX_MIB, softnet, and at its end the
 * drop reasons (skb/drop.ts).
 */
import type { Arena } from './arena.ts'
import { COUNTERS, DROP_REASONS, MAX_WORKERS } from './layout.ts'
import { SENDER_COUNTERS, WORKER_COUNTERS } from './softnet-stat.ts'

const MIB_GROUPS = {
  Ip: [
    'InReceives',
    'InHdrErrors',
    'InAddrErrors',
    'ForwDatagrams',
    'InUnknownProtos',
    'InDiscards',
    'InDelivers',
    'OutRequests',
    'OutDiscards',
    'OutNoRoutes',
    'ReasmTimeout',
    'ReasmReqds',
    'ReasmOKs',
    'ReasmFails',
    'FragOKs',
    'FragFails',
    'FragCreates',
    'OutTransmits',
  ],
  Icmp: [
    'InMsgs',
    'InErrors',
    'InCsumErrors',
    'InDestUnreachs',
    'InTimeExcds',
    'InParmProbs',
    'InSrcQuenchs',
    'InRedirects',
    'InEchos',
    'InEchoReps',
    'InTimestamps',
    'InTimestampReps',
    'InAddrMasks',
    'InAddrMaskReps',
    'OutMsgs',
    'OutErrors',
    'OutRateLimitGlobal',
    'OutRateLimitHost',
    'OutDestUnreachs',
    'OutTimeExcds',
    'OutParmProbs',
    'OutSrcQuenchs',
    'OutRedirects',
    'OutEchos',
    'OutEchoReps',
    'OutTimestamps',
    'OutTimestampReps',
    'OutAddrMasks',
    'OutAddrMaskReps',
  ],
  Tcp: [
    'ActiveOpens',
    'PassiveOpens',
    'AttemptFails',
    'EstabResets',
    'CurrEstab',
    'InSegs',
    'OutSegs',
    'RetransSegs',
    'InErrs',
    'OutRsts',
    'InCsumErrors',
  ],
  Udp: [
    'InDatagrams',
    'NoPorts',
    'InErrors',
    'OutDatagrams',
    'RcvbufErrors',
    'SndbufErrors',
    'InCsumErrors',
    'IgnoredMulti',
    'MemErrors',
  ],
  TcpExt: [
    'SyncookiesSent',
    'SyncookiesRecv',
    'SyncookiesFailed',
    'EmbryonicRsts',
    'PruneCalled',
    'RcvPruned',
    'OfoPruned',
    'OutOfWindowIcmps',
    'TW',
    'TWRecycled',
    'TWKilled',
    'PAWSActive',
    'PAWSEstab',
    'TSEcrRejected',
    'PAWSOldAck',
    'DelayedACKs',
    'DelayedACKLost',
    'ListenOverflows',
    'ListenDrops',
    'TCPHPHits',
    'TCPPureAcks',
    'TCPHPAcks',
    'TCPRenoRecovery',
    'TCPSackRecovery',
    'TCPSACKReneging',
    'TCPSACKReorder',
    'TCPRenoReorder',
    'TCPTSReorder',
    'TCPFullUndo',
    'TCPPartialUndo',
    'TCPDSACKUndo',
    'TCPLossUndo',
    'TCPLostRetransmit',
    'TCPRenoFailures',
    'TCPSackFailures',
    'TCPLossFailures',
    'TCPFastRetrans',
    'TCPSlowStartRetrans',
    'TCPTimeouts',
    'TCPLossProbes',
    'TCPLossProbeRecovery',
    'TCPRenoRecoveryFail',
    'TCPSackRecoveryFail',
    'TCPRcvCollapsed',
    'TCPDSACKOldSent',
    'TCPDSACKOfoSent',
    'TCPDSACKRecv',
    'TCPDSACKOfoRecv',
    'TCPAbortOnData',
    'TCPAbortOnClose',
    'TCPAbortOnMemory',
    'TCPAbortOnTimeout',
    'TCPAbortOnLinger',
    'TCPAbortFailed',
    'TCPSpuriousRTOs',
    'TCPMD5NotFound',
    'TCPMD5Unexpected',
    'TCPMD5Failure',
    'TCPMinTTLDrop',
    'TCPDeferAcceptDrop',
    'IPReversePathFilter',
    'TCPTimeWaitOverflow',
    'TCPReqQFullDoCookies',
    'TCPReqQFullDrop',
    'TCPRetransFail',
    'TCPRcvCoalesce',
    'TCPOFOQueue',
    'TCPOFODrop',
    'TCPOFOMerge',
    'TCPChallengeACK',
    'TCPSYNChallenge',
    'TCPFastOpenActive',
    'TCPFastOpenActiveFail',
    'TCPFastOpenPassive',
    'TCPFastOpenPassiveFail',
    'TCPFastOpenListenOverflow',
    'TCPFastOpenCookieReqd',
    'TCPFastOpenBlackhole',
    'TCPAutoCorking',
    'TCPFromZeroWindowAdv',
    'TCPToZeroWindowAdv',
    'TCPWantZeroWindowAdv',
    'TCPSynRetrans',
    'TCPOrigDataSent',
    'TCPACKSkippedSynRecv',
    'TCPACKSkippedPAWS',
    'TCPACKSkippedSeq',
    'TCPACKSkippedFinWait2',
    'TCPACKSkippedTimeWait',
    'TCPACKSkippedChallenge',
    'TCPWinProbe',
    'TCPKeepAlive',
    'TCPMTUPFail',
    'TCPMTUPSuccess',
    'TCPDelivered',
    'TCPDeliveredCE',
    'TCPZeroWindowDrop',
    'TCPRcvQDrop',
    'TCPFastOpenPassiveAltKey',
  ],
  IpExt: [
    'InNoRoutes',
    'InTruncatedPkts',
    'InMcastPkts',
    'OutMcastPkts',
    'InBcastPkts',
    'OutBcastPkts',
    'InOctets',
    'OutOctets',
    'InMcastOctets',
    'OutMcastOctets',
    'InBcastOctets',
    'OutBcastOctets',
    'InCsumErrors',
    'InNoECTPkts',
    'InECT1Pkts',
    'InECT0Pkts',
    'InCEPkts',
  ],
  Ip6: [
    'InReceives',
    'InHdrErrors',
    'InTooBigErrors',
    'InNoRoutes',
    'InAddrErrors',
    'InUnknownProtos',
    'InTruncatedPkts',
    'InDiscards',
    'InDelivers',
    'OutForwDatagrams',
    'OutRequests',
    'OutDiscards',
    'OutNoRoutes',
    'ReasmTimeout',
    'ReasmReqds',
    'ReasmOKs',
    'ReasmFails',
    'FragOKs',
    'FragFails',
    'FragCreates',
    'InMcastPkts',
    'OutMcastPkts',
    'InOctets',
    'OutOctets',
    'InMcastOctets',
    'OutMcastOctets',
    'InNoECTPkts',
    'InECT1Pkts',
    'InECT0Pkts',
    'InCEPkts',
    'OutTransmits',
  ],
  Icmp6: [
    'InMsgs',
    'InErrors',
    'OutMsgs',
    'OutErrors',
    'InCsumErrors',
    'OutRateLimitHost',
    'InDestUnreachs',
    'InPktTooBigs',
    'InTimeExcds',
    'InParmProblems',
    'InEchos',
    'InEchoReplies',
    'InGroupMembQueries',
    'InGroupMembResponses',
    'InGroupMembReductions',
    'InRouterSolicits',
    'InRouterAdvertisements',
    'InNeighborSolicits',
    'InNeighborAdvertisements',
    'InRedirects',
    'InMLDv2Reports',
    'OutDestUnreachs',
    'OutPktTooBigs',
    'OutTimeExcds',
    'OutParmProblems',
    'OutEchos',
    'OutEchoReplies',
    'OutGroupMembQueries',
    'OutGroupMembResponses',
    'OutGroupMembReductions',
    'OutRouterSolicits',
    'OutRouterAdvertisements',
    'OutNeighborSolicits',
    'OutNeighborAdvertisements',
    'OutRedirects',
    'OutMLDv2Reports',
  ],
  Udp6: [
    'InDatagrams',
    'NoPorts',
    'InErrors',
    'OutDatagrams',
    'RcvbufErrors',
    'SndbufErrors',
    'InCsumErrors',
    'IgnoredMulti',
    'MemErrors',
  ],
} as const

type Groups = Readonly<Record<string, readonly string[]>>
type NamesOf<G extends Groups> = { [P in keyof G & string]: `${P}${G[P][number]}` }[keyof G &
  string]

/** Numbers names in their order from `first` on, `step` apart. */
export const numbered = <Name extends string, Index extends number = number>(
  names: readonly Name[],
  first: number,
  step = 1
): Readonly<Record<Name, Index>> =>
  Object.fromEntries(names.map((name, k) => [name, first + k * step])) as Record<Name, Index>

/** Each group's names, the group's own in front. */
const joined = <G extends Groups>(groups: G): NamesOf<G>[] =>
  Object.entries(groups).flatMap(([group, names]) =>
    names.map((name) => `${group}${name}` as NamesOf<G>)
  )

const MIB_NAMES = joined(MIB_GROUPS)
const FIRST_MIB = 1
const FIRST_SOFTNET = FIRST_MIB + MIB_NAMES.length
const FIRST_PER_CPU = FIRST_SOFTNET + WORKER_COUNTERS.length
const END = FIRST_PER_CPU + SENDER_COUNTERS.length * MAX_WORKERS
if (END > COUNTERS - DROP_REASONS)
  throw new Error(`counters: ${END} and the drop reasons are more than a bank of ${COUNTERS}`)

/** SNMP and LINUX_MIB counters, by nstat's names, as indices into a bank. */
export const Mib = numbered(MIB_NAMES, FIRST_MIB)

/** What is counted of a worker (softnet-stat.ts); what its senders count of it is at `Softnet.name + cpu`. */
export const Softnet = {
  ...numbered(WORKER_COUNTERS, FIRST_SOFTNET),
  ...numbered(SENDER_COUNTERS, FIRST_PER_CPU, MAX_WORKERS),
}

/** First word of thread's bank in the f64 view. */
export const counterBank = (arena: Arena, thread: number): number =>
  arena.layout.countersF64 + thread * COUNTERS

/** The sum of one counter over all threads. */
export const sumCounter = (arena: Arena, index: number): number => {
  let sum = 0
  for (let t = 0; t < arena.layout.threads; t++) sum += arena.f64[counterBank(arena, t) + index]
  return sum
}
