/** Links in the words of `ip link`. */
import type { LinkStats, QdiscStats } from '../../rtnetlink.ts'

/** netem's words: percentages, times in microseconds, packets. */
export type Impairment = {
  loss?: number
  duplicate?: number
  reorder?: number
  corrupt?: number
  delay?: number
  jitter?: number
  limit?: number
}
export type QdiscSpec = { dev: string; kind: string; options?: Impairment }
export type LinkSpec = {
  ifname: string
  /** The number that a new one is to have. */
  ifindex?: number
  /** info_kind: needed to create. */
  kind?: string
  mtu?: number
  address?: string
  txqlen?: number
  up?: boolean
  promisc?: boolean
  allmulticast?: boolean
  arp?: boolean
  /** Rename to. */
  newname?: string
  /** The device to enslave it to; null: to none. */
  master?: string | null
  /** The network namespace that it is to be in. */
  netns?: string
  num_tx_queues?: number
  num_rx_queues?: number
  netem?: Impairment
  /** What the kind's driver takes: info_data. */
  data?: Record<string, unknown>
}
export type LinkItem = {
  ifindex: number
  ifname: string
  flags: string[]
  mtu: number
  min_mtu: number
  max_mtu: number
  qdisc: string
  /** The device that it is enslaved to. */
  master?: string
  operstate: string
  carrier_changes: number
  linkmode: string
  group: string
  txqlen: number
  link_type: string
  address: string
  broadcast: string
  promiscuity: number
  allmulti: number
  num_tx_queues: number
  num_rx_queues: number
  inet6_addr_gen_mode: string
  gso_max_size: number
  gso_max_segs: number
  tso_max_size: number
  tso_max_segs: number
  gro_max_size: number
  /** Name of a veth's peer, and where that is in another network namespace its number there and of the namespace here. */
  link?: string
  link_index?: number
  link_netnsid?: number
  /** That namespace's name; the daemon's own has none. */
  link_netns?: string
  linkinfo?: {
    info_kind: string
    info_data?: Record<string, unknown>
    info_xstats?: Record<string, unknown>
    info_slave_kind?: string
    info_slave_data?: Record<string, unknown>
  }
  netem?: Impairment
  /** Of netem. */
  qdisc_stats?: QdiscStats
  stats64: LinkStats
}
