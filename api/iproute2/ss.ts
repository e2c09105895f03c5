/**
 * Sockets as ss prints them: columns as wide as their widest cell, the detail lines of -i -m -e -o, and the summary of
 * -s. Addresses and ports are numbers, as with -n. iproute2: misc/ss.c.
 */
import type { SockItem } from '../../core/control/text/messages.ts'
import type { TcpInfo } from '../../core/socket/sock-info.ts'

export type SsShow = {
  readonly netid: boolean
  readonly state: boolean
  readonly header: boolean
  readonly info: boolean
  readonly memory: boolean
  readonly extended: boolean
  readonly options: boolean
  readonly oneline: boolean
}

const addrText = (addr: string, isV6Only: boolean): string => {
  if (addr === '::') return isV6Only ? '[::]' : '*'
  return addr.includes(':') ? `[${addr}]` : addr
}

const portText = (port: number): string => (port === 0 ? '*' : String(port))

/** 119 min, 9.5 sec, 200ms: as ss rounds them. */
const timerText = (ms: number): string => {
  const minutes = Math.floor(ms / 60_000)
  const seconds = Math.floor((ms % 60_000) / 1000)
  const rest = ms % 1000
  if (minutes > 0) return `${minutes}min${minutes < 10 && seconds > 0 ? `${seconds}sec` : ''}`
  if (seconds > 9) return `${seconds}sec`
  if (seconds > 0)
    return `${seconds}${rest > 0 ? `.${String(rest).padStart(3, '0').replace(/0+$/, '')}` : ''}sec`
  return `${rest}ms`
}

const skmemText = ({ skmem }: SockItem): string =>
  `skmem:(r${skmem.rmem_alloc},rb${skmem.rcv_buf},t0,tb${skmem.snd_buf},f0,w${skmem.wmem_alloc},o0,bl0,d${skmem.sock_drop})`

/** ss -i's words in ss's order; [word] alone is printed when true, the others as word:value. */
const FLAGS = ['ts', 'sack', 'ecn'] as const
const BEFORE_RATES = [
  'rto',
  'backoff',
  'rtt',
  'ato',
  'mss',
  'pmtu',
  'rcvmss',
  'advmss',
  'cwnd',
  'ssthresh',
  'bytes_sent',
  'bytes_retrans',
  'bytes_acked',
  'bytes_received',
  'segs_out',
  'segs_in',
  'data_segs_out',
  'data_segs_in',
] as const
const TIMES = ['lastsnd', 'lastrcv', 'lastack'] as const
const AFTER_RATES = [
  'busy',
  'rwnd_limited',
  'sndbuf_limited',
  'unacked',
  'retrans',
  'lost',
  'sacked',
  'dsack_dups',
  'reordering',
  'rcv_rtt',
  'rcv_space',
  'rcv_ssthresh',
  'notsent',
  'minrtt',
  'snd_wnd',
  'rcv_wnd',
] as const
const IN_MS: ReadonlySet<string> = new Set(['busy', 'rwnd_limited', 'sndbuf_limited'])

const value = (sock: SockItem, word: keyof TcpInfo): string | null => {
  const found = sock[word]
  return found === undefined || found === false || found === '' ? null : String(found)
}

/** Zero says nothing, and ss does not print it, but for the times since the last segment. */
const pair = (sock: SockItem, word: keyof TcpInfo, isZeroShown = false): string[] => {
  const text = value(sock, word)
  if (text === null || (!isZeroShown && (text === '0' || text === '0/0'))) return []
  if (word === 'rtt') return [`rtt:${text}/${sock.rttvar ?? 0}`]
  return [`${word}:${text}${IN_MS.has(word) ? 'ms' : ''}`]
}

const rate = (sock: SockItem, word: keyof TcpInfo): string[] => {
  const text = value(sock, word)
  return text === null || text === '0' ? [] : [`${word} ${text}bps`]
}

/** What a window per round trip makes, in bit/s: ss works it out itself. */
const sendRate = ({ cwnd, mss, rtt }: SockItem): string[] => {
  if (cwnd === undefined || mss === undefined || rtt === undefined || rtt <= 0) return []
  return [`send ${Math.round((mss * 8 * cwnd * 1000) / rtt)}bps`]
}

export const infoText = (sock: SockItem): string => {
  const cong = value(sock, 'cong')
  const words = [
    ...FLAGS.filter((word) => value(sock, word) !== null),
    ...(cong === null ? [] : [cong]),
    ...pair(sock, 'wscale'),
    ...BEFORE_RATES.flatMap((word) => pair(sock, word)),
    ...sendRate(sock),
    ...TIMES.flatMap((word) => pair(sock, word, true)),
    ...rate(sock, 'pacing_rate'),
    ...rate(sock, 'delivery_rate'),
    ...pair(sock, 'delivered'),
    ...AFTER_RATES.flatMap((word) => pair(sock, word)),
  ]
  return words.join(' ')
}

const endText = (sock: SockItem, show: SsShow): string => {
  let text = ''
  if (show.options && sock.timer !== undefined) {
    text += ` timer:(${sock.timer.type},${timerText(sock.timer.expires_ms)},${sock.timer.retrans})`
  }
  if (show.extended)
    text += ` sk:${sock.sk}${sock.v6only === undefined ? '' : ` v6only:${sock.v6only ? 1 : 0}`}`
  if (show.extended) text += ` worker:${sock.worker} hash:${sock.hash}`
  // The blank before the first word is ss's own: the column has none.
  return text
}

const detailText = (sock: SockItem, show: SsShow): string => {
  const parts: string[] = []
  if (show.memory) parts.push(skmemText(sock))
  if (show.info && sock.netid === 'tcp') parts.push(infoText(sock))
  return parts.filter((part) => part !== '').join(' ')
}

/** State, Recv-Q, Send-Q and both ends, as cells; the address right, the port left of their colon. */
const cellsOf = (sock: SockItem, show: SsShow): string[] => {
  const device = sock.dev === undefined ? '' : `%${sock.dev}`
  const peerAny = sock.state === 'LISTEN' || sock.state === 'UNCONN'
  const peer = peerAny && sock.peer.port === 0 ? anyOf(sock) : addrText(sock.peer.addr, false)
  return [
    ...(show.netid ? [sock.netid] : []),
    ...(show.state ? [sock.state] : []),
    String(sock.recv_q),
    String(sock.send_q),
    `${addrText(sock.local.addr, sock.v6only === true)}${device}:`,
    portText(sock.local.port),
    `${peer}:`,
    portText(sock.peer.port),
  ]
}

const anyOf = (sock: SockItem): string => {
  if (sock.family === 'inet') return '0.0.0.0'
  return sock.v6only === true || sock.local.addr !== '::' ? '[::]' : '*'
}

export const ssText = (socks: readonly SockItem[], show: SsShow): string => {
  const head = [
    ...(show.netid ? ['Netid'] : []),
    ...(show.state ? ['State'] : []),
    'Recv-Q',
    'Send-Q',
    'Local Address:',
    'Port',
    'Peer Address:',
    'Port',
  ]
  const rows = socks.map((sock) => cellsOf(sock, show))
  const measured = show.header ? [head, ...rows] : rows
  const widths = head.map((_, i) => Math.max(0, ...measured.map((row) => row[i]!.length)))
  const first = head.length - 4
  const line = (cells: readonly string[], end: string): string => {
    let text = ''
    for (let i = 0; i < cells.length; i++) {
      const isAddress = i === first || i === first + 2
      text += isAddress ? cells[i]!.padStart(widths[i]!) : cells[i]!.padEnd(widths[i]!)
      // The colon stands between address and port, and Process follows the port at once.
      if (!isAddress && i < cells.length - 1) text += ' '
    }
    return text + (show.header ? end.padEnd('Process'.length) : end)
  }
  const lines = show.header ? [line(head, 'Process')] : []
  for (const [i, sock] of socks.entries()) {
    const detail = detailText(sock, show)
    const end = endText(sock, show)
    if (show.oneline) lines.push(line(rows[i]!, end + (detail === '' ? '' : ` ${detail}`)))
    else lines.push(line(rows[i]!, end), ...(detail === '' ? [] : [`\t ${detail}`]))
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** ss -s. */
export const ssSummary = (socks: readonly SockItem[]): string => {
  const count = (test: (sock: SockItem) => boolean): number => socks.filter(test).length
  const tcp = (...states: string[]) => count((s) => s.netid === 'tcp' && states.includes(s.state))
  const row = (name: string, netids: readonly string[]): string => {
    const v4 = count((s) => netids.includes(s.netid) && s.family === 'inet')
    const v6 = count((s) => netids.includes(s.netid) && s.family === 'inet6')
    return `${name}\t  ${String(v4 + v6).padEnd(10)}${String(v4).padEnd(10)}${String(v6).padEnd(9)}`
  }
  const all = count((s) => s.netid === 'tcp')
  return [
    `Total: ${socks.length}`,
    `TCP:   ${all} (estab ${tcp('ESTAB')}, closed ${tcp('TIME-WAIT', 'UNCONN')}, orphaned 0, timewait ${tcp('TIME-WAIT')})`,
    '',
    'Transport Total     IP        IPv6',
    row('RAW', ['raw']),
    row('UDP', ['udp']),
    row('TCP', ['tcp']),
    row('INET', ['raw', 'udp', 'tcp']),
    '',
    '',
  ].join('\n')
}
