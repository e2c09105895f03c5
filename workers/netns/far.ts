/**
 * The ends in namespaces of veth pairs whose near ends are the default net's: each near end is a port (core/dev/kinds/ports.ts),
 * and its thread is that of the namespaces, which says how the other end is. Control thread.
 */
import { Errno } from '../../core/base/errno.ts'
import type { KindEnv, LinkRefusal } from '../../core/dev/kinds/link-kind.ts'
import { type FarNets, type FarPeer, noSuchNet, VETH_FAR } from '../../core/dev/kinds/veth.ts'
import { DEFAULT_NETNS } from '../../core/control/text/link.ts'
import { DEV_PEER, deviceRow } from '../../core/netdev/netdev.ts'
import type { Caller } from './calls.ts'
import type { NetnsFunctions } from './main.ts'
import { createNsids } from './nsids.ts'
import { PORT_FAR } from './port-far.ts'

/** How the end in a namespace is, as its thread says; null: it is gone. */
export type FarState = { ifindex: number; name: string; netns: string; isUp: boolean } | null

type Near = { readonly port: number }
/** A device of a namespace in whose place one of ours is made; `port` is where it is joined to another of ours, if it is. */
export type Coming = {
  readonly netns: string
  readonly ifname: string
  readonly port: number | null
}
type FarDeps = {
  call: Caller<NetnsFunctions>
  isNet: (name: string) => boolean
  /** That of the namespaces. */
  thread: number
}

export const createFar = ({ call, isNet, thread }: FarDeps) => {
  /** By ifindex here, and by port. */
  const nears = new Map<number, Near>()
  const states = new Map<number, FarState>()
  const nsids = createNsids()
  /** Of the device that is made now. */
  let coming: Coming | null = null
  /** What it was joined to is a device of ours too. */
  let met: (() => void) | null = null

  const nets = ({ arena, ports, part, pair, nameOf }: KindEnv): FarNets => {
    const { i32 } = arena
    const rowOf = (ifindex: number): number => deviceRow(arena, ifindex)
    const forget = (ifindex: number): void => {
      const near = nears.get(ifindex)
      if (near === undefined) return
      nears.delete(ifindex)
      states.delete(near.port)
      ports.release(near.port)
    }
    /** Joins a device here, which may be sending meanwhile, to a new one there, or to one that is there. */
    const connect = async (
      ifindex: number,
      name: string,
      to: FarPeer | Coming
    ): Promise<LinkRefusal | { error: 0 }> => {
      const port = ports.take()
      if (port < 0) return { error: Errno.ENOSPC }
      const refused =
        'port' in to
          ? await call('hand', to, { number: port, near: { ifindex, name } })
          : await call('join', port, { ifindex, name }, to)
      if (refused !== null) {
        ports.release(port)
        return refused
      }
      nears.set(ifindex, { port })
      ports.fill(rowOf(ifindex), port, thread)
      return { error: 0 }
    }
    /** Two devices of ours that were joined by way of a namespace are a pair as any. */
    const meet = async (ifindex: number, from: Coming): Promise<LinkRefusal | { error: 0 }> => {
      const [other] = [...nears].find(([, { port }]) => port === from.port)!
      await call('hand', from, null)
      i32[rowOf(ifindex) + DEV_PEER] = other
      i32[rowOf(other) + DEV_PEER] = ifindex
      i32[rowOf(other) + VETH_FAR] = 0
      forget(other)
      met = () => pair(ifindex, other)
      return { error: 0 }
    }
    const stateOf = (ifindex: number): FarState | undefined =>
      states.get(nears.get(ifindex)?.port ?? -1)
    return {
      async join({ ifindex, spec }, to) {
        if (coming !== null)
          return to.netns === DEFAULT_NETNS
            ? meet(ifindex, coming)
            : connect(ifindex, spec.ifname, coming)
        return isNet(to.netns)
          ? connect(ifindex, spec.ifname, to)
          : noSuchNet(to.netns, 'data.peer')
      },
      async leave(ifindex) {
        const near = nears.get(ifindex)
        if (near === undefined) return
        await call('leave', near.port)
        forget(ifindex)
      },
      async move(ifindex, to) {
        if (!isNet(to.netns))
          return to.netns === DEFAULT_NETNS
            ? { error: 0, isHere: true }
            : noSuchNet(to.netns, 'netns')
        const near = nears.get(ifindex)
        if (near !== undefined) {
          const refused = await call('move', near.port, to)
          if (refused !== null) return refused
          i32[rowOf(ifindex) + VETH_FAR] = 0
          forget(ifindex)
          return { error: 0 }
        }
        const other = i32[rowOf(ifindex) + DEV_PEER]
        const answer = await connect(other, nameOf(other), to)
        if (answer.error !== 0) return answer
        i32[rowOf(other) + DEV_PEER] = 0
        i32[rowOf(ifindex) + DEV_PEER] = 0
        part(ifindex)
        return answer
      },
      carrier(ifindex) {
        const state = stateOf(ifindex)
        if (state === null) return 'gone'
        return state?.isUp ? 'up' : 'lowerlayerdown'
      },
      async changed(ifindex) {
        await call('nearChanged', nears.get(ifindex)!.port, nameOf(ifindex))
      },
      otherEnd(ifindex) {
        const state = stateOf(ifindex)
        if (state === undefined || state === null) return undefined
        return { ...state, nsid: nsids.of(state.netns) }
      },
    }
  }
  /** `make` makes a device here in the place of one there. */
  const bring = async <T>(from: Coming, make: () => Promise<T>): Promise<T> => {
    coming = from
    try {
      const made = await make()
      met?.()
      return made
    } finally {
      coming = met = null
    }
  }
  return {
    far: { nets, ...PORT_FAR },
    bring,
    /** What their thread says of the end at a port. */
    tell: (port: number, state: FarState): void => void states.set(port, state),
    gone: (): number[] =>
      [...nears].filter(([, { port }]) => states.get(port) === null).map(([ifindex]) => ifindex),
    nsids,
  }
}
