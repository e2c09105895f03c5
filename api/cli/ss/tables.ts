/**
 * Which sockets ss shows: the tables of sockets that are asked for, of which families and in which states. Of most tables there are no
 * sockets here, as on a Linux without them. iproute2: default_dbs, default_afs, filter_db_parse (misc/ss.c).
 */
import type { SockItem, SockProtocol } from '../../../core/control/text/messages.ts'
import { SOCK_STATES } from '../../endpoints/sockets.ts'
import { UsageError } from '../cli.ts'

const UNCONNECTED = ['LISTEN', 'UNCONN', 'TIME-WAIT', 'SYN-RECV']
/** SS_CONN */
const CONNECTED = SOCK_STATES.filter((state) => !UNCONNECTED.includes(state))
const ESTABLISHED = ['ESTAB']
const CLOSED = ['UNCONN']

type Table = {
  families: readonly string[]
  states: readonly string[]
  /** Where its sockets are found, and which of those; without it there are none. */
  protocol?: SockProtocol
  netid?: SockItem['netid']
}
const INET = ['inet', 'inet6']
const none = (family: string, states: readonly string[]): Table => ({ families: [family], states })
const TABLES: Readonly<Record<string, Table>> = {
  packet_raw: { protocol: 'packet', netid: 'p_raw', families: ['packet'], states: CLOSED },
  packet_dgram: { protocol: 'packet', netid: 'p_dgr', families: ['packet'], states: CLOSED },
  raw: { protocol: 'raw', families: INET, states: ESTABLISHED },
  udp: { protocol: 'udp', families: INET, states: ESTABLISHED },
  tcp: { protocol: 'tcp', families: INET, states: CONNECTED },
  mptcp: { families: INET, states: CONNECTED },
  sctp: { families: INET, states: CONNECTED },
  dccp: { families: INET, states: CONNECTED },
  unix_dgram: none('unix', CONNECTED),
  unix_stream: none('unix', CONNECTED),
  unix_seqpacket: none('unix', CONNECTED),
  netlink: none('netlink', CLOSED),
  vsock_stream: none('vsock', CONNECTED),
  vsock_dgram: none('vsock', CONNECTED),
  tipc: none('tipc', CONNECTED),
  xdp: none('xdp', CLOSED),
}
const unix = ['unix_dgram', 'unix_stream', 'unix_seqpacket']
const packet = ['packet_raw', 'packet_dgram']
const vsock = ['vsock_stream', 'vsock_dgram']
const inet = ['udp', 'dccp', 'tcp', 'mptcp', 'sctp', 'raw']
/** Names of several, and other names. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  all: Object.keys(TABLES).filter((name) => name !== 'tipc'),
  inet,
  unix,
  packet,
  vsock,
  u_dgr: ['unix_dgram'],
  u_str: ['unix_stream'],
  u_seq: ['unix_seqpacket'],
  p_raw: ['packet_raw'],
  p_dgr: ['packet_dgram'],
  v_str: ['vsock_stream'],
  v_dgr: ['vsock_dgram'],
}
const tablesOf = (name: string): readonly string[] | undefined =>
  Object.hasOwn(TABLES, name) ? [name] : Object.hasOwn(GROUPS, name) ? GROUPS[name] : undefined

/** AF_PACKET is `link` to whoever asks for a family. */
const FAMILIES: Readonly<Record<string, { family: string; tables: readonly string[] }>> = {
  inet: { family: 'inet', tables: inet },
  inet6: { family: 'inet6', tables: inet },
  link: { family: 'packet', tables: packet },
  unix: { family: 'unix', tables: unix },
  netlink: { family: 'netlink', tables: ['netlink'] },
  vsock: { family: 'vsock', tables: vsock },
  tipc: { family: 'tipc', tables: ['tipc'] },
  xdp: { family: 'xdp', tables: ['xdp'] },
}

export const createSsTables = () => {
  const tables = new Set<string>()
  const families = new Set<string>()
  const states = new Set<string>()
  let isAsked = false

  /** As -t, -u and so on ask for them (filter_db_set). */
  const take = (name: string): void => {
    isAsked = true
    for (const each of tablesOf(name)!) {
      tables.add(each)
      for (const state of TABLES[each]!.states) states.add(state)
    }
  }
  /** -A: names with commas between; one with a `!` is taken away. */
  const query = (text: string): void => {
    isAsked = true
    for (const word of text.split(',')) {
      const named = tablesOf(word.replace(/^!/, ''))
      if (named === undefined) throw new UsageError(`ss: "${word}" is illegal socket table id`)
      for (const each of named) word.startsWith('!') ? tables.delete(each) : tables.add(each)
    }
  }
  /** -4, -6 and -f. */
  const family = (name: string): void => {
    const found = Object.hasOwn(FAMILIES, name) ? FAMILIES[name]! : undefined
    if (found === undefined) throw new UsageError(`ss: "${name}" is invalid family`)
    families.add(found.family)
    for (const each of found.tables) for (const state of TABLES[each]!.states) states.add(state)
    if (name === 'inet' || name === 'inet6') for (const state of CONNECTED) states.add(state)
  }

  /** Once all is said: a family brings its tables, a table its families, unless there is one already (filter_merge_defaults). */
  const settle = () => {
    if (!isAsked && families.size === 0) for (const each of GROUPS['all']!) tables.add(each)
    for (const { family: af, tables: of } of Object.values(FAMILIES))
      if (families.has(af) && !of.some((each) => tables.has(each)))
        for (const each of of) tables.add(each)
    for (const each of tables) {
      const of = TABLES[each]!.families
      if (!of.some((af) => families.has(af))) for (const af of of) families.add(af)
    }
    const shown = Object.keys(TABLES).flatMap((name) => (tables.has(name) ? [TABLES[name]!] : []))
    return {
      count: shown.length,
      states: states.size === 0 ? CONNECTED : [...states],
      protocols: [...new Set(shown.flatMap(({ protocol }) => protocol ?? []))],
      isOfFamily: (sock: SockItem): boolean => families.has(sock.family),
      /** Is the socket one of theirs? */
      has: (sock: SockItem): boolean =>
        families.has(sock.family) &&
        shown.some(({ protocol, netid }) => (netid ?? protocol) === sock.netid),
    }
  }
  return { take, query, family, settle }
}
