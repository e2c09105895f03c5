/** What a scene asks of the thread of the namespaces: which hosts are on which of the router's ports, and what they say to each other. */
import type { StackConfig } from '../../core/control/text/messages.ts'

type HostSpec = {
  name: string
  /** Its first link is the one on the LAN. */
  config: StackConfig
}
export type LanSpec = {
  port: number
  /** The router's device there. */
  near: { ifindex: number; name: string }
  /** The router's MAC address there. */
  mac: string
  hosts: HostSpec[]
}
/** `from` are names of hosts, `to` addresses. */
export type Traffic = { from: readonly string[]; every_ms: number } & (
  | { kind: 'datagrams'; to: readonly string[] }
  | { kind: 'downloads' | 'stream'; to: readonly string[]; bytes: number }
  | { kind: 'packets'; packet: string }
)
export type LabSpec = { lans: LanSpec[]; traffic: readonly Traffic[] }
