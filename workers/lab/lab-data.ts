/** What the lab thread is started with: which hosts are on which of the router's ports. */
import type { ThreadData } from '../thread-data.ts'

export type HostSpec = {
  name: string
  mac: string
  /** ADDR/LEN */
  address: string
  gateway: string
}
export type LanSpec = { port: number; hosts: HostSpec[] }
export type LabData = ThreadData & {
  lans: LanSpec[]
  /** Module that exports createHostApp, the hosts' web server. */
  hostApp: string
  /** Module that exports createHostApi. */
  hostApi: string
  /** Makes the hosts talk to each other. */
  traffic: boolean
}
