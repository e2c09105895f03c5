// A worker's stack is made a second time on the same shared memory, after an error from anywhere: what the first one held
// is gone and given back, what it served is served again, and the other workers, the control plane, applications and
// peers see nothing that is not so.

import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../core/base/family.ts'
import { Errno } from '../../core/base/errno.ts'
import type { SockItem } from '../../core/control/text/messages.ts'
import { counterBank, Mib, Softnet } from '../../core/shm/counters.ts'
import { FLOW_WORDS, NEIGH_WORDS, OWNED_FLOW_BUCKET_WORDS } from '../../core/shm/layout.ts'
import { Ipi } from '../../core/shm/ipi.ts'
import {
  SK_GENERATION,
  SK_RCVQ_LEN,
  SK_STATE,
  SOCK_DGRAM,
  SOCK_STREAM,
  sockSlab,
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
} from '../../core/socket/sock.ts'
import { NEIGH_USE_WORDS } from '../../core/neigh/neigh-constants.ts'
import type { SimHost } from '../../sim/net/net-sim.ts'
import { ip, v4Words } from '../../sim/net/packets.ts'
import { ETH_P_ALL } from '../../core/wire/ethernet.ts'
import { createSimApp } from '../support/sim-app.ts'
import { dialTcp, openUdp, type TcpEnd } from '../../sim/net/sim-apps.ts'
import { LONG_MS, twoHosts } from '../support/sim-topology.ts'

const SERVICES = { echo: true, discard: true, chargen: true }
/** Three services, each over TCP and UDP, each for IPv4 and IPv6. */
const SERVICE_SOCKETS = 12
const WORKERS = 2
const B = '10.0.1.2'
const V4 = 0xffff

const victim = (more: object = {}) =>
  twoHosts({
    b: {
      workers: WORKERS,
      services: SERVICES,
      config: { apps: 1, skbs: 4096, smallBuffers: 4096, largeBuffers: 512 },
    },
    ...more,
  })
type World = Awaited<ReturnType<typeof victim>>

const sockets = (host: SimHost): SockItem[] => [...host.control.dump({ type: 'SOCK_DIAG' })].flat()
const rowsOf = (host: SimHost, worker: number): number[] => {
  const slab = sockSlab(host.arena, worker, false)
  return Array.from({ length: slab.rows }, (_, k) => slab.at(k)).filter((sk) => slab.isLive(sk))
}
/** How many sockets a worker has entered for each flow: the upper half of each bucket, and what spilled. */
const ownedFlows = ({ arena }: SimHost, worker: number): Int32Array => {
  const { ownedFlows: base, ownedFlowWords, ownedFlowBuckets } = arena.layout
  const at = base + worker * ownedFlowWords
  const buckets = ownedFlowBuckets * OWNED_FLOW_BUCKET_WORDS
  return arena.i32
    .slice(at, at + ownedFlowWords)
    .filter((_, k) => k >= buckets || (k & (OWNED_FLOW_BUCKET_WORDS - 1)) >= 8)
}
/** What must be so of a host at any time, whatever has happened to its workers. */
const expectSound = (host: SimHost): void => {
  const { i32, f64 } = host.arena
  for (let worker = 0; worker < WORKERS; worker++) {
    const live = rowsOf(host, worker)
    expect(live.length).toBe(sockSlab(host.arena, worker, false).live())
    const established = live.filter((sk) =>
      [TCP_ESTABLISHED, TCP_CLOSE_WAIT].includes(i32[sk + SK_STATE]! as never)
    )
    expect(f64[counterBank(host.arena, worker) + Mib.TcpCurrEstab]).toBe(established.length)
    expect(ownedFlows(host, worker).some((count) => count < 0)).toBe(false)
  }
  const shown = sockets(host)
  expect(new Set(shown.map(({ sk }) => sk)).size).toBe(shown.length)
}
/** The worker throws in the `calls`-th call of its stack and starts over. */
const kill = ({ sim, b }: World, worker: number, calls = 0, during = () => {}): void => {
  const before = b.restarts(worker)
  b.throwAfter(worker, calls)
  const died = sim.run(5000, () => {
    during()
    return b.restarts(worker) > before
  })
  expect(died).toBe(true)
}
/** A connection of a's to a service of b's that `worker` has. */
const dialOn = ({ sim, a, b }: World, worker: number, port: number): TcpEnd => {
  for (let tries = 0; tries < 64; tries++) {
    const before = rowsOf(b, worker).length
    const end = dialTcp(a, B, port)
    sim.run(2000, () => end.connected || end.error !== 0)
    expect(end.error).toBe(0)
    if (rowsOf(b, worker).length > before) return end
    end.close()
    sim.run(100)
  }
  throw new Error(`none of 64 connections came to worker ${worker}`)
}

/** Makes worker 0 of b hold something; what it answers is called after the restart. */
type Holder = (world: World) => (() => void) | undefined | Promise<() => void>

/** Datagrams of a socket that worker 0 keeps. */
const sendFrom = (host: SimHost, to: string, count: number): void => {
  const sk = held(host).socket(AF_INET, SOCK_DGRAM, 0)
  for (let k = 0; k < count; k++) held(host).sendto(sk, host.page, 1000, ...v4Words(ip(to)), 9)
}
const held = (host: SimHost) => host.stack.sockets

const HOLDERS: Record<string, Holder> = {
  'sockets of every kind, not bound': ({ b }) => {
    const made = [held(b).socket(AF_INET, SOCK_STREAM, 0), held(b).socket(AF_INET, SOCK_DGRAM, 0)]
    const generations = made.map((sk) => b.arena.i32[sk + SK_GENERATION])
    return () => {
      for (const [n, sk] of made.entries()) {
        expect(b.arena.i32[sk + SK_GENERATION]).not.toBe(generations[n])
        // an old handle is refused (ss -K that was on its way)
        expect(held(b).destroy(sk, generations[n]!)).toBe(-Errno.ESRCH)
      }
      const again = held(b).socket(AF_INET, SOCK_STREAM, 0)
      held(b).close(again)
      b.turn()
    }
  },
  'ports, of a listener and of a bound datagram socket': ({ b }) => {
    const open = (type: number): number => {
      const sk = held(b).socket(AF_INET, type, 0)
      const err = held(b).bind(sk, ...v4Words(0), 5555)
      if (err === 0 && type === SOCK_STREAM) held(b).listen(sk, 5)
      return err === 0 ? sk : err
    }
    expect(Math.min(open(SOCK_STREAM), open(SOCK_DGRAM))).toBeGreaterThan(0)
    expect(open(SOCK_STREAM)).toBe(-Errno.EADDRINUSE)
    return () => {
      const again = [open(SOCK_STREAM), open(SOCK_DGRAM)]
      expect(Math.min(...again)).toBeGreaterThan(0)
      for (const sk of again) held(b).close(sk)
      b.turn()
    }
  },
  'connections with data in both directions, and their timers': (world) => {
    const ends = [dialOn(world, 0, 7), dialOn(world, 0, 9), dialOn(world, 0, 19)]
    for (const end of ends) end.start(300_000)
    world.sim.run(3)
    expect(world.b.stack.wheel.count()).toBeGreaterThan(0)
    return () => {
      const { sim } = world
      // their peers hear of it when they say something
      for (const end of ends) end.start(1)
      sim.run(60_000, () => ends.every((end) => end.error !== 0))
      expect(ends.map((end) => end.error)).toEqual(ends.map(() => Errno.ECONNRESET))
      for (const end of ends) end.close()
    }
  },
  'a connection on its way, whose next hop is asked for': ({ sim, b }) => {
    const sk = held(b).socket(AF_INET, SOCK_STREAM, 0)
    held(b).connect(sk, ...v4Words(ip('10.0.1.77')), 80)
    for (let k = 0; k < 5; k++) {
      const udp = held(b).socket(AF_INET, SOCK_DGRAM, 0)
      held(b).sendto(udp, b.page, 1000, ...v4Words(ip(`10.0.1.${90 + k}`)), 9)
    }
    b.turn()
    const stale = [...b.control.dump({ type: 'RTM_GETNEIGH' })].flat()
    expect(stale.filter(({ state }) => state[0] === 'INCOMPLETE').length).toBe(6)
    return () => {
      // the table was not the stack's: it goes on asking, and gives up
      sim.run(10_000)
      const now = [...b.control.dump({ type: 'RTM_GETNEIGH' })].flat()
      expect(now.filter(({ state }) => state[0] === 'INCOMPLETE')).toEqual([])
    }
  },
  'half a handshake, and a child that nobody has accepted': (world) => {
    const { sim, a, b } = world
    const sk = held(b).socket(AF_INET, SOCK_STREAM, 0)
    held(b).bind(sk, ...v4Words(0), 5000)
    held(b).listen(sk, 100)
    const ends = Array.from({ length: 12 }, () => dialTcp(a, B, 5000))
    sim.run(1000)
    world.wire.filter = (_frame, from) => from !== 'b'
    ends.push(...Array.from({ length: 12 }, () => dialTcp(a, B, 5000)))
    sim.run(2)
    return () => {
      world.wire.filter = () => true
      sim.run(200)
      for (const end of ends) end.start(1)
      sim.run(60_000, () => ends.every((end) => end.error !== 0))
      for (const end of ends) end.close()
    }
  },
  'datagrams that nobody has read': ({ sim, a, b }) => {
    const sk = held(b).socket(AF_INET, SOCK_DGRAM, 0)
    held(b).bind(sk, ...v4Words(0), 4000)
    const from = openUdp(a)
    for (let k = 0; k < 40; k++) from.send(new Uint8Array(1200), B, 4000)
    from.send(new Uint8Array(20_000), B, 4000)
    sim.run(100)
    from.close()
    expect(b.arena.i32[sk + SK_RCVQ_LEN]).toBe(41)
    return undefined
  },
  'fragments that wait for the others': (world) => {
    const from = openUdp(world.a)
    world.wire.filter = (frame) => !(frame.length < 500 && frame.length > 100)
    for (let k = 0; k < 20; k++) from.send(new Uint8Array(9100), B, 4000)
    world.sim.run(5)
    world.wire.filter = () => true
    from.close()
    expect(world.b.mib('IpReasmReqds')).toBeGreaterThan(20)
    return undefined
  },
  'frames that netem delays, and frames that the driver has no room for': async ({ sim, a, b }) => {
    const delay = (us: number) =>
      b.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', netem: { delay: us } } })
    const from = openUdp(a)
    from.send(new Uint8Array(100), B, 7)
    sim.run(50)
    await delay(30_000)
    for (let k = 0; k < 20; k++) from.send(new Uint8Array(1000), B, 7)
    sim.run(5)
    await delay(0)
    b.jam(true)
    sendFrom(b, '10.0.1.1', 20)
    b.turn()
    expect(b.gauge().skbs[0]!.skbs).toBeLessThan(4096 - 20)
    return () => {
      b.jam(false)
      from.close()
    }
  },
  'clones in the hands of a tap, clones of clones, and a list of fragments': ({ sim, a, b }) => {
    const { skbs, ptype } = b.stack
    const kept: number[] = []
    ptype.devAddPack(ETH_P_ALL, (skb) => void kept.push(skb, skbs.clone(skb)))
    const from = openUdp(a)
    for (let k = 0; k < 10; k++) from.send(new Uint8Array(3000), B, 7)
    sim.run(50)
    expect(kept.length).toBeGreaterThan(20)
    const whole = skbs.alloc(100, 0)
    let last = 0
    for (let k = 0; k < 5; k++) {
      const frag = skbs.alloc(k < 3 ? 100 : 60_000, 0)
      skbs.addFrag(whole, last, frag)
      last = frag
    }
    skbs.clone(whole)
    const heard = kept.length
    return () => {
      from.send(new Uint8Array(100), B, 7)
      sim.run(50)
      from.close()
      // the tap was the dead stack's
      expect(kept.length).toBe(heard)
    }
  },
  'a device queue of its own': ({ b }) => {
    let polled = 0
    b.stack.napiAdd(() => {
      polled++
      return 0
    })
    b.turn()
    expect(polled).toBeGreaterThan(0)
    return () => {
      const before = polled
      b.turn()
      expect(polled).toBe(before)
    }
  },
  'packets that it has put on another worker’s backlog and not shown': ({ b }) => {
    const skb = b.stack.skbs.alloc(100, 130)
    b.stack.skbs.put(skb, 100)
    b.stack.backlog.enqueueToBacklog(1, skb, 0)
    return undefined
  },
  'TIME_WAIT and orphans': (world) => {
    const end = dialOn(world, 0, 19)
    world.sim.run(5)
    // the service's side is left with data that the peer does not take
    end.finish()
    world.sim.run(200)
    return () => {
      end.close()
      world.sim.run(1000)
    }
  },
  'a learned path MTU, which is learned again': (world) => {
    const { sim, b } = world
    b.stacks[1]!.ipi.send(0, Ipi.PMTU_UPDATE, 0, 0, 0, V4, ip('10.0.1.1'), 600)
    sim.run(1)
    return () => {
      const end = dialOn(world, 0, 7)
      end.start(10_000)
      expect(sim.run(5000, () => end.received === 10_000)).toBe(true)
      end.close()
    }
  },
  'calls that it has not run': ({ b }) => {
    for (let k = 0; k < 100; k++) b.stacks[1]!.ipi.send(0, Ipi.NEIGH_USED, 0)
    return () => expect(b.stack.ipi.pending()).toBe(false)
  },
  'the words of its scratch page, its flows and its column of the neighbours’ use': (world) => {
    dialOn(world, 0, 7).close()
    const { arena } = world.b
    const { layout } = arena
    const rows = layout.config.neighbours * NEIGH_USE_WORDS
    const use = arena.i32.slice(layout.neighUse, layout.neighUse + rows)
    const flows = layout.config.flows * FLOW_WORDS
    const seen = arena.i32.slice(layout.flows, layout.flows + flows)
    const table = arena.i32.slice(layout.neighbours, layout.neighbours + NEIGH_WORDS)
    return () => {
      // times and counts of what was, which stay true
      expect(arena.i32.slice(layout.neighUse, layout.neighUse + rows)).toEqual(use)
      expect(arena.i32.slice(layout.flows, layout.flows + flows)).toEqual(seen)
      expect(arena.i32.slice(layout.neighbours, layout.neighbours + NEIGH_WORDS)).toEqual(table)
    }
  },
}

describe('a worker that is started again', () => {
  test.each(Object.entries(HOLDERS))('gives back %s', async (_what, hold) => {
    const world = await victim()
    const { sim, b } = world
    const owned = ownedFlows(b, 0)
    const check = await hold(world)
    kill(world, 0)
    expectSound(b)
    expect(rowsOf(b, 0).length).toBe(SERVICE_SOCKETS)
    expect(sockets(b).filter(({ worker }) => worker === 0).length).toBe(SERVICE_SOCKETS)
    expect(ownedFlows(b, 0)).toEqual(owned)
    check?.()
    expectSound(b)
    const end = dialOn(world, 0, 7)
    end.start(5000)
    expect(sim.run(5000, () => end.received === 5000)).toBe(true)
    expect(end.wrong).toBe(0)
    end.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('has lost what it says it has lost', async () => {
    const world = await victim()
    const bank = counterBank(world.b.arena, 0)
    sendFrom(world.b, '10.0.1.88', 3)
    world.b.turn()
    kill(world, 0)
    const { f64 } = world.b.arena
    expect(f64[bank + Softnet.sockets_lost]).toBe(SERVICE_SOCKETS + 1)
    // the services' buffer, the test's three
    expect(f64[bank + Softnet.skbs_recovered]).toBe(4)
    expect(world.b.drops('WORKER_RESTART')).toBe(4)
  })
})

describe('under traffic', () => {
  const isLong = process.env.SOFTNET_LONG === '1'
  const KILLS = 100
  const CONNECTIONS = 50
  /** TCP echo, discard and chargen, and an application over rings; UDP echo beside them. */
  const PORTS = [7, 8080, 9, 7, 8080, 9, 7, 8080, 9, 19]

  test.each(isLong ? [1, 2, 3, 4, 5, 6, 7, 8] : [1])(
    `${KILLS} errors from anywhere, with ${CONNECTIONS} sockets, 5 services and queued packets (seed %d)`,
    async (seed) => {
      const world = await victim({ seed, wire: { delayUs: 200, loss: 0.005, reorder: 0.02 } })
      const { sim, a, b } = world
      const app = createSimApp(b, 8080)
      sim.run(100, () => {
        app.turn()
        return false
      })
      await b.must({
        type: 'RTM_NEWLINK',
        flags: 0,
        link: { ifname: 'eth0', netem: { delay: 2000, jitter: 1000 } },
      })
      const roll = (below: number): number => (sim.random() >>> 0) % below
      let ends: TcpEnd[] = []
      const udp = openUdp(a)
      const seen = new Map<string, number>()
      const dead = { resets: 0, echoed: 0 }

      const traffic = (): void => {
        for (const end of ends.filter((each) => each.error !== 0)) {
          dead.resets++
          end.close()
        }
        ends = ends.filter((end) => end.open)
        while (ends.length < CONNECTIONS)
          ends.push(dialTcp(a, B, PORTS[ends.length % PORTS.length]!))
        for (const end of ends) if (roll(4) === 0) end.start(500 + roll(3000))
        udp.send(new Uint8Array(1 + roll(8000)), B, 7)
      }
      /** What the worker holds for itself: it is not started again with it. */
      const burden = (worker: number): void => {
        const { sockets: mine } = b.stacks[worker]!
        const lonely = mine.socket(AF_INET, SOCK_STREAM, 0)
        mine.connect(lonely, ...v4Words(ip(`10.0.1.${100 + roll(100)}`)), 80)
        for (let k = 0; k < 4; k++) {
          const sk = mine.socket(AF_INET, SOCK_DGRAM, 0)
          mine.sendto(sk, b.page, 1000, ...v4Words(ip(`10.0.1.${100 + roll(100)}`)), 9)
        }
      }

      for (let n = 0; n < KILLS; n++) {
        const worker = roll(WORKERS)
        traffic()
        burden(worker)
        sim.run(1 + roll(20), () => {
          app.turn()
          return false
        })
        const before = b.restarts(worker)
        kill(world, worker, roll(300), () => {
          app.turn()
          traffic()
        })
        expect(b.restarts(worker)).toBe(before + 1)
        expectSound(b)
        const shown = sockets(b).filter((item) => item.worker === worker)
        const bound = shown.filter(({ local }) => [7, 9, 19].includes(local.port))
        expect(bound.filter(({ peer }) => peer.port === 0).length).toBe(SERVICE_SOCKETS)
        // a cookie names one socket for ever: none of this life was one of an earlier
        for (const { sk } of shown) {
          expect(seen.get(sk) ?? b.restarts(worker)).toBe(b.restarts(worker))
          seen.set(sk, b.restarts(worker))
        }
      }
      expect(app.lost.length).toBeGreaterThan(KILLS / 2)
      expect(app.accepted()).toBeGreaterThan(10)
      expect(dead.resets).toBeGreaterThan(CONNECTIONS)

      // calm: all that is asked is answered, and all is given back
      for (const end of ends) end.close()
      const turn = (): boolean => {
        app.turn()
        return false
      }
      for (let worker = 0; worker < WORKERS; worker++) kill(world, worker, 0, app.turn)
      sim.run(1000, turn)
      for (const port of PORTS.slice(0, 3)) {
        const end = dialTcp(a, B, port)
        end.start(10_000)
        expect(sim.run(20_000, () => port !== 7 || end.received === 10_000)).toBe(
          port === 7 || true
        )
        end.close()
      }
      udp.close()
      sim.run(LONG_MS, turn)
      expect(app.sids()).toBe(2 * WORKERS)
      app.leave()
      sim.run(100)
      expect(sim.leaks()).toEqual({})
      expect(app.skbs.available()).toEqual({
        skbs: b.arena.layout.config.skbs,
        smalls: b.arena.layout.config.smallBuffers,
        larges: b.arena.layout.config.largeBuffers,
      })
    },
    60_000
  )
})
