/**
 * Datagrams of all sizes, whole, in fragments and in super-frames, with answers or without: what arrives is as it was sent and has
 * been counted, what nothing loses arrives, and once the links are good again everybody reaches everybody.
 */
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import {
  IP_MTU_DISCOVER,
  IP_PMTUDISC_DO,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
  IPV6_MTU_DISCOVER,
  UDP_GRO,
  UDP_SEGMENT,
} from '../../core/socket/socket-constants.ts'
import { mtuChanges } from '../changes.ts'
import {
  createLedger,
  datagram,
  type DatagramEnd,
  HEADER,
  type Ledger,
  openDatagrams,
  peerAt,
} from '../datagrams.ts'
import { createDraw, type Draw } from '../draw.ts'
import { Fault } from '../fault.ts'
import { type Knobs, rttMs } from '../knobs.ts'
import type { Scenario } from '../scenarios.ts'
import type { Change } from '../watch.ts'
import { createWorld, type World } from '../world.ts'

const PORT = 9000
const IPPROTO_IP = 0
const IPPROTO_UDP = 17
const IPPROTO_IPV6 = 41
const EMSGSIZE = 90
const EHOSTUNREACH = 113
/** What any path takes in one packet. */
const SMALL = 400
/** Segments of one call. */
const SEGMENTS = 16
/** On good links one is lost to a path that has become narrower, which its sender then knows. */
const TRIES = 3
/** A wrong answer of ARP, which has no checksum, is believed until neighbours are asked anew. */
const REST_MS = 130_000
/**
 * Bursts may find a queue full, whole or in part: at a neighbour that is still asked for, at a socket that reads later; and where
 * jitter lets more than ipfrag_max_dist of its sender's fragments pass between two of a datagram, that is given up.
 */
const TOLD = ['PKT_TOO_BIG', 'NEIGH_QUEUEFULL', 'SOCKET_RCVBUFF', 'FRAG_TOO_FAR'] as const
const FRAME_HEADERS = 80
const FULL_MTU = 1500

export const datagrams: Scenario = {
  name: 'datagrams',
  does: 'UDP: fragments, super-frames, path MTUs; what arrives is whole and counted',
  draw: (draw) => ({
    flows: draw.whole(1, 6),
    bytes: draw.scale(HEADER, 20_000) | 0,
    back: draw.chance(0.6) ? draw.scale(HEADER, 20_000) | 0 : 0,
    rounds: draw.whole(4, 30),
    // what waits is what is sent too fast, which nobody does
    queue: 1000,
  }),
  play: async (knobs, seed) => {
    const draw = createDraw(seed, 'datagrams')
    const world = await createWorld(knobs, seed)
    await world.impair()
    const server = createServer(world, draw)
    const client = createClient(world, draw)
    const sends = client.schedule()
    const lastMs = sends.at(-1)!.atMs
    const changes = [...sends, ...mtuChanges(world, createDraw(seed, 'changes'))]
    await world.during(lastMs + 10 * rttMs(knobs) + REST_MS, changes)
    server.read()
    check(world, client, server)
    await world.heal()
    for (let k = 0; k < TRIES; k++) await world.during(REST_MS / TRIES, client.last())
    client.checkLast(server.ledger)
    server.close()
    client.close()
    const { came } = server.ledger
    return { virtualMs: world.settle(), sent: client.sent(), came, back: client.ledger.came }
  },
}

const answerLength = ({ back }: Knobs, number: number): number =>
  Math.max(HEADER, Math.imul(number + 1, 7919) % (back + 1))

/** A socket on each worker, or on one for all; of either family's. One that is lazy reads when it is told. */
const createServer = ({ b, knobs }: World, draw: Draw) => {
  const { flows, rounds, back, workers } = knobs
  const ledger = createLedger(flows, rounds + TRIES)
  const family = knobs.family === 6 || draw.chance(0.3) ? AF_INET6 : AF_INET
  const isLazy = back === 0 && draw.chance(0.3)
  const isMerging = !isLazy && draw.chance(0.5)
  const all = Array.from({ length: workers }, (_, k) => k)
  const on = draw.chance(0.5) ? all : [draw.pick([0, workers - 1])]
  let answers = 0
  const openOn = (worker: number): DatagramEnd => {
    const end: DatagramEnd = openDatagrams(b, worker, family, {
      port: PORT,
      set: isMerging ? [[IPPROTO_UDP, UDP_GRO, 1]] : [],
      heard: (bytes, from) => {
        for (const { flow, number } of ledger.note(bytes)) {
          if (back === 0) continue
          if (end.send(datagram(flow, number, answerLength(knobs, number)), from)) answers++
        }
      },
    })
    end.isReading = !isLazy
    return end
  }
  const ends = on.map(openOn)
  return {
    ledger,
    isMerging,
    answers: (): number => answers,
    errors: (): number[] => ends.flatMap((end) => end.errors),
    /** Reads what has waited. */
    read: (): void => {
      for (const end of ends) {
        end.isReading = true
        end.receive()
      }
    },
    close: (): void => {
      for (const end of ends) end.close()
    },
  }
}
type Server = ReturnType<typeof createServer>

/** How a socket treats paths that are narrower than a datagram, in both families' numbers. */
const DISCOVERS = [
  IP_PMTUDISC_WANT,
  IP_PMTUDISC_WANT,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_DO,
  IP_PMTUDISC_PROBE,
] as const

const createClient = ({ a, to, knobs }: World, draw: Draw) => {
  const { family, flows, rounds, back, workers, rate } = knobs
  const isSix = family === 6
  const peer = peerAt(to, PORT)
  const ledger = createLedger(flows, rounds + TRIES)
  const wireMs = (bytes: number): number =>
    rate === 0 ? 0 : ((bytes + FRAME_HEADERS * Math.ceil(bytes / 500)) * 8) / (rate * 1000)

  const openFlow = (flow: number) => {
    const discover = draw.pick(DISCOVERS)
    /** Each call is so many datagrams of this length (UDP_SEGMENT). */
    const segment = draw.chance(0.3) ? draw.whole(HEADER, SMALL) : 0
    const level = isSix ? IPPROTO_IPV6 : IPPROTO_IP
    const name = isSix ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER
    const end = openDatagrams(a, flow % workers, isSix ? AF_INET6 : AF_INET, {
      set: [
        [level, name, discover],
        [IPPROTO_UDP, UDP_SEGMENT, segment],
      ],
      heard: (bytes) => void ledger.note(bytes),
    })
    const isConnected = draw.chance(0.5)
    if (isConnected) end.connect(peer)
    const isBound = discover === IP_PMTUDISC_DO || discover === IP_PMTUDISC_PROBE
    const state = { end, segment, isBound, next: 0, sent: 0, calls: 0 }
    /** Sends the next datagrams, by one call. */
    const send = (lengths: readonly number[]): void => {
      const bytes = Buffer.concat(
        lengths.map((length, k) => datagram(flow, state.next + k, length))
      )
      if (end.send(bytes, isConnected ? undefined : peer)) {
        state.sent += lengths.length
        state.calls++
      }
      state.next += lengths.length
    }
    return Object.assign(state, { send })
  }
  const open = Array.from({ length: flows }, (_, flow) => openFlow(flow))
  type Flow = (typeof open)[number]
  /** What a flow sends next: one datagram, or some of one length and a shorter one. */
  const lengthsOf = ({ segment }: Flow, left: number): number[] => {
    if (segment === 0) return [Math.max(HEADER, draw.scale(HEADER, knobs.bytes) | 0)]
    const lengths = Array<number>(Math.min(left, draw.whole(1, SEGMENTS))).fill(segment)
    lengths[lengths.length - 1] = draw.whole(HEADER, segment)
    return lengths
  }
  return {
    ledger,
    sent: (): number => open.reduce((sum, { sent }) => sum + sent, 0),
    calls: (): number => open.reduce((sum, { calls }) => sum + calls, 0),
    errors: (): number[] => open.flatMap(({ end }) => end.errors),
    isCutting: (): boolean => open.some(({ segment }) => segment > 0),
    isAnyBound: (): boolean => open.some(({ isBound }) => isBound),
    /** All that is sent, no faster than the bottleneck takes it and what answers it. */
    schedule: (): Change[] => {
      const changes: Change[] = []
      const left = open.map(() => rounds)
      let atMs = 1
      while (left.some((each) => each > 0)) {
        for (const [k, flow] of open.entries()) {
          if (left[k] === 0) continue
          const lengths = lengthsOf(flow, left[k]!)
          left[k]! -= lengths.length
          changes.push({ atMs, act: async () => flow.send(lengths) })
          const bytes = lengths.reduce((sum, length) => sum + Math.max(length, back), 0)
          atMs += 2 * wireMs(bytes) + draw.scale(0.01, 10)
        }
      }
      return changes
    },
    /** One more of each flow, one after the other: a few large ones fill a socket. */
    last: (): Change[] =>
      open.map((flow, k) => {
        const whole = flow.isBound ? Math.min(knobs.bytes, SMALL) : knobs.bytes
        const length = flow.segment || whole
        return { atMs: 1000 * k, act: async () => flow.send([length]) }
      }),
    /** The last one of each flow is there, and so is its answer. */
    checkLast: (there: Ledger): void => {
      for (let flow = 0; flow < flows; flow++)
        if (
          !there.has(flow, rounds + TRIES - 1) ||
          (back > 0 && !ledger.has(flow, rounds + TRIES - 1))
        )
          throw new Fault('lost', `on good links nothing of flow ${flow} arrives`)
    },
    close: (): void => {
      for (const { end } of open) end.close()
    },
  }
}
type Client = ReturnType<typeof createClient>

/** Nothing that arrived is wrong, all is counted, and what did not arrive was lost by somebody who says so. */
const check = ({ a, b, r, knobs }: World, client: Client, server: Server): void => {
  const { duplicate, corrupt, loss, mtu, changes, back } = knobs
  const there = server.ledger
  const answered = client.ledger
  // fragments of one datagram may each have lost a bit, which its sum does not see
  const isCut = Math.max(knobs.bytes, back) > SMALL
  if (there.wrong + answered.wrong > 0 && !(corrupt > 0 && isCut))
    throw new Fault('corrupt', `${there.wrong} there and ${answered.wrong} back are wrong`)
  if (duplicate === 0 && there.again + answered.again > 0)
    throw new Fault('corrupt', `${there.again} there and ${answered.again} back come twice`)

  const udp = knobs.family === 6 ? 'Udp6' : 'Udp'
  const counted = [
    [a, 'OutDatagrams', client.calls()],
    [b, 'InDatagrams', there.calls],
    [b, 'OutDatagrams', server.answers()],
    [a, 'InDatagrams', answered.calls],
  ] as const
  for (const [host, name, calls] of counted)
    if (host.mib(`${udp}${name}`) !== calls)
      throw new Fault(
        'lost',
        `${host.name}: ${udp}${name} ${host.mib(`${udp}${name}`)}, not ${calls}`
      )

  if (corrupt > 0) return
  const may = [
    ...(client.isAnyBound() || mtu < FULL_MTU || changes > 0 ? [EMSGSIZE] : []),
    ...(loss > 0 ? [EHOSTUNREACH] : []),
  ]
  const errors = [...client.errors(), ...server.errors()].filter((each) => !may.includes(each))
  if (errors.length > 0) throw new Fault('error', `errno ${[...new Set(errors)]}`)

  if (loss > 0) return
  const missing = client.sent() - there.came + (back > 0 ? there.came - answered.came : 0)
  const told = [a, b, r].flatMap((host) => TOLD.map((reason) => host.drops(reason)))
  const sum = told.reduce((all, each) => all + each)
  // a super-frame is one packet
  if (missing > sum * (client.isCutting() ? SEGMENTS : 1))
    throw new Fault('lost', `${missing} are missing, ${sum} packets counted`)
}
