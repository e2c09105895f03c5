// What the host of a lab sends, and what it hears of each: replies and errors, octet for octet.

import { parseAddr } from '../../../core/wire/text.ts'
import { readProbe, say, withoutDrawn } from '../topologies/probe.ts'
import { type Family, IPV6 } from './family.ts'
import type { Lan } from './lan.ts'

/** Through wide links it goes, and not through narrow ones. */
const LONG = 1380
const TTLS = [1, 2, 3, 4].map((ttl) => `ping ttl ${ttl}`)
/** Nothing listens there. */
const EITHER = [
  'ping',
  ...TTLS,
  'ping tos 0x48',
  `ping size ${LONG}`,
  'udp 33434',
  `udp 33434 size ${LONG}`,
  'udp 33434 tos 0xb8 ttl 2',
  'tcp 4242',
  'tcp 4242 ttl 2',
  'proto 253',
]
const KINDS4 = [
  ...EITHER,
  `ping size ${LONG} df`,
  `udp 33434 size ${LONG} df`,
  // records its route; has a pointer that points before it, and a stamp with no room
  'ping options 070f040000000000000000000000000000',
  'ping ttl 2 options 070f040000000000000000000000000000',
  'udp 33434 options 070f040000000000000000000000000000',
  'ping options 07030300',
  'ping options 44020000',
  'proto 253 options 94040000',
]
/** Options of a kind that nobody knows, of which the sender is to be told; and a type of routing header. */
const UNKNOWN_OPTION = '00009e0400000000'
const UNKNOWN_ROUTING = `0002090100000000${'00'.repeat(16)}`
const KINDS6 = [
  ...EITHER,
  `ping ext 60 header ${UNKNOWN_OPTION}`,
  `udp 33434 ext 60 header ${UNKNOWN_OPTION}`,
  `ping ext 0 header ${UNKNOWN_OPTION}`,
  `ping ext 43 header ${UNKNOWN_ROUTING}`,
]
export type Sent = { words: string; source: string }

const sentTo = (addresses: readonly string[], kinds: readonly string[], family: Family): Sent[] =>
  addresses
    .flatMap((address) =>
      kinds.map((kind) => {
        const [, what, rest] = /^(ping|\w+ \d+)(.*)/.exec(kind)!
        return `${what} ${address}${rest}`
      })
    )
    .map((words, k) => ({ words, source: family.source(k + 1) }))
/** What is sent to each address, from an address of its own. */
export const probesTo = (addresses: readonly string[], family: Family): Sent[] =>
  sentTo(addresses, family === IPV6 ? KINDS6 : KINDS4, family)
/** The first piece of a packet that never comes whole: who waits for it says so when time is up. */
export const piecesTo = (addresses: readonly string[], family: Family): Sent[] =>
  sentTo(addresses, [family === IPV6 ? 'ping ext 44 header 0000000100004242' : 'ping mf'], family)

/** Where a packet goes, as octets. */
const destinationOf = (packet: Uint8Array): string =>
  (packet[0]! >> 4 === 4 ? packet.subarray(16, 20) : packet.subarray(24, 40)).toHex()
const octetsOf = (address: string): string => {
  const { family, words } = parseAddr(address)!
  const view = new DataView(new ArrayBuffer(16))
  for (const [k, word] of words.entries()) view.setInt32(4 * k, word)
  return new Uint8Array(view.buffer, family === 4 ? 12 : 0).toHex()
}
/** In words, and in octets without what is drawn anew each time, in an order that does not depend on time. */
const heardAt = (packets: readonly Uint8Array[], place: string): string[] =>
  packets
    .filter((packet) => destinationOf(packet) === place)
    .map((packet) => `${say(packet)} ${withoutDrawn(packet)}`)
    .sort()

/**
 * Linux notes a path MTU of IPv6 at the next hop that a hash of less than the flow names (ip6_update_pmtu has no protocol), so
 * that of several next hops the one in use may never hear of it: what is too big is lost each time, where we cut it.
 */
const isUnheardOf = (kernel: readonly string[], softnet: readonly string[]): boolean =>
  kernel.length === 0 && softnet.length > 0 && softnet.every((one) => /^fragment 6/.test(one))

/** Of which probes the two have not heard the same. */
export const differences = (
  sent: readonly Sent[],
  ears: readonly Ear[]
): { sent: string; kernel: string[]; softnet: string[] }[] =>
  [...Map.groupBy(sent, ({ source }) => source)].flatMap(([source, probes]) => {
    const place = octetsOf(source)
    const [kernel = [], softnet = []] = ears.map(({ heard }) => heardAt(heard, place))
    const words = probes.map((probe) => probe.words).join(', ')
    return Bun.deepEquals(kernel, softnet) || isUnheardOf(kernel, softnet)
      ? []
      : [{ sent: `${words} from ${source}`, kernel, softnet }]
  })

/** A LAN, and what its host has heard. */
type Ear = { lan: Lan; heard: Uint8Array[] }
const listen = (ears: readonly Ear[]): boolean => {
  const taken = ears.map(({ lan, heard }) => {
    const packets = lan.take()
    heard.push(...packets)
    return packets.length
  })
  return taken.some((n) => n > 0)
}
const isSame = (ears: readonly Ear[]): boolean =>
  ears.every(({ heard }) => heard.length === ears[0]!.heard.length)
/** Until `isDone`, which is told for how long nothing has come. */
const listenUntil = async (
  ears: readonly Ear[],
  isDone: (quietMs: number) => boolean
): Promise<void> => {
  let changed = performance.now()
  while (!isDone(performance.now() - changed)) {
    await Bun.sleep(1)
    if (listen(ears)) changed = performance.now()
  }
}

/** So many at once find room in all queues, and the one has caught up with the other before more are sent. */
const AT_ONCE = 16
const BREATH_MS = 3
const CATCH_UP_MS = 100
const MOST_LATE_MS = 1500
/** Sends on both; then until both have heard as much and nothing more comes for so long, or time is up. */
export const play = async (
  ears: readonly Ear[],
  probes: readonly Sent[],
  quietMs: number
): Promise<void> => {
  for (const [k, { words, source }] of probes.entries()) {
    for (const { lan } of ears) lan.send(readProbe(words.split(' '), [source], k))
    listen(ears)
    if (k % AT_ONCE === 0)
      await listenUntil(ears, (quiet) => quiet > (isSame(ears) ? BREATH_MS : CATCH_UP_MS))
  }
  await listenUntil(ears, (quiet) => quiet > (isSame(ears) ? quietMs : MOST_LATE_MS))
}
