/**
 * Which counters a message of ICMPv6 raises by its type, on its way in and out: what icmpv6.ts sends and receives, and what
 * mld.ts sends. Linux: ICMP6MSGIN_INC_STATS, and snmp6's names of them (net/ipv6/proc.c).
 */
import { Mib } from '../../shm/counters.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import * as mld from '../../wire/mld.ts'

/** By the message's type; 0 is none. */
export const IN_COUNTERS = new Int32Array(256)
export const OUT_COUNTERS = new Int32Array(256)
const counted: [type: number, into: number, out: number][] = [
  [icmpv6.ICMPV6_DEST_UNREACH, Mib.Icmp6InDestUnreachs, Mib.Icmp6OutDestUnreachs],
  [icmpv6.ICMPV6_PKT_TOOBIG, Mib.Icmp6InPktTooBigs, Mib.Icmp6OutPktTooBigs],
  [icmpv6.ICMPV6_TIME_EXCEED, Mib.Icmp6InTimeExcds, Mib.Icmp6OutTimeExcds],
  [icmpv6.ICMPV6_PARAMPROB, Mib.Icmp6InParmProblems, Mib.Icmp6OutParmProblems],
  [icmpv6.ICMPV6_ECHO_REQUEST, Mib.Icmp6InEchos, Mib.Icmp6OutEchos],
  [icmpv6.ICMPV6_ECHO_REPLY, Mib.Icmp6InEchoReplies, Mib.Icmp6OutEchoReplies],
  [icmpv6.NDISC_ROUTER_SOLICITATION, Mib.Icmp6InRouterSolicits, Mib.Icmp6OutRouterSolicits],
  [
    icmpv6.NDISC_ROUTER_ADVERTISEMENT,
    Mib.Icmp6InRouterAdvertisements,
    Mib.Icmp6OutRouterAdvertisements,
  ],
  [icmpv6.NDISC_NEIGHBOUR_SOLICITATION, Mib.Icmp6InNeighborSolicits, Mib.Icmp6OutNeighborSolicits],
  [
    icmpv6.NDISC_NEIGHBOUR_ADVERTISEMENT,
    Mib.Icmp6InNeighborAdvertisements,
    Mib.Icmp6OutNeighborAdvertisements,
  ],
  [mld.MLD_QUERY, Mib.Icmp6InGroupMembQueries, Mib.Icmp6OutGroupMembQueries],
  [mld.MLD_REPORT, Mib.Icmp6InGroupMembResponses, Mib.Icmp6OutGroupMembResponses],
  [mld.MLD_DONE, Mib.Icmp6InGroupMembReductions, Mib.Icmp6OutGroupMembReductions],
  [mld.MLD2_REPORT, Mib.Icmp6InMLDv2Reports, Mib.Icmp6OutMLDv2Reports],
  [icmpv6.NDISC_REDIRECT, Mib.Icmp6InRedirects, Mib.Icmp6OutRedirects],
]
for (const [type, into, out] of counted) {
  IN_COUNTERS[type] = into
  OUT_COUNTERS[type] = out
}
