/**
 * Whether clients use Fast Open now. What swallows it is mostly near the client, so a connection that shows signs of that
 * stops it for all of the worker's, for tcp_fastopen_blackhole_timeout_sec, longer each time; the first one that works
 * again ends that. On the worker. Linux: tcp_fastopen_active_* in net/ipv4/tcp_fastopen.c.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import { DEV_FLAGS, deviceRow, IFF_LOOPBACK } from '../../../netdev/netdev.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_DST_DEV, SK_STATE, TCP_ESTABLISHED } from '../../../socket/sock.ts'
import { TCP_FIN } from '../../../wire/tcp.ts'
import {
  FO_CHECK,
  FO_SYN,
  FO_SYN_DATA,
  FO_SYN_DATA_ACKED,
  TP_DATA_SEGS_IN,
  TP_FASTOPEN,
  TP_OFO_HEAD,
  TP_OFO_LEN,
  TP_RETRANSMITS,
} from '../sock/tcp-sock.ts'
import { CB_FLAGS } from '../sock/tcp-cb.ts'

/** It is at most 2^6 times as long. */
const MAX_DOUBLINGS = 6

export type FastopenActive = ReturnType<typeof createFastopenActive>
type FastopenActiveDeps = { arena: Arena; bank: number; time: Time }

export const createFastopenActive = ({ arena, bank, time }: FastopenActiveDeps) => {
  const { i32, f64, layout } = arena
  const timeoutAt = layout.sysctl + Sysctl.tcp_fastopen_blackhole_timeout_sec
  let disabledAt = 0
  let times = 0

  const disable = (): void => {
    if (i32[timeoutAt] === 0) return
    disabledAt = time[TIME_MS]
    times++
    f64[bank + Mib.TcpExtTCPFastOpenBlackhole]++
  }
  /** True while the connection is to be opened as of old. */
  const isDisabled = (sk: number): boolean => {
    if (times === 0 || i32[timeoutAt] === 0) return false
    const limit = 2 ** Math.min(times - 1, MAX_DOUBLINGS) * i32[timeoutAt] * 1000
    const passed = (time[TIME_MS] - disabledAt) | 0
    if (passed >= 0 && passed < limit) return true
    i32[sk + TP_FASTOPEN] |= FO_CHECK
    return false
  }

  /** A retransmission timer has fired: the third in a row, or the last of few, is such a sign. */
  const timedOut = (sk: number, isLast: boolean): void => {
    if ((i32[sk + TP_FASTOPEN] & (FO_SYN | FO_SYN_DATA | FO_SYN_DATA_ACKED)) === 0) return
    const timeouts = i32[sk + TP_RETRANSMITS]
    if (timeouts !== 2 && !(timeouts < 2 && isLast)) return
    disable()
    f64[bank + Mib.TcpExtTCPFastOpenActiveFail]++
  }
  const isLocal = (sk: number): boolean =>
    (i32[deviceRow(arena, i32[sk + SK_DST_DEV]) + DEV_FLAGS] & IFF_LOOPBACK) !== 0
  const hasHeard = (sk: number): boolean => i32[sk + TP_DATA_SEGS_IN] !== 0
  /** A RST that is not next, and nothing before it has come through. */
  const resetAhead = (sk: number): void => {
    const isOurs = (i32[sk + TP_FASTOPEN] & FO_SYN) !== 0
    if (isOurs && !hasHeard(sk) && i32[sk + SK_STATE] === TCP_ESTABLISHED) disable()
  }
  /** The connection ends: only its FIN has come through, or all is well again. */
  const ends = (sk: number): void => {
    if ((i32[sk + TP_FASTOPEN] & FO_SYN) === 0) return
    if (hasHeard(sk)) {
      if ((i32[sk + TP_FASTOPEN] & FO_CHECK) !== 0 && !isLocal(sk)) times = 0
    } else if (i32[sk + TP_OFO_LEN] === 1) {
      if ((i32[i32[sk + TP_OFO_HEAD] + CB_FLAGS] & TCP_FIN) !== 0) disable()
    }
  }

  return { isDisabled, timedOut, resetAhead, ends }
}
