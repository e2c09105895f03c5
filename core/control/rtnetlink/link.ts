/** Links, what is to change of them, and what is told of them. Linux: include/uapi/linux/if_link.h. */
import type { Stats64 } from '../../netdev/netdev.ts'
import type { Mac } from '../../wire/text.ts'

export type QdiscStats = Record<'bytes' | 'packets' | 'drops' | 'backlog' | 'qlen', number>
/** netem's words as the row has them: parts per million, microseconds, packets. */
export type Netem = {
  loss: number
  duplicate: number
  reorder: number
  corrupt: number
  delay: number
  jitter: number
  limit: number
}
export type LinkChange = {
  ifname: string
  /** Of a new device, which else has the first that is free. */
  ifindex?: number
  /** IFLA_INFO_KIND: needed to create. */
  kind?: string
  mtu?: number
  mac?: Mac
  /** IFLA_NET_NS_*: the net that it is to be in, by its name there. */
  netns?: string
  txqlen?: number
  /** IFF_* of `change` that are to be on. */
  flags: number
  /** Which of IFF_UP, IFF_PROMISC, IFF_ALLMULTI, IFF_NOARP are to be as `flags` says. */
  change: number
  newname?: string
  /** Ifindex of the device that it is enslaved to; 0: of none. */
  master?: number
  /** All zero: not impaired. */
  netem?: Netem
  /** IFLA_INFO_DATA: what the kind's driver takes. */
  data?: Record<string, unknown>
}
/** What is counted of a device, and what ip prints all the same: a ring that overruns, a shared medium. */
export type LinkStats = {
  rx: Stats64<'rx'> & { over_errors: number }
  tx: Stats64<'tx'> & { collisions: number }
}
/**
 * The other end of a device where that is, or was, in another net; `nsid` is the number that its net has here (RTM_NEWNSID), null: it
 * has come to this one.
 */
export type OtherEnd = { ifindex: number; name: string; netns: string; nsid: number | null }
export type LinkInfo = {
  ifindex: number
  name: string
  kind: string
  data: Record<string, unknown> | undefined
  /** Where the other end is in another net. */
  otherEnd: OtherEnd | undefined
  /** IFLA_INFO_XSTATS: what else the driver has to say. */
  xstats: Record<string, unknown> | undefined
  /** ARPHRD_* */
  type: number
  flags: number
  mtu: number
  /** What it may be. */
  minMtu: number
  maxMtu: number
  operstate: number
  /** IFLA_CARRIER_CHANGES */
  carrierChanges: number
  txqlen: number
  mac: Mac
  promiscuity: number
  allmulti: number
  txQueues: number
  rxQueues: number
  gsoMax: number
  /** addr_gen_mode: 0 by the MAC, 1 none, 2 and 3 by a secret. */
  addrGenMode: number
  /** Ifindex of a veth's other end, or 0. */
  peer: number
  /** Ifindex of what it is enslaved to, or 0; and the table of the VRF that it is, or is in, or 0. */
  master: number
  masterKind: string
  l3Table: number
  /** False: it has never been up, and has no queueing discipline. */
  isActivated: boolean
  /** Null: not impaired. */
  netem: Netem | null
  /** What netem has sent and thrown away since it is there, and what waits in it. */
  qdiscStats: QdiscStats
  stats: LinkStats
}
export type LinkFilter = { ifindex?: number; kind?: string; isUp?: boolean; master?: number }
