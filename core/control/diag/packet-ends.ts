/** Who a packet is from and for, as sockets are found by it. Control thread: traces and dry runs. */
import type { FlowDissector } from '../../steering/flow-dissect.ts'
import {
  FLAG_ICMP_ERROR,
  KEY_DPORT,
  KEY_DST,
  KEY_FLAGS,
  KEY_IP_PROTO,
  KEY_SPORT,
  KEY_SRC,
} from '../../steering/flow-dissect.ts'
import type { Words } from '../../wire/text.ts'

export type PacketEnds = {
  protocol: number
  saddr: Words
  daddr: Words
  /** 0 of what has none, or is a piece of a datagram. */
  sport: number
  dport: number
  /** Device it came in on. */
  dev: number
}

/** Of the packet dissected last. ICMP errors are for whom they quote: null. */
export const packetEnds = (
  { keys }: Pick<FlowDissector, 'keys'>,
  dev: number
): PacketEnds | null => {
  if ((keys[KEY_FLAGS] & FLAG_ICMP_ERROR) !== 0) return null
  const wordsAt = (at: number): Words => [keys[at], keys[at + 1], keys[at + 2], keys[at + 3]]
  return {
    protocol: keys[KEY_IP_PROTO],
    saddr: wordsAt(KEY_SRC),
    daddr: wordsAt(KEY_DST),
    sport: keys[KEY_SPORT],
    dport: keys[KEY_DPORT],
    dev,
  }
}
