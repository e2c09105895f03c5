/**
 * Sockets as ss prints them: columns as wide as their widest cell, the detail lines of -i -m -e -o, and the summary of
 * -s. Addresses and ports are numbers, as with -n. iproute2: misc/ss.c.
 */
import type { SockItem } from '../../core/control/text/messages.ts'
import { TCP_INFO } from '../../core/socket/sock-info.ts'

export type SsShow = {
  readonly netid: boolean
  readonly state: boolean
  readonly header: boolean
  readonly info: boolean
  readonly memory: boolean
  readonly extended: boolean
  readonly options: boolean
  readonly oneline: boolean
  readonly tos: boolean
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

/** What a window per round trip makes, in bit/s. */
const sendRate = ({ cwnd, mss, rtt }: SockItem): string[] => {
  if (cwnd === undefined || mss === undefined || rtt === undefined || rtt <= 0) return []
  return [`send ${Math.round((mss * 8 * cwnd * 1000) / rtt)}bps`]
}
const congInfo = ({ cong, cong_info }: SockItem): string[] =>
  cong_info === undefined
    ? []
    : [
        `${cong}:(${Object.entries(cong_info)
          .map(([word, value]) => `${word}:${value}${word === 'bw' ? 'bps' : ''}`)
          .join(',')})`,
      ]

const limitOf = ({ max_pacing_rate: limit }: SockItem, word: string): string =>
  word === 'pacing_rate' && limit !== undefined ? `/${limit}bps` : ''
/** What was agreed on with the peer, which ss counts among the options. */
const AGREED: readonly (keyof typeof TCP_INFO)[] = ['ts', 'sack', 'ecn', 'ecnseen', 'fastopen']
const TCP_REORDERING = 3
/** As printf's %g. */
const general = (value: number): number => Number(value.toPrecision(6))

/** A word as ss prints it, or nothing. */
const infoWord = (sock: SockItem, word: keyof typeof TCP_INFO): string[] => {
  if (word === 'send') return sendRate(sock)
  if (word === 'cong_info') return congInfo(sock)
  const value = sock[word]
  if (value === undefined || value === false || value === '') return []
  const how = TCP_INFO[word]
  if (how === 'flag') return [word]
  if (how === 'name') return [String(value)]
  // the order that everybody begins with
  if (word === 'reordering' && value === TCP_REORDERING) return []
  if (how !== 'always' && (value === 0 || value === '0/0')) return []
  if (how === 'limit') return []
  if (how === 'rate') return [`${word} ${value}bps${limitOf(sock, word)}`]
  if (how === 'rtt') return [`${word}:${general(Number(value))}/${general(sock.rttvar ?? 0)}`]
  return [`${word}:${value}${how === 'ms' ? 'ms' : ''}`]
}

const infoText = (sock: SockItem, show: SsShow): string =>
  (Object.keys(TCP_INFO) as (keyof typeof TCP_INFO)[])
    .filter((word) => show.options || !AGREED.includes(word))
    .flatMap((word) => infoWord(sock, word))
    .join(' ')

/** It has no peer: it listens, or takes what comes. */
const isOpenEnded = ({ state }: SockItem): boolean => state === 'LISTEN' || state === 'UNCONN'

/** As printf's %#x. */
const hex = (value: number): string => (value === 0 ? '0' : `0x${(value >>> 0).toString(16)}`)
const tosText = ({ tos, tclass, priority }: SockItem): string =>
  (tos === undefined ? '' : ` tos:${hex(tos)}`) +
  (tclass === undefined ? '' : ` tclass:${hex(tclass)}`) +
  (priority === undefined ? '' : ` class_id:${hex(priority)}`)
const endText = (sock: SockItem, show: SsShow): string => {
  let text = ''
  if (show.options && sock.timer !== undefined) {
    text += ` timer:(${sock.timer.type},${timerText(sock.timer.expires_ms)},${sock.timer.retrans})`
  }
  if (show.extended) {
    const v6only = sock.family === 'inet6' && isOpenEnded(sock)
    const [reads, sends] = [(sock.shutdown & 1) === 0, (sock.shutdown & 2) === 0]
    const mark = sock.mark === undefined ? '' : ` fwmark:0x${sock.mark.toString(16)}`
    text += ` sk:${sock.sk}${mark}${v6only ? ` v6only:${sock.v6only ? 1 : 0}` : ''}`
    text += ` ${reads ? '<' : '-'}-${sends ? '>' : '-'}${show.tos ? tosText(sock) : ''}`
    text += ` worker:${sock.worker} hash:${sock.hash}`
  } else if (show.tos) text += tosText(sock)
  // The blank before the first word is ss's own: the column has none.
  return text
}

const detailText = (sock: SockItem, show: SsShow): string => {
  const parts: string[] = []
  if (show.memory) parts.push(skmemText(sock))
  if (show.info && sock.netid === 'tcp') parts.push(infoText(sock, show))
  return parts.filter((part) => part !== '').join(' ')
}

/** State, Recv-Q, Send-Q and both ends, as cells; the address right, the port left of their colon. */
const cellsOf = (sock: SockItem, show: SsShow): string[] => [
  ...(show.netid ? [sock.netid] : []),
  ...(show.state ? [sock.state] : []),
  String(sock.recv_q).padEnd(6),
  String(sock.send_q).padEnd(6),
  ...(sock.family === 'packet' ? linkEnds(sock) : ends(sock)),
]
const ETH_P_ALL = 3
/** What a packet socket listens for, and where. */
const linkEnds = ({ local, dev }: SockItem): string[] => [
  local.port === ETH_P_ALL ? '*:' : `[${local.port}]:`,
  dev ?? '*',
  '*',
  '',
]
const ends = (sock: SockItem): string[] => {
  const device = sock.dev === undefined ? '' : `%${sock.dev}`
  const peer =
    isOpenEnded(sock) && sock.peer.port === 0 ? anyOf(sock) : addrText(sock.peer.addr, false)
  return [
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

/** Prints some sockets, and then others below them: the header once, columns as wide as anything so far. */
export const createSsPrinter = (show: SsShow) => {
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
  const widths = head.map((cell) => (show.header ? cell.length : 0))
  const first = head.length - 4
  let hasHeader = !show.header
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
  return (socks: readonly SockItem[]): string => {
    const rows = socks.map((sock) => cellsOf(sock, show))
    for (const row of rows)
      for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i]!, cell.length)
    const lines = hasHeader ? [] : [line(head, 'Process')]
    hasHeader = true
    for (const [i, sock] of socks.entries()) {
      const detail = detailText(sock, show)
      const end = endText(sock, show)
      if (show.oneline) lines.push(line(rows[i]!, end + (detail === '' ? '' : ` ${detail}`)))
      else lines.push(line(rows[i]!, end), ...(detail === '' ? [] : [`\t ${detail}`]))
    }
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`
  }
}
export const ssText = (socks: readonly SockItem[], show: SsShow): string =>
  createSsPrinter(show)(socks)

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
