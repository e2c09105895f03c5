/**
 * Our own broadcasts, and multicasts to groups of the device, are heard here too: a copy goes back in at the frame layer. Called
 * by ip-output.ts for what goes to many, on the worker that sends. Linux: ip_mc_output, ip_mc_finish_output.
 */
import { V4_MAPPED } from '../base/family.ts'
import { FL_DADDR, FL_SADDR, RTN_BROADCAST, createFlowi } from '../base/flowi.ts'
import type { EtherOutput } from '../dev/ether-output.ts'
import {
  IPCB_FLAGS,
  IPCB_TYPE,
  IPSKB_FORWARDED,
  IPSKB_MCLOOP,
  IPSKB_NO_LOOP,
} from '../inet/inet-constants.ts'
import { createMcTable } from '../inet/mc/mc-table.ts'
import { MC_ROLE_NONE } from '../inet/mc/mfc-constants.ts'
import { DEV_FLAGS, DEV_MC_ROLE4, IFF_LOOPBACK } from '../netdev/netdev.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { NF_INET_POST_ROUTING, NF_PASSED } from '../netfilter/nf-constants.ts'
import type { Arena } from '../shm/arena.ts'
import { DEVICE_WORDS } from '../shm/layout.ts'
import { Drop, type DropFn } from '../skb/drop.ts'
import { PACKET_LOOPBACK, RX_HEADROOM, SKB_DEV, SKB_NETWORK, SKB_PKT_TYPE } from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import type { Machine } from '../stack/machine.ts'
import { ETH_P_IP } from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'

export type IpMcOutput = ReturnType<typeof createIpMcOutput>
type IpMcOutputDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  nf: NfHooks
} & Pick<EtherOutput, 'ethHeaderSelf'> &
  Pick<Machine, 'netifRx'>

export const createIpMcOutput = (deps: IpMcOutputDeps) => {
  const { arena, skbs, drop, nf, ethHeaderSelf, netifRx } = deps
  const { i32, u8, layout } = arena
  const { devices } = layout
  const flow = createFlowi()
  const { checkMc } = createMcTable(arena)

  /**
   * Our own broadcasts, and multicasts to groups of the device, are heard here too (ip_mc_output). False when the packet
   * was not to leave at all: a TTL of 0 keeps a multicast on this host.
   */
  const loopGroup = (skb: number): boolean => {
    const dev = i32[skb + SKB_DEV]
    if ((i32[devices + dev * DEVICE_WORDS + DEV_FLAGS] & IFF_LOOPBACK) !== 0) return true
    if ((i32[skb + IPCB_FLAGS] & (IPSKB_FORWARDED | IPSKB_NO_LOOP)) === 0 && isHeard(skb, dev)) {
      const twin = skbs.copy(skb, RX_HEADROOM)
      if (twin !== 0) {
        i32[twin + IPCB_FLAGS] |= IPSKB_MCLOOP
        if (nf.run(NF_INET_POST_ROUTING, twin, 0, dev) === NF_PASSED) loopFinish(twin)
      }
    }
    if (ipv4.ttl(u8, i32[skb + SKB_NETWORK]) !== 0) return true
    drop(skb, Drop.TTL_EXCEEDED)
    return false
  }

  const isHeard = (skb: number, dev: number): boolean => {
    if (i32[skb + IPCB_TYPE] === RTN_BROADCAST) return true
    const at = i32[skb + SKB_NETWORK]
    flow[FL_SADDR] = flow[FL_SADDR + 1] = flow[FL_DADDR] = flow[FL_DADDR + 1] = 0
    flow[FL_SADDR + 2] = flow[FL_DADDR + 2] = V4_MAPPED
    flow[FL_SADDR + 3] = ipv4.src(u8, at)
    flow[FL_DADDR + 3] = ipv4.dst(u8, at)
    if (checkMc(dev, flow, FL_DADDR, flow, FL_SADDR)) return true
    // ... and what passes on from here: the copy goes to ip_mr_input
    return i32[devices + dev * DEVICE_WORDS + DEV_MC_ROLE4] !== MC_ROLE_NONE
  }

  /** The copy behind POST_ROUTING: received again, but not routed: its source, our own address, would be a martian. */
  const loopFinish = (twin: number): void => {
    if (!ethHeaderSelf(twin, i32[twin + SKB_DEV], ETH_P_IP)) return drop(twin, Drop.NOMEM)
    i32[twin + SKB_PKT_TYPE] = PACKET_LOOPBACK
    netifRx(twin)
  }

  return { loopGroup, loopFinish }
}
