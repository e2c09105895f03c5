/**
 * Options of the segment at hand, parsed once into words that all states read, and what its timestamp says:
 * protection against wrapped sequence numbers, and the stamp to echo. On the worker, before any other check.
 * Linux: tcp_parse_options, tcp_paws_check, tcp_replace_ts_recent; RFC 7323 sections 4.3 and 5.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SKB_TRANSPORT } from '../../../skb/skb.ts'
import * as tcp from '../../../wire/tcp.ts'
import {
  OPT_SEEN,
  OPT_TSVAL,
  OPT_WORDS,
  parse,
  SEEN_TIMESTAMPS,
} from '../../../wire/tcp-options.ts'
import {
  OPT_TIMESTAMPS,
  TP_OPTS,
  TP_RCV_WUP,
  TP_TS_RECENT,
  TP_TS_RECENT_STAMP,
} from '../sock/tcp-sock.ts'
import { TCP_PAWS_24DAYS } from '../sock/tcp-constants.ts'

export type TcpPaws = ReturnType<typeof createTcpPaws>
type TcpPawsDeps = { arena: Arena; time: Time }

export const createTcpPaws = ({ arena, time }: TcpPawsDeps) => {
  const { i32, u8 } = arena
  const opts = new Int32Array(OPT_WORDS)

  const parseOptions = (skb: number): void => {
    const th = i32[skb + SKB_TRANSPORT]
    parse(u8, th + tcp.MIN_HEADER, tcp.optionsLen(u8, th), opts)
  }
  /** Of a connection's segment: time stamps are nothing where they were not agreed on (tcp_parse_options). */
  const parseAgreed = (sk: number, skb: number): void => {
    parseOptions(skb)
    if ((i32[sk + TP_OPTS] & OPT_TIMESTAMPS) === 0) opts[OPT_SEEN] &= ~SEEN_TIMESTAMPS
  }

  const seconds = (): number => (time[TIME_MS] / 1000) | 0
  const pawsRejects = (sk: number, most = 0): boolean => {
    const recent = i32[sk + TP_TS_RECENT]
    if (((recent - opts[OPT_TSVAL]) | 0) <= most) return false
    return recent !== 0 && ((seconds() - i32[sk + TP_TS_RECENT_STAMP]) | 0) < TCP_PAWS_24DAYS
  }
  const storeTsRecent = (sk: number): void => {
    i32[sk + TP_TS_RECENT] = opts[OPT_TSVAL]
    i32[sk + TP_TS_RECENT_STAMP] = seconds()
  }
  /** RFC 7323 4.3: from segments that are at or below the last acknowledgement sent. */
  const replaceTsRecent = (sk: number, seq: number): void => {
    if ((opts[OPT_SEEN] & SEEN_TIMESTAMPS) === 0) return
    if (((seq - i32[sk + TP_RCV_WUP]) | 0) <= 0 && !pawsRejects(sk)) storeTsRecent(sk)
  }

  return { options: opts, parseOptions, parseAgreed, pawsRejects, storeTsRecent, replaceTsRecent }
}
