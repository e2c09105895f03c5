// What the daemon asks of a namespace holder, one JSON message each, and what it answers.
// Shared by netns.ts (asks, in the daemon) and netns-holder.ts (answers, inside the namespace).

import type { EthtoolFeature } from './ethtool.ts'
import type { LinkChange, Route } from './rtnetlink.ts'

type DeviceKind = 'tap' | 'packet'

export type Setup = {
  op: 'setup'
  /** 'auto' takes a TAP where /dev/net/tun can be opened, else a packet socket on a veth pair. */
  device: DeviceKind | 'auto' | 'none'
  ifname: string
  mac?: string | undefined
  mtu: number
  queues: number
  addresses: string[]
  routes: Route[]
  /** Text that stands in for /etc/resolv.conf inside the namespace. */
  resolvConf?: string | undefined
}

export type NamespaceRequest =
  | Setup
  | { op: 'sysctl'; name: string; value: string }
  | { op: 'link'; name: string; change: Omit<LinkChange, 'netnsFd'> }
  | { op: 'veth'; name: string; peer: string; peerNamespace: string }
  | { op: 'address'; name: string; address: string }
  | { op: 'route'; route: Route }
  | { op: 'feature'; name: string; feature: EthtoolFeature; on: boolean }

export type Device = {
  kind: DeviceKind
  ifname: string
  mac: string
  mtu: number
  vnetHdrLen: number
  /** Why a packet socket stands in for the TAP. */
  reason?: string
}

export type NamespaceReply =
  | { ok: true; device?: Device | undefined }
  | { ok: false; error: string }
