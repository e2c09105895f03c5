/**
 * veth pairs of namespaces: each a wire with two ends, both in namespaces or one of them a port of the default net's. All of it runs
 * while the lock of changes is held, which is one for all namespaces (nets.ts). Thread of the namespaces.
 */
import { Errno } from '../../core/base/errno.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../../core/control/nlm-flags.ts'
import type { Leaving } from '../../core/control/text/config/config-netns.ts'
import { DEFAULT_NETNS } from '../../core/control/text/link.ts'
import type { LinkItem } from '../../core/control/text/messages.ts'
import { isRefused } from '../../core/control/text/names.ts'
import type { KindEnv, LinkRefusal } from '../../core/dev/kinds/link-kind.ts'
import { type FarNets, type FarPeer, noSuchNet, VETH_FAR } from '../../core/dev/kinds/veth.ts'
import { DEV_PEER, deviceRow } from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import type { Coming, FarState } from './far.ts'
import type { Net } from './nets.ts'
import type { Wire, Wires } from './wires.ts'

type PairsDeps = {
  wires: Wires
  find: (name: string) => Net | undefined
  /** far.ts, on the control thread. */
  tell: (port: number, state: FarState) => void
}
export type Pairs = ReturnType<typeof createPairs>

export const createPairs = ({ wires, find, tell }: PairsDeps) => {
  /** The wire that the device which is being made now is to be plugged into. */
  let awaited: Wire | null = null

  const nameAt = ({ net, ifindex }: Wire['ends'][number]): string => net.control.nameOf(ifindex)
  /**
   * By the arena of a namespace: a device there is nobody's other end any more; what it was joined to is plugged into the wire that
   * is given, if it is in a namespace.
   */
  const loosening = new WeakMap<Arena, (ifindex: number, fresh: Wire | null) => void>()
  /** Makes an end in a namespace, on a wire that may have another already; or why it is not made. */
  const makeEnd = async (
    wire: Wire,
    { netns, ...peer }: FarPeer,
    other: { netns: string; name: string },
    field: string
  ): Promise<LinkRefusal | null> => {
    const net = find(netns)
    if (net === undefined) return noSuchNet(netns, field)
    const { name: ifname, ...more } = peer
    awaited = wire
    const made = await net.control.inside({
      type: 'RTM_NEWLINK',
      flags: NLM_F_CREATE | NLM_F_EXCL,
      link: { ifname, kind: 'veth', ...more, data: { peer: other } },
    })
    awaited = null
    return made.error === 0
      ? null
      : { error: made.error, message: (made as LinkRefusal).message!, field }
  }
  /** Ends what was plugged into a wire that is no more. */
  const endOthers = async ({ ends, port }: Wire): Promise<void> => {
    for (const end of ends)
      await end.net.control.inside({ type: 'RTM_DELLINK', ifname: nameAt(end) })
    if (port !== null) tell(port.number, null)
  }
  /** A namespace or a device says how it is: the other end's carrier follows. */
  const look = (wire: Wire, changed: Wire['ends'][number] | null): void => {
    for (const end of wire.ends) if (end !== changed) end.net.control.poll()
    if (changed === null || wire.port === null) return
    const { net, ifindex } = changed
    tell(wire.port.number, {
      ifindex,
      name: nameAt(changed),
      netns: net.name,
      isUp: wires.isUp(changed),
    })
  }

  /** What the pairs of one namespace are, for its control. */
  const netsOf =
    (self: () => Net) =>
    ({ arena, part, nameOf }: KindEnv): FarNets => {
      const { i32 } = arena
      const rowOf = (ifindex: number): number => deviceRow(arena, ifindex)
      const plug = (wire: Wire, ifindex: number): void => {
        wires.plug(wire, self(), ifindex)
        i32[rowOf(ifindex) + VETH_FAR] = 1
      }
      const unplug = (ifindex: number): Wire | undefined => {
        const wire = wires.at(self(), ifindex)
        if (wire !== undefined) wires.unplug(self(), ifindex)
        return wire
      }
      const otherOf = (ifindex: number) => {
        const wire = wires.at(self(), ifindex)
        const end = wire?.ends.find((one) => one.net !== self() || one.ifindex !== ifindex)
        return { wire, end, port: wire?.port ?? null }
      }
      loosening.set(arena, (ifindex, fresh) => {
        const known = wires.at(self(), ifindex)
        const peer = i32[rowOf(ifindex) + DEV_PEER]
        if (known !== undefined) {
          wires.unplug(self(), ifindex)
          wires.remove(known)
          for (const { net, ifindex: other } of known.ends)
            if (fresh !== null) wires.plug(fresh, net, other)
        } else if (fresh !== null) {
          i32[rowOf(peer) + DEV_PEER] = 0
          i32[rowOf(ifindex) + DEV_PEER] = 0
          part(ifindex)
          plug(fresh, peer)
        }
        i32[rowOf(ifindex) + VETH_FAR] = 0
      })
      const noDefault = (field: string): LinkRefusal => ({
        error: Errno.EOPNOTSUPP,
        message: 'Error: a pair with the default network namespace is made from there.',
        field,
      })
      return {
        async join({ ifindex, spec }, to) {
          if (awaited !== null) {
            plug(awaited, ifindex)
            return { error: 0 }
          }
          if (to.netns === DEFAULT_NETNS) return noDefault('data.peer')
          const wire = wires.add(null)
          plug(wire, ifindex)
          const near = { netns: self().name, name: spec.ifname }
          const refused = await makeEnd(wire, to, near, 'data.peer')
          if (refused !== null) wires.remove(wire)
          return refused ?? { error: 0 }
        },
        async leave(ifindex) {
          const wire = unplug(ifindex)
          if (wire === undefined) return
          wires.remove(wire)
          await endOthers(wire)
        },
        async move(ifindex, to) {
          if (to.netns === self().name) return { error: 0, isHere: true }
          if (to.netns === DEFAULT_NETNS) return noDefault('netns')
          const { wire: known, end, port } = otherOf(ifindex)
          const peer = i32[rowOf(ifindex) + DEV_PEER]
          const wire = known ?? wires.add(null)
          const near =
            port === null
              ? { netns: end?.net.name ?? self().name, name: end ? nameAt(end) : nameOf(peer) }
              : { netns: DEFAULT_NETNS, name: port.near.name }
          const refused = await makeEnd(wire, to, near, 'netns')
          if (refused !== null) {
            if (known === undefined) wires.remove(wire)
            return refused
          }
          if (known === undefined) {
            i32[rowOf(peer) + DEV_PEER] = 0
            i32[rowOf(ifindex) + DEV_PEER] = 0
            part(ifindex)
            plug(wire, peer)
          } else wires.unplug(self(), ifindex)
          i32[rowOf(ifindex) + VETH_FAR] = 0
          for (const one of wire.ends) look(wire, one)
          return { error: 0 }
        },
        carrier(ifindex) {
          const { end, port } = otherOf(ifindex)
          const isUp = end === undefined ? port !== null && wires.isPortUp(port) : wires.isUp(end)
          return isUp ? 'up' : 'lowerlayerdown'
        },
        changed(ifindex) {
          const wire = wires.at(self(), ifindex)
          const end = wire?.ends.find((one) => one.net === self() && one.ifindex === ifindex)
          if (wire !== undefined && end !== undefined) look(wire, end)
        },
        otherEnd(ifindex) {
          const { end, port } = otherOf(ifindex)
          if (end !== undefined) {
            const { net } = end
            return {
              ifindex: end.ifindex,
              name: nameAt(end),
              netns: net.name,
              nsid: net === self() ? null : self().nsids.of(net.name),
            }
          }
          if (port === null) return undefined
          const nsid = self().nsids.of(DEFAULT_NETNS)
          return { ...port.near, netns: DEFAULT_NETNS, nsid }
        },
      }
    }

  /** A device of the default net is to have its other end here, at a port; or why not. */
  const join = async (
    port: number,
    near: { ifindex: number; name: string },
    to: FarPeer
  ): Promise<LinkRefusal | null> => {
    const wire = wires.add(wires.portOf(port, near))
    const refused = await makeEnd(wire, to, { netns: DEFAULT_NETNS, name: near.name }, 'data.peer')
    if (refused !== null) wires.remove(wire)
    return refused
  }
  /** The device of the default net is gone. */
  const leave = async (port: number): Promise<void> => {
    const wire = wires.atPort(port)
    if (wire === undefined) return
    wires.remove(wire)
    await endOthers({ ...wire, port: null })
  }
  /** The device of the default net is one of a namespace from now on. */
  const move = async (port: number, to: FarPeer): Promise<LinkRefusal | null> => {
    const wire = wires.atPort(port)
    if (wire === undefined) return { error: Errno.ENODEV, field: 'ifname' }
    const [other] = wire.ends
    const fresh = wires.add(null)
    const near = { netns: other.net.name, name: nameAt(other) }
    const refused = await makeEnd(fresh, to, near, 'netns')
    if (refused !== null) {
      wires.remove(fresh)
      return refused
    }
    wires.unplug(other.net, other.ifindex)
    wires.remove(wire)
    wires.plug(fresh, other.net, other.ifindex)
    for (const one of fresh.ends) look(fresh, one)
    return null
  }
  const linkOf = (net: Net, ifname: string): LinkItem | undefined => {
    const filter = { ifname, kind: 'veth' }
    const found = net.control.dump({ type: 'RTM_GETLINK', filter })
    return isRefused(found) ? undefined : [...found].flat()[0]
  }
  /** A device that is to be the default net's; null: it is no end of a pair. */
  const leaving = (name: string, ifname: string): (Leaving & { port: number | null }) | null => {
    const net = find(name)
    const link = net && linkOf(net, ifname)
    if (net === undefined || link === undefined) return null
    const { ifindex, address, mtu } = link
    const wire = wires.at(net, ifindex)
    const end = wire?.ends.find((one) => one.net !== net || one.ifindex !== ifindex)
    if (wire?.port != null) {
      const { near, number } = wire.port
      return { address, mtu, peer: { name: near.name, netns: DEFAULT_NETNS }, port: number }
    }
    const peer = end
      ? { name: nameAt(end), netns: end.net.name }
      : { name: link.link!, netns: name }
    return { address, mtu, peer, port: null }
  }
  /**
   * The device has left for the default net: what it was joined to is joined to the port there, or (null) is there as well.
   */
  const hand = async (
    { netns, ifname }: Coming,
    to: { number: number; near: { ifindex: number; name: string } } | null
  ): Promise<null> => {
    const net = find(netns)!
    const fresh = to && wires.add(wires.portOf(to.number, to.near))
    loosening.get(net.arena)!(linkOf(net, ifname)!.ifindex, fresh)
    await net.control.inside({ type: 'RTM_DELLINK', ifname })
    for (const one of fresh?.ends ?? []) look(fresh!, one)
    return null
  }
  const nearChanged = (port: number, name: string): void => {
    const wire = wires.atPort(port)
    if (wire?.port == null) return
    wire.port.near.name = name
    look(wire, null)
  }
  /** All pairs of a namespace that ends. */
  const endNet = async (net: Net): Promise<void> => {
    for (const wire of wires.of(net)) {
      for (const { ifindex } of wire.ends.filter((end) => end.net === net))
        wires.unplug(net, ifindex)
      if (!wire.isPair) continue
      wires.remove(wire)
      await endOthers(wire)
    }
    wires.forget(net)
  }
  return { netsOf, join, leave, move, leaving, hand, nearChanged, endNet }
}
