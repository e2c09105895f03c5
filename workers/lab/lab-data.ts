/** What the lab thread is started with: which hosts are on which of the router's ports, and what they say to each other. */
import type { StackConfig } from '../../core/control/text/messages.ts'
import type { ThreadData } from '../thread-data.ts'

export type HostSpec = {
  name: string
  /** Its first link is the one on the segment. */
  config: StackConfig
}
export type LanSpec = {
  port: number
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
export type LabData = ThreadData & {
  lans: LanSpec[]
  traffic: readonly Traffic[]
  /** Module that exports createHostApp, the hosts' web server. */
  hostApp: string
  /** Module that exports createHostApi. */
  hostApi: string
}
