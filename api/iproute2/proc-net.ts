/**
 * The files of /proc/net, byte for byte as the kernel's seq_files print them: column widths, padding and number bases
 * are those of net/core/net-procfs.c, net/ipv4/{proc,fib_trie,arp,tcp_ipv4,udp}.c, net/ipv6/{tcp_ipv6,udp}.c. Made from
 * the control plane's items; what is IPv6's alone is in proc-net6.ts.
 */
import type {
  LinkItem,
  LinkStats,
  NeighItem,
  RouteItem,
  SockItem,
  WorkerItem,
} from '../../core/control/text/messages.ts'
import { DEV_STAT_ROWS } from '../../core/netdev/netdev.ts'
import { SOFTNET_STAT } from '../../core/shm/softnet-stat.ts'
import type { SockTimer } from '../../core/socket/sock-info.ts'
import { parseAddr, parsePrefix } from '../../core/wire/text.ts'
import { inKernelOrder } from './route-order.ts'

type Counters = Readonly<Record<string, number>>

const hex = (n: number, width: number): string => (n >>> 0).toString(16).padStart(width, '0')
const HEX = (n: number, width: number): string => hex(n, width).toUpperCase()

/** softnet_stat: fifteen columns a CPU; those between time_squeeze and received_rps have no meaning any more. */
export const softnetStat = (workers: readonly WorkerItem[]): string =>
  workers
    .map((worker) => {
      const columns: number[] = Array(15).fill(0)
      for (const column of SOFTNET_STAT)
        if ('proc' in column) columns[column.proc] = worker[column.name]
      // The kernel's are 32-bit counters.
      return `${columns.map((n) => hex(n % 2 ** 32, 8)).join(' ')}\n`
    })
    .join('')

/** Counters of one group, without its name: Ip is neither Ip6 nor IpExt. */
const group = (counters: Counters, prefix: string): [string, number][] =>
  Object.entries(counters)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]): [string, number] => [name.slice(prefix.length), value])
    .filter(([name]) => /^(?!Ext)[A-Z]/.test(name))

const twoLines = (name: string, columns: readonly (readonly [string, number])[]): string =>
  `${name}: ${columns.map(([column]) => column).join(' ')}\n${name}: ${columns.map(([, value]) => value).join(' ')}\n`

const UDP_WORDS = [
  'InDatagrams',
  'NoPorts',
  'InErrors',
  'OutDatagrams',
  'RcvbufErrors',
  'SndbufErrors',
  'InCsumErrors',
  'IgnoredMulti',
  'MemErrors',
]

export const snmp = (counters: Counters, forwarding: number, defaultTtl: number): string =>
  [
    // Forwarding is 1 (yes) or 2 (no), as RFC 1213 says.
    twoLines('Ip', [
      ['Forwarding', forwarding ? 1 : 2],
      ['DefaultTTL', defaultTtl],
      ...group(counters, 'Ip'),
    ]),
    twoLines('Icmp', group(counters, 'Icmp')),
    twoLines('Tcp', [
      ['RtoAlgorithm', 1],
      ['RtoMin', 200],
      ['RtoMax', 120000],
      ['MaxConn', -1],
      ...group(counters, 'Tcp'),
    ]),
    twoLines(
      'Udp',
      UDP_WORDS.map((word) => [word, counters[`Udp${word}`] ?? 0])
    ),
    twoLines(
      'UdpLite',
      UDP_WORDS.map((word) => [word, 0])
    ),
  ].join('')

export const netstat = (counters: Counters): string =>
  twoLines('TcpExt', group(counters, 'TcpExt')) + twoLines('IpExt', group(counters, 'IpExt'))

/** The columns of /proc/net/dev, how wide each half has them. What no statistic is added to is 0. */
const DEV_COLUMNS = {
  rx: { bytes: 7, packets: 7, errs: 4, drop: 4, fifo: 4, frame: 5, compressed: 10, multicast: 9 },
  tx: { bytes: 8, packets: 7, errs: 4, drop: 4, fifo: 4, colls: 5, carrier: 7, compressed: 10 },
}
const devColumns = (stats64: LinkStats, half: 'rx' | 'tx'): string => {
  const sums = new Map<string, number>()
  const counted: Readonly<Record<string, number>> = stats64[half]
  for (const row of DEV_STAT_ROWS) {
    if (!('proc' in row) || row.stats64[0] !== half) continue
    sums.set(row.proc, (sums.get(row.proc) ?? 0) + counted[row.stats64[1]]!)
  }
  return Object.entries(DEV_COLUMNS[half])
    .map(([column, width]) => String(sums.get(column) ?? 0).padStart(width))
    .join(' ')
}

export const dev = (links: readonly LinkItem[]): string => {
  const lines = links.map(
    ({ ifname, stats64 }) =>
      `${ifname.padStart(6)}: ${devColumns(stats64, 'rx')} ${devColumns(stats64, 'tx')}\n`
  )
  return `Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n${lines.join('')}`
}

/** A big-endian word as a little-endian machine prints it with %08X. */
const swapped = (n: number): string =>
  HEX(((n & 255) << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24), 8)

const v4 = (text: string): string => swapped(parseAddr(text)?.words[3] ?? 0)

const RTF_UP = 1
const RTF_GATEWAY = 2
const RTF_HOST = 4
const RTF_REJECT = 0x200

export const route = (routes: readonly RouteItem[]): string => {
  const lines = inKernelOrder(routes)
    .filter(
      (r) =>
        r.family === 'inet' &&
        r.table === 'main' &&
        r.type !== 'broadcast' &&
        r.type !== 'multicast'
    )
    .map((r) => {
      const dst = parsePrefix(r.dst === 'default' ? '0.0.0.0/0' : r.dst)
      const len = dst?.prefixlen ?? 0
      const mask = len === 0 ? 0 : -1 << (32 - len)
      // of several next hops it tells the first; a gateway of IPv6 has no place in it
      const { gateway, via, dev = '*' } = r.nexthops?.[0] ?? r
      let flags = RTF_UP
      if (r.type === 'unreachable' || r.type === 'prohibit') flags = RTF_REJECT | RTF_UP
      if (gateway !== undefined || via !== undefined) flags |= RTF_GATEWAY
      if (len === 32) flags |= RTF_HOST
      const { advmss, window = 0, rtt = 0 } = r.metrics?.[0] ?? {}
      const columns = [
        dev,
        swapped(dst?.words[3] ?? 0),
        gateway === undefined ? '00000000' : v4(gateway),
        HEX(flags, 4),
        0,
        0,
        r.metric ?? 0,
        swapped(mask),
        advmss === undefined ? 0 : advmss + 40,
        window,
        rtt,
      ]
      return `${columns.join('\t').padEnd(127)}\n`
    })
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'
  return `${head.padEnd(127)}\n${lines.join('')}`
}

const ATF_COM = 2
const ATF_PERM = 4
const ATF_PUBL = 8

export const arp = (neighs: readonly NeighItem[]): string => {
  const lines = neighs
    .filter((n) => !n.dst.includes(':') && !n.state.includes('NOARP'))
    .map((n) => {
      let flags = 0
      const isValid = n.state.some((state) => !['NONE', 'INCOMPLETE', 'FAILED'].includes(state))
      if (n.state.includes('PERMANENT')) flags = ATF_PERM | ATF_COM
      else if (isValid) flags = ATF_COM
      if (n.proxy) flags = ATF_PERM | ATF_PUBL
      const mac = n.lladdr ?? '00:00:00:00:00:00'
      return `${n.dst.padEnd(16)} 0x${'1'.padEnd(10)}0x${flags.toString(16).padEnd(10)}${mac.padEnd(17)}     *        ${n.dev}\n`
    })
  return `IP address       HW type     Flags       HW address            Mask     Device\n${lines.join('')}`
}

const TCP_STATE: Readonly<Record<string, number>> = {
  ESTAB: 1,
  'SYN-SENT': 2,
  'SYN-RECV': 3,
  'FIN-WAIT-1': 4,
  'FIN-WAIT-2': 5,
  'TIME-WAIT': 6,
  UNCONN: 7,
  'CLOSE-WAIT': 8,
  'LAST-ACK': 9,
  LISTEN: 10,
  CLOSING: 11,
}
const TIMER_NUMBER: Readonly<Record<SockTimer['type'], number>> = {
  on: 1,
  keepalive: 2,
  timewait: 3,
  persist: 4,
}

const end4 = (addr: string, port: number): string => `${v4(addr)}:${HEX(port, 4)}`
const end6 = (addr: string, port: number): string =>
  `${(parseAddr(addr)?.words ?? [0, 0, 0, 0]).map(swapped).join('')}:${HEX(port, 4)}`

/** Columns that tcp, tcp6 and udp share, up to the inode. */
const sockColumns = (s: SockItem, end: typeof end4): string => {
  const timer = s.timer === undefined ? 0 : TIMER_NUMBER[s.timer.type]
  // In clock ticks of 10 ms, as jiffies_delta_to_clock_t gives them.
  const when = Math.round((s.timer?.expires_ms ?? 0) / 10)
  return [
    end(s.local.addr, s.local.port),
    end(s.peer.addr, s.peer.port),
    HEX(TCP_STATE[s.state] ?? 7, 2),
    // of a listener: who waits for accept
    `${HEX(s.state === 'LISTEN' ? 0 : s.send_q, 8)}:${HEX(s.recv_q, 8)}`,
    `${HEX(timer, 2)}:${HEX(when, 8)}`,
    HEX(s.timer?.retrans ?? 0, 8),
    String(0).padStart(5),
    String(0).padStart(8),
    '0',
    '1',
    '0'.repeat(16),
  ].join(' ')
}

/** rto, ato, quick ack, cwnd, ssthresh: in ticks of 10 ms, -1 where ssthresh is not set yet. */
const tcpColumns = ({ state, rto = 0, ato = 0, cwnd = 10, ssthresh = -1 }: SockItem): string => {
  const ticks = (ms: number): number => Math.round(ms / 10)
  return state === 'LISTEN' ? '100 0 0 10 0' : `${ticks(rto)} ${ticks(ato)} 0 ${cwnd} ${ssthresh}`
}

export const tcp = (socks: readonly SockItem[]): string => {
  const lines = socks
    .filter((s) => s.family === 'inet')
    .map((s, i) => `${String(i).padStart(4)}: ${sockColumns(s, end4)} ${tcpColumns(s)}`.padEnd(149))
  const head =
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
  return `${[head.padEnd(149), ...lines].join('\n')}\n`
}

export const tcp6 = (socks: readonly SockItem[]): string => {
  const lines = socks
    .filter((s) => s.family === 'inet6')
    .map((s, i) => `${String(i).padStart(4)}: ${sockColumns(s, end6)} ${tcpColumns(s)}`)
  const head =
    '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
  return `${[head, ...lines].join('\n')}\n`
}

const udpLine = (s: SockItem, end: typeof end4, width = 5): string =>
  `${String(s.local.port % 65536).padStart(width)}: ${sockColumns(s, end)} ${s.skmem.sock_drop}`

const datagrams = (socks: readonly SockItem[], head: string): string => {
  const lines = socks.filter((s) => s.family === 'inet').map((s) => udpLine(s, end4).padEnd(127))
  return `${[head.padEnd(127), ...lines].join('\n')}\n`
}
const UDP_HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'
export const udp = (socks: readonly SockItem[]): string => datagrams(socks, ` ${UDP_HEAD}`)
/** Ping sockets. */
export const icmp = (socks: readonly SockItem[]): string => datagrams(socks, UDP_HEAD)

const UDP6_HEAD =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'
export const udp6 = (socks: readonly SockItem[]): string => {
  const lines = socks.filter((s) => s.family === 'inet6').map((s) => udpLine(s, end6))
  return `${[UDP6_HEAD, ...lines].join('\n')}\n`
}

/** A raw socket's port is its protocol. */
const RAW_WIDTH = 4
export const raw = (socks: readonly SockItem[]): string => {
  const lines = socks.filter((s) => s.family === 'inet').map((s) => udpLine(s, end4, RAW_WIDTH))
  return `${[UDP_HEAD, ...lines].join('\n')}\n`
}

export const raw6 = (socks: readonly SockItem[]): string => {
  const lines = socks.filter((s) => s.family === 'inet6').map((s) => udpLine(s, end6))
  return `${[UDP6_HEAD, ...lines].join('\n')}\n`
}

/** Packet sockets; where the kernel hashes their places in memory stand their cookies. R: it listens. */
export const packet = (socks: readonly SockItem[], links: readonly LinkItem[]): string => {
  const ifindexOf = (dev: string | undefined): number =>
    links.find(({ ifname }) => ifname === dev)?.ifindex ?? 0
  const lines = socks.map(({ sk, netid, local, dev, skmem }) =>
    [
      `${sk.padStart(16, '0')} ${(local.port === 0 ? '2' : '3').padEnd(6)} ${netid === 'p_dgr' ? 2 : 3}   `,
      `${hex(local.port, 4)}   ${String(ifindexOf(dev)).padEnd(5)} ${local.port === 0 ? 0 : 1}`,
      `${String(skmem.rmem_alloc).padEnd(6)} ${'0'.padEnd(6)} ${'0'.padEnd(6)}`,
    ].join(' ')
  )
  return `${['sk               RefCnt Type Proto  Iface R Rmem   User   Inode', ...lines].join('\n')}\n`
}
