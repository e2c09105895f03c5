/**
 * The ends in namespaces of veth pairs whose near ends are the default net's: each near end is a port (core/dev/kinds/ports.ts),
 * and its thread is that of the namespaces, which says how the other end is. Control thread.
 */
import { Errno } from '../../core/base/errno.ts'
import type { KindEnv, LinkRefusal } from '../../core/dev/kinds/link-kind.ts'
import { type FarNets, type FarPeer, noSuchNet, VETH_FAR } from '../../core/dev/kinds/veth.ts'
import { DEV_PEER, deviceRow } from '../../core/netdev/netdev.ts'
import type { Caller } from './calls.ts'
import type { NetnsFunctions } from './main.ts'
import { createNsids } from './nsids.ts'
import { PORT_FAR } from './port-far.ts'

/** How the end in a namespace is, as its thread says; null: it is gone. */
export type FarState = { ifindex: number; name: string; netns: string; isUp: boolean } | null

type Near = { readonly port: number }
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

  const nets = ({ arena, ports, part, nameOf }: KindEnv): FarNets => {
    const { i32 } = arena
    const rowOf = (ifindex: number): number => deviceRow(arena, ifindex)
    const forget = (ifindex: number): void => {
      const near = nears.get(ifindex)
      if (near === undefined) return
      nears.delete(ifindex)
      states.delete(near.port)
      ports.release(near.port)
    }
    /** Joins a device here, which may be sending meanwhile, to a new one there. */
    const connect = async (
      ifindex: number,
      name: string,
      to: FarPeer
    ): Promise<LinkRefusal | { error: 0 }> => {
      const port = ports.take()
      if (port < 0) return { error: Errno.ENOSPC }
      const refused = await call('join', port, { ifindex, name }, to)
      if (refused !== null) {
        ports.release(port)
        return refused
      }
      nears.set(ifindex, { port })
      ports.fill(rowOf(ifindex), port, thread)
      return { error: 0 }
    }
    const stateOf = (ifindex: number): FarState | undefined =>
      states.get(nears.get(ifindex)?.port ?? -1)
    return {
      async join({ ifindex, spec }, to) {
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
        if (!isNet(to.netns)) return noSuchNet(to.netns, 'netns')
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
  return {
    far: { nets, ...PORT_FAR },
    /** What their thread says of the end at a port. */
    tell: (port: number, state: FarState): void => void states.set(port, state),
    gone: (): number[] =>
      [...nears].filter(([, { port }]) => states.get(port) === null).map(([ifindex]) => ifindex),
    nsids,
  }
}
