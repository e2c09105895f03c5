/**
 * ARP frames that go out, for who asks, answers and announces (arp.ts, acd.ts). On a worker. RFC 826, 5227 section 2; Linux:
 * arp_send() (net/ipv4/arp.c).
 */
import type { DevQueueXmit } from '../../dev/dev-queue-xmit.ts'
import type { EtherOutput } from '../../dev/ether-output.ts'
import { DEV_FLAGS, DEV_MAC, IFF_NOARP } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { DEVICE_WORDS } from '../../shm/layout.ts'
import type { DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { MAX_HEADER, SKB_DEV, SKB_NETWORK, SKB_PROTOCOL } from '../../skb/skb.ts'
import * as arp from '../../wire/arp.ts'
import * as ethernet from '../../wire/ethernet.ts'

type ArpSendDeps = { arena: Arena; skbs: Skbs; drop: DropFn } & Pick<EtherOutput, 'ethHeader'> &
  Pick<DevQueueXmit, 'devQueueXmit'>
export type ArpSend = ReturnType<typeof createArpSend>

export const createArpSend = (deps: ArpSendDeps) => {
  const { arena, skbs, drop, ethHeader, devQueueXmit } = deps
  const { i32, u8, layout } = arena
  const { devices } = layout

  const flagsOf = (dev: number): number => i32[devices + dev * DEVICE_WORDS + DEV_FLAGS]

  /** Sends an ARP frame by `dev` from its own MAC; the frame goes to (hi, lo), the target field says (thi, tlo). */
  const arpSend = (
    op: number,
    dev: number,
    sip: number,
    tip: number,
    hi: number,
    lo: number,
    thi: number,
    tlo: number
  ): void => {
    if ((flagsOf(dev) & IFF_NOARP) !== 0) return
    const skb = skbs.alloc(arp.MIN_HEADER, MAX_HEADER)
    if (skb === 0) return
    const own = (devices + dev * DEVICE_WORDS + DEV_MAC) << 2
    const at = skbs.put(skb, arp.MIN_HEADER)
    arp.init(u8, at, op)
    arp.setSender(u8, at, ethernet.macHi(u8, own), ethernet.macLo(u8, own), sip)
    arp.setTarget(u8, at, thi, tlo, tip)
    i32[skb + SKB_DEV] = dev
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_PROTOCOL] = ethernet.ETH_P_ARP
    if (!ethHeader(skb, dev, hi, lo, ethernet.ETH_P_ARP)) return drop(skb, Drop.NOMEM)
    devQueueXmit(skb)
  }
  /** Says to all that the address is ours, or asks whose it is as who has none (RFC 5227 sections 2.3 and 2.1.1). */
  const arpAnnounce = (dev: number, addr: number): void =>
    arpSend(arp.ARPOP_REQUEST, dev, addr, addr, 0xffff, -1, 0, 0)
  const arpProbe = (dev: number, addr: number): void =>
    arpSend(arp.ARPOP_REQUEST, dev, 0, addr, 0xffff, -1, 0, 0)
  /** Is it the link address of any of our devices? */
  const isOwnMac = (hi: number, lo: number): boolean => {
    for (let dev = 1; dev < layout.config.devices; dev++) if (hasMac(dev, hi, lo)) return true
    return false
  }
  const hasMac = (dev: number, hi: number, lo: number): boolean => {
    const own = (devices + dev * DEVICE_WORDS + DEV_MAC) << 2
    return ethernet.macHi(u8, own) === hi && ethernet.macLo(u8, own) === lo
  }

  return { flagsOf, arpSend, arpAnnounce, arpProbe, hasMac, isOwnMac }
}
