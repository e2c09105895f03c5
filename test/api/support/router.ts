/**
 * The router that tests of the API and the command line look at: the real control plane over a small arena, worker 0's
 * neighbour table, and in shared memory what workers would have left there (counters, drops, sockets, a flow).
 */
import { IPPROTO_TCP, IPPROTO_UDP } from '../../../core/wire/ipproto.ts'
import { AF_INET, AF_INET6 } from '../../../core/base/family.ts'
import { createTimerWheel } from '../../../core/base/timer-wheel.ts'
import { createTime, setTime } from '../../../core/base/time.ts'
import type { Message } from '../../../core/control/text/messages.ts'
import { createNeighTable } from '../../../core/neigh/neigh-table.ts'
import { createNeighbour } from '../../../core/neigh/neighbour.ts'
import { DevStat, deviceStats } from '../../../core/netdev/netdev.ts'
import type { Arena } from '../../../core/shm/arena.ts'
import { counterBank, Mib, Softnet } from '../../../core/shm/counters.ts'
import { Ipi } from '../../../core/shm/ipi.ts'
import { FLOW_WORDS } from '../../../core/shm/layout.ts'
import { Drop, DROP_COUNTERS, deviceDrops } from '../../../core/skb/drop.ts'
import * as sock from '../../../core/socket/sock.ts'
import * as flow from '../../../core/softnet/flow-table.ts'
import { fakeNets, itemOf, makeControl } from '../../support/control-plane.ts'

const V4 = 0xffff
const LOCALHOST = [0, 0, V4, 0x7f000001] as const
const NOW_US = 1e6

/** Worker 0's state machine of neighbours; none of them is ever asked. */
const runNeighbours = ({ arena, workerIpi }: ReturnType<typeof makeControl>): void => {
  const { layout } = arena
  const time = createTime()
  setTime(time, NOW_US)
  const neighbour = createNeighbour({
    arena,
    time,
    wheel: createTimerWheel(arena.i32, layout.wheels, time),
    ipi: workerIpi[0]!,
    table: createNeighTable(arena),
    random: () => 0,
    timer: layout.scratch,
    key: layout.scratch + 4,
    notify: () => {},
  })
  for (const [family, ethertype] of [
    ['v4', 0x0800],
    ['v6', 0x86dd],
  ] as const)
    neighbour.registerOps(family, { ethertype, solicit: () => {} })
}

/** Workers that have learned nothing. */
const forgetWhenAsked = ({ workerIpi }: ReturnType<typeof makeControl>): void => {
  for (const ipi of workerIpi)
    ipi.on(Ipi.RT_CACHE_FLUSH, (from, _a0, _a1, _a2, _a3, _a4, _a5, request) => {
      ipi.send(from, Ipi.REPLY, request, 0)
    })
}

type Sock = {
  worker?: number
  type?: number
  family?: number
  state: number
  port: number
  peer?: number
  addr?: readonly number[]
  queued?: number
  backlog?: number
}
const openSocks = (arena: Arena, socks: readonly Sock[]): void => {
  const { i32 } = arena
  const slabs = [0, 1].map((worker) => sock.sockSlab(arena, worker, true))
  for (const [n, one] of socks.entries()) {
    const sk = slabs[one.worker ?? 0]!.alloc()
    const put = (word: number, value: number): void => {
      i32[sk + word] = value
    }
    const addr = one.addr ?? LOCALHOST
    put(sock.SK_FAMILY, one.family ?? AF_INET)
    put(sock.SK_TYPE, one.type ?? sock.SOCK_STREAM)
    put(sock.SK_PROTOCOL, one.type === sock.SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP)
    put(sock.SK_STATE, one.state)
    i32.set(addr, sk + sock.SK_SADDR)
    i32.set(one.peer === undefined ? [0, 0, addr[2]!, 0] : addr, sk + sock.SK_DADDR)
    put(sock.SK_NUM, one.port)
    put(sock.SK_DPORT, one.peer ?? 0)
    put(sock.SK_RMEM, one.queued ?? 0)
    put(sock.SK_MAX_ACK_BACKLOG, one.backlog ?? 0)
    put(sock.SK_COOKIE, n + 1)
    put(sock.SK_RCVBUF, 131072)
    put(sock.SK_SNDBUF, 3939840)
  }
}

const count = (arena: Arena, nowUs: number): void => {
  const { f64, i32, layout } = arena
  const bank = (worker: number): number => counterBank(arena, worker)
  for (const worker of [0, 1]) {
    f64[bank(worker) + Softnet.processed] = 47522
    f64[bank(worker) + Softnet.time_squeeze] = 1
    f64[bank(worker) + Softnet.received_rps] = 255
    f64[bank(worker) + Softnet.calls] = 100
    f64[bank(worker) + Softnet.vectors] = 250
  }
  f64[bank(0) + DROP_COUNTERS + Drop.NO_SOCKET] = 1
  f64[bank(1) + DROP_COUNTERS + Drop.NO_SOCKET] = 3
  f64[bank(0) + DROP_COUNTERS + Drop.TCP_CSUM] = 1
  f64[deviceDrops(arena, 0, VETH0) + Drop.NO_SOCKET] = 1
  f64[deviceDrops(arena, 1, VETH0) + Drop.NO_SOCKET] = 1
  f64[deviceDrops(arena, 1, VETH1) + Drop.NO_SOCKET] = 1
  const mibs = {
    IpInReceives: 5,
    TcpActiveOpens: 1,
    TcpCurrEstab: 2,
    UdpInDatagrams: 9,
    TcpExtTCPTimeouts: 3,
    IpExtInOctets: 1276,
  }
  for (const [name, value] of Object.entries(mibs))
    f64[bank(0) + Mib[name as keyof typeof mibs]] = value
  const stats = deviceStats(arena, 0, VETH0)
  f64[stats + DevStat.rx_packets] = 1
  f64[stats + DevStat.rx_bytes] = 90
  f64[stats + DevStat.tx_packets] = 1
  f64[stats + DevStat.tx_bytes] = 110
  const addFlow = (worker: number, hash: number, packets: number, agoMs: number): void => {
    const row = layout.flows + worker * layout.config.flows * FLOW_WORDS
    i32[row + flow.FLOW_HASH] = hash
    i32[row + flow.FLOW_PROTO] = 6
    i32.set([0, 0, V4, 0x0a000001], row + flow.FLOW_SRC)
    i32.set([0, 0, V4, 0x0a000002], row + flow.FLOW_DST)
    i32[row + flow.FLOW_PORTS] = (1 << 16) | 80
    i32[row + flow.FLOW_DEV] = VETH0
    i32[row + flow.FLOW_PACKETS] = packets
    i32[row + flow.FLOW_LAST] = (Math.floor(nowUs / 1000) - agoMs) | 0
  }
  addFlow(0, 0x5e6f7a8b, 3, 1500)
  addFlow(1, 0x1a2b3c4d, 12, 0)
}

/** lo is 1. */
const VETH1 = 2
const VETH0 = 3

const SETUP: Message[] = [
  {
    type: 'CONFIG_SET',
    config: {
      link: [
        { ifname: 'lo', up: true },
        {
          ifname: 'veth1',
          kind: 'veth',
          up: true,
          data: { peer: 'veth0' },
          address: '7e:be:de:5d:c0:9c',
        },
        {
          ifname: 'veth0',
          up: true,
          address: '66:61:bd:5e:22:a2',
          addresses: ['10.1.0.254/24'],
        },
      ],
    },
  },
  {
    type: 'ETHTOOL_MSG_RSS_SET',
    rss: {
      ifname: 'veth0',
      hkey: Array.from({ length: 40 }, (_, k) => k.toString(16).padStart(2, '0')).join(':'),
    },
  },
  ...['10.1.0.253/24', 'fd00:1::1/64'].map((text): Message => {
    const [local = '', length] = text.split('/')
    const broadcast = local.includes(':') ? {} : { broadcast: '+' }
    const address = { dev: 'veth0', local, prefixlen: Number(length), ...broadcast }
    return { type: 'RTM_NEWADDR', flags: 0x600, address }
  }),
  ...[
    { dst: 'default', gateway: '10.1.0.1' },
    { dst: '10.5.0.0/16', dev: 'veth0', prefsrc: '10.1.0.254', metrics: [{ mtu: 1400 }] },
    { dst: '10.7.0.0/16', type: 'unreachable' as const },
    { dst: '10.9.0.0/16', gateway: '10.1.0.1', protocol: 'static', metric: 100 },
  ].map((route): Message => ({ type: 'RTM_NEWROUTE', flags: 0x600, route })),
  ...[
    { dst: '10.1.0.5', lladdr: '02:00:00:00:00:05' },
    { dst: '10.1.0.6', lladdr: '02:00:00:00:00:06', state: 'REACHABLE' as const },
    {
      dst: 'fd00:1::5',
      lladdr: '02:00:00:00:00:05',
      state: 'STALE' as const,
      flags: ['router'],
    },
  ].map(
    (neigh): Message => ({
      type: 'RTM_NEWNEIGH',
      flags: 0x600,
      neigh: { dev: 'veth0', ...neigh },
    })
  ),
]

export const createRouter = () => {
  const nets = fakeNets()
  const plane = makeControl({}, {}, 0, nets)
  const { arena, control } = plane
  runNeighbours(plane)
  forgetWhenAsked(plane)
  const setUp = async (): Promise<void> => {
    for (const message of SETUP) itemOf(await control.request(message))
    count(arena, plane.clock.us)
    openSocks(arena, [
      { state: sock.TCP_LISTEN, port: 7777, backlog: 5 },
      { state: sock.TCP_ESTABLISHED, port: 7777, peer: 49496, queued: 500 },
      { state: sock.TCP_ESTABLISHED, port: 49496, peer: 7777, worker: 1 },
      { type: sock.SOCK_DGRAM, state: sock.TCP_CLOSE, port: 53, addr: [0, 0, V4, 0] },
      {
        type: sock.SOCK_DGRAM,
        family: AF_INET6,
        state: sock.TCP_CLOSE,
        port: 54,
        addr: [0, 0, 0, 0],
      },
    ])
  }
  return { ...plane, nets, setUp }
}
