import { describe, expect, test } from 'bun:test'
import * as inet from '../../../core/inet/inet-constants.ts'
import * as neigh from '../../../core/neigh/neigh-constants.ts'
import * as nexthop from '../../../core/inet/fib/nexthop-constants.ts'
import * as netdev from '../../../core/netdev/netdev.ts'
import {
  DEVICE_WORDS,
  NEIGH_WORDS,
  NEXTHOP_WORDS,
  SKB_WORDS,
  SOCK_WORDS,
} from '../../../core/shm/layout.ts'
import * as skb from '../../../core/skb/skb.ts'
import * as inetSock from '../../../core/socket/inet-sock.ts'
import * as sock from '../../../core/socket/sock.ts'
import { MAX_OPTIONS } from '../../../core/wire/ipv4.ts'
import * as tcpCb from '../../../core/transport/tcp/sock/tcp-cb.ts'
import { TCP_NUM_SACKS_MAX } from '../../../core/transport/tcp/sock/tcp-constants.ts'
import * as tcp from '../../../core/transport/tcp/sock/tcp-sock.ts'
import * as packet from '../../../core/packet/packet-constants.ts'
import * as raw from '../../../core/transport/raw/raw-constants.ts'

type Words = [name: string, at: number, end: number][]

/** The words that a file names: exports of the prefix, but for those that are values, not places. */
const wordsOf = (
  names: Record<string, unknown>,
  prefix: RegExp,
  wide: Record<string, number> = {}
): Words =>
  Object.entries(names)
    .filter(
      (entry): entry is [string, number] => prefix.test(entry[0]) && typeof entry[1] === 'number'
    )
    .map(([name, at]) => [name, at, at + (wide[name] ?? 1)])

const expectApart = (words: Words, first: number, end: number): void => {
  words.sort(([, a], [, b]) => a - b)
  expect(words.length).toBeGreaterThan(0)
  let before = ['the start of the row', 0, first] as [string, number, number]
  for (const word of words) {
    if (word[1] < before[2]) throw new Error(`${word[0]} lies in ${before[0]}`)
    before = word
  }
  expect(before[2]).toBeLessThanOrEqual(end)
}

describe('the words of a row lie apart and inside it', () => {
  test('of an skb', () => {
    const wide = { SKB_CB: skb.SKB_CB_WORDS, SKB_TSTAMP: 2 }
    expectApart(wordsOf(skb, /^SKB_(?!F_|TX_S|CB_WORDS)/, wide), 0, SKB_WORDS)
  })
  test("of an skb's control block, whoever's it is", () => {
    const end = skb.SKB_CB + skb.SKB_CB_WORDS
    expectApart(wordsOf(inet, /^IPCB_/), skb.SKB_CB, end)
    expectApart(wordsOf(tcpCb, /^CB_/), skb.SKB_CB, end)
  })
  test('of a device', () => {
    const values = /^DEV_(?!STATS)/
    expectApart(wordsOf(netdev, values, { DEV_MAC: 2, DEV_NAME: 4 }), 0, DEVICE_WORDS)
  })
  test('of a socket, and of a TCP socket behind them', () => {
    const timers = ['RETRANS', 'DELACK', 'KEEPALIVE', 'EXTRA'].map((one) => [`SK_TIMER_${one}`, 4])
    const wide = { ...Object.fromEntries(timers), SK_SADDR: 4, SK_DADDR: 4 }
    const inet = {
      SK_PMTUDISC: 2,
      SK_UNICAST_IF: 2,
      SK_MIN_TTL: 2,
      SK_STICKY_ADDR: 4,
      SK_IPOPT: MAX_OPTIONS / 4,
    }
    expectApart(wordsOf(sock, /^SK_(?!EVENT_|PROTO$)/, wide), 0, sock.SK_PROTO)
    expectApart(wordsOf(inetSock, /^SK_(?!INET$)/, inet), inetSock.SK_INET, SOCK_WORDS)
    const tcpWide = {
      TP_SACKS: 2 * TCP_NUM_SACKS_MAX,
      TP_BYTES_SENT: 2,
      TP_BYTES_RETRANS: 2,
      TP_BYTES_ACKED: 2,
      TP_BYTES_RECEIVED: 2,
      TP_CA_PRIV: tcp.TP_CA_PRIV_WORDS,
      TP_FO_KEYS: 9,
    }
    expectApart(wordsOf(tcp, /^TP_(?!CA_PRIV_WORDS)/, tcpWide), sock.SK_PROTO, inetSock.SK_INET)
    expectApart(wordsOf(packet, /^PK_(?!F_)/), sock.SK_PROTO, inetSock.SK_INET)
    const rawWide = { RAW_FILTER: raw.RAW_FILTER_WORDS }
    expectApart(wordsOf(raw, /^RAW_(?!FILTER_WORDS)/, rawWide), sock.SK_PROTO, inetSock.SK_INET)
  })
  test('of a neighbour and of a nexthop', () => {
    const wide = { NEIGH_ADDR: 4, NEIGH_HH: 4, NEIGH_TIMER: 4 }
    expectApart(
      wordsOf(neigh, /^NEIGH_(?!TABLE_|USE_|UPDATE_F_|LLADDR_BYTE)/, wide),
      0,
      NEIGH_WORDS
    )
    expectApart(
      wordsOf(nexthop, /^NH_(?!BY_ID)/, { NH_GATEWAY: 4, NH_PREFSRC: 4 }),
      0,
      NEXTHOP_WORDS
    )
  })
})
