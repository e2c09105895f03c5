/**
 * A network of hosts in one thread and its event loop: each a whole stack (host.ts), joined by wires, over time that is
 * passed in (time.ts). What a bad wire does is `netem` of the links at its ends. Application thread.
 */
import type { StackConfig } from '../../core/control/text/messages.ts'
import { DEV_FLAGS, deviceRow, IFF_UP } from '../../core/netdev/netdev.ts'
import { Drop } from '../../core/skb/drop.ts'
import { transferFrame } from '../../core/dev/transfer.ts'
import { createHost, type Host } from './host.ts'
import { type NetworkTime, realTime } from './time.ts'

export type NetworkOptions = { time?: NetworkTime }
export type NetworkHost = Awaited<ReturnType<ReturnType<typeof createNetwork>['host']>>

/** A link of a host. */
type Plug = readonly [host: { name: string }, ifname: string]
type End = { host: Host; ifindex: number }

/** Hosts are no routers unless they are told so. */
const HOST = { 'net.ipv4.ip_forward': 0, 'net.ipv6.conf.all.forwarding': 0 }
/** Turns without work before the network sleeps. */
const IDLE_TURNS = 3
const LONGEST_SLEEP_MS = 100

export const createNetwork = ({ time = realTime() }: NetworkOptions = {}) => {
  const { nowUs, realtimeUs, random, sleep, wake } = time
  const hosts = new Map<string, Host>()
  /** The other end of each link, by host and number. */
  const peers = new Map<Host, (End | undefined)[]>()
  let isOpen = true
  let scheduled = false
  let idle = 0

  const schedule = (): void => {
    if (scheduled || !isOpen) return
    scheduled = true
    wake()
    setImmediate(turn)
  }
  const turn = (): void => {
    scheduled = false
    if (!isOpen) return
    let work = 0
    for (const host of hosts.values()) host.tick()
    for (const host of hosts.values()) work += host.poll()
    idle = work === 0 ? idle + 1 : 0
    if (idle < IDLE_TURNS) return schedule()
    let delay = LONGEST_SLEEP_MS
    for (const host of hosts.values()) delay = Math.min(delay, host.nextDelay(delay))
    sleep(delay, () => {
      idle = 0
      schedule()
    })
  }
  /** Somebody has asked for something. */
  const disturb = (): void => {
    idle = 0
    schedule()
  }

  const isUp = ({ host, ifindex }: End): boolean =>
    (host.arena.i32[deviceRow(host.arena, ifindex) + DEV_FLAGS] & IFF_UP) !== 0
  /** Carries a frame to the other end of its wire, where there is one that listens; null, or why not. */
  const carry = (from: Host, skb: number, ifindex: number): Drop | null => {
    const to = peers.get(from)?.[ifindex]
    if (to === undefined || !isUp(to)) return Drop.DEV_READY
    const twin = transferFrame(from.arena, from.skbs, skb, to.host.arena, to.host.skbs)
    if (twin === 0) return Drop.NOMEM
    to.host.receive(twin, to.ifindex)
    return null
  }

  /** Makes a host, configured in iproute2's words; a link without a kind is one of a wire. */
  const host = async (name: string, config: StackConfig = {}) => {
    if (hosts.has(name)) throw new Error(`there is a host ${name} already`)
    const made: Host = createHost({
      name,
      nowUs,
      ...(realtimeUs && { realtimeUs }),
      random,
      schedule: disturb,
      transmit: (skb, ifindex) => carry(made, skb, ifindex),
      carrier: (ifindex) => {
        const peer = peers.get(made)?.[ifindex]
        return peer !== undefined && isUp(peer) ? 'up' : 'down'
      },
    })
    hosts.set(name, made)
    peers.set(made, [])
    await made.configure({
      ...config,
      link: (config.link ?? []).map((link) => ({ kind: 'wire', ...link })),
      sysctl: { ...HOST, ...config.sysctl },
    })
    // one that has no wire has timers as well
    disturb()
    const { net, dgram, raw, message } = made.app
    return { name, control: made.control, net, dgram, raw, message }
  }
  const endOf = async ([{ name }, ifname]: Plug): Promise<End> => {
    const found = hosts.get(name)
    if (found === undefined) throw new Error(`there is no host ${name}`)
    return { host: found, ifindex: await found.ifindexOf(ifname) }
  }
  /** Joins two links; what was joined to them before hangs loose. */
  const wire = async (a: Plug, b: Plug): Promise<void> => {
    const ends = [await endOf(a), await endOf(b)] as const
    for (const [k, { host: of, ifindex }] of ends.entries()) {
      const before = peers.get(of)![ifindex]
      if (before !== undefined) peers.get(before.host)![before.ifindex] = undefined
      peers.get(of)![ifindex] = ends[1 - k]
    }
    disturb()
  }
  /** All hosts are gone, with what they had. */
  const close = async (): Promise<void> => {
    isOpen = false
    wake()
    await Promise.all([...hosts.values()].map((each) => each.close()))
  }
  return { host, wire, close }
}
