// Differences that stay, each with its reason: the kernel is wrong by an RFC, or it is deliberate.

import {
  hasTextBehindFin,
  isForeignStamp,
  isMarkInHeader,
  isOldStamp,
  isOldText,
  isReportForgotten,
  isReportMissed,
  isSentByOld,
  withoutOldStamp,
} from './known/receive.ts'
import {
  isCountedTwice,
  isReorderingTimer,
  isReportAgain,
  isReportedInTwo,
  isLateForOne,
  isSampleOfOne,
} from './known/recovery.ts'
import {
  isCutAnew,
  isCutForReports,
  isIdleOfOne,
  isLimitedTransmit,
  withoutLimitedTransmit,
  isPace,
} from './known/sending.ts'
import {
  isBoundInTimeWait,
  isErrorForgotten,
  isErrorLeft,
  isNotsentOfNothing,
  isOtherPlace,
  isProbeAnswered,
  isSentBeforeText,
} from './known/sockets.ts'
import {
  isAckAtOnce,
  isAckInTick,
  isAtEdge,
  isDuplicateOfOne,
  isForeseenWindow,
  isGrownByHole,
  isRoomOfHole,
  isScaledSyn,
  isStaleOfOne,
  isWindowAtEdge,
  isWindowNotCounted,
  isWindowTakenBack,
} from './known/windows.ts'
import type { Run } from './play.ts'

export type Known = {
  reason: string
  isIt: (run: Run) => boolean
  /** The run as it would be if it were not for this, where it is part of the difference; what is left has a reason of its own. */
  without?: (run: Run) => Run | null
}
/** The reason of a difference that is known, or two where it has two, or null. */
export const isKnown = (known: readonly Known[], run: Run): string | null => {
  const reasonOf = (one: Run): string | null => known.find(({ isIt }) => isIt(one))?.reason ?? null
  const alone = reasonOf(run)
  if (alone !== null) return alone
  for (const { reason, without } of known) {
    const rest = without?.(run) ?? null
    const other = rest === null ? null : reasonOf(rest)
    if (other !== null) return `${reason}; besides, ${other}`
  }
  return null
}

export const KNOWN_TCP: readonly Known[] = [
  {
    reason:
      'RFC 9293 3.8.6.3: text of more than a segment is acknowledged at once while the window is as large as before, and what comes next when it has grown, unless what let it grow was out of order (__tcp_ack_snd_check, tcp_grow_window, tcp_dec_quickack_mode); windows go by memory, which is each one’s own',
    isIt: (run) => isAckAtOnce(run) || isAckInTick(run) || isGrownByHole(run),
  },
  {
    reason:
      'RFC 2883 4: what came twice is reported with the next acknowledgement; the kernel forgets it when text comes first that it does not predict (tcp_data_queue)',
    isIt: isReportForgotten,
  },
  {
    reason:
      'RFC 2883 4: what has come twice is reported; what goes on where text behind a hole has ended the kernel puts to that, and does not see that more of it had come with another (tcp_data_queue_ofo, tcp_ooo_try_coalesce)',
    isIt: isReportMissed,
  },
  {
    reason:
      'RFC 5961 5: what its ACK field shows to be old is dropped, with its text and its time stamp; where the kernel predicts the header it takes both before it looks at the ACK, and sends what waits after (tcp_rcv_established)',
    isIt: (run) => isOldStamp(run) || isOldText(run) || isSentByOld(run),
    without: withoutOldStamp,
  },
  {
    reason:
      'a connection in TIME-WAIT has its port; the kernel’s is another socket’s by then, and the file has none (tcp_time_wait)',
    isIt: isBoundInTimeWait,
  },
  {
    reason:
      'RFC 7323 3.2: what was not agreed on is not sent; a TIME-WAIT of the kernel’s echoes a stamp that came with the handshake all the same',
    isIt: isForeignStamp,
  },
  {
    reason:
      'RFC 9293 3.8.5: the pointer names an octet of the stream; where it is that in front of a segment, the kernel takes one of that segment’s header for it (tcp_urg)',
    isIt: isMarkInHeader,
  },
  {
    reason:
      'RFC 9293 3.10.7.4: nothing follows a FIN; the kernel takes a FIN that is out of order to the end of what lies behind it',
    isIt: hasTextBehindFin,
  },
  {
    reason:
      'windows go by memory, which is each one’s own: the segment lies in the one’s and not in the other’s, and so may its window, or what is behind a hole takes more room of the one’s',
    isIt: (run) => isAtEdge(run) || isWindowAtEdge(run) || isRoomOfHole(run),
  },
  {
    reason:
      'what goes at once, and so where PSH stands and what waits for more (tcp_tso_autosize, tcp_tso_should_defer), goes by the pace, and that by round trips that took longer to one than to the other',
    isIt: isPace,
  },
  {
    reason:
      'RFC 5681 4.1: who was silent for an RTO begins anew, and his window halves with each; where silence was about that long, or it was a timer that sent something last, the one had been silent for so long and the other had not (tcp_slow_start_after_idle_check, tcp_cwnd_restart)',
    isIt: isIdleOfOne,
  },
  {
    reason:
      'a super-frame of which part is reported is cut in two by the kernel, and into segments where large buffers are dear; what is reported the kernel puts together (tcp_match_skb_to_sack, tcp_shift_skb_data). What goes again is cut by that, and has PSH at the end of a super-frame (__tcp_transmit_skb)',
    isIt: (run) => isCutForReports(run) || isCutAnew(run),
  },
  {
    reason:
      'what was sent again, is thought lost no more, and then goes once more is one segment; the kernel counts it twice (tcp_try_undo_loss, tcp_mark_skb_lost)',
    isIt: isCountedTwice,
  },
  {
    reason:
      'RFC 3042 2: each of the first duplicate acknowledgements lets a new segment go; the kernel holds it back where it thinks the next acknowledgement near, though what is missing will hardly be acknowledged (tcp_tso_should_defer)',
    isIt: isLimitedTransmit,
    without: withoutLimitedTransmit,
  },
  {
    reason:
      'RFC 6675 4 (Update): what blocks report is reported; of a block that ends in one of the acknowledgement before the kernel takes what lies in front of that alone, and so no segment that lies in both (tcp_sacktag_write_queue)',
    isIt: isReportedInTwo,
  },
  {
    reason:
      'RFC 6675 4 (Update): what blocks report is reported; what was taken back, as its peer had reneged, and is reported again the kernel has put together by then, and knows no more where its segments ended (tcp_shift_skb_data, tcp_match_skb_to_sack)',
    isIt: isReportAgain,
  },
  {
    reason:
      'RFC 6298 3 and 5.7: what was sent once is a sample of the round trip, which ends the backoff, and is not out of order when it is reported twice; what is reported the kernel puts together, and all of it counts as sent again then (tcp_shifted_skb, tcp_clean_rtx_queue, tcp_sacktag_one)',
    isIt: (run) => isSampleOfOne(run) || isLateForOne(run),
  },
  {
    reason:
      'what is sent by one call has one time, and the kernel’s have each their own: where the last round trip is that of an earlier one, what is missing has still microseconds to come, which are a timer (tcp_rack_advance, tcp_rack_detect_loss)',
    isIt: isReorderingTimer,
  },
  {
    reason:
      'text clears a soft error, answers probes and is taken after its acknowledgement unless it is predicted, and that it is not while a socket has no memory in hand for it, which is each one’s own (tcp_rcv_established, sk_forward_alloc)',
    isIt: (run) => isErrorForgotten(run) || isProbeAnswered(run) || isSentBeforeText(run),
  },
  {
    reason:
      'RFC 9293 3.10.7.4: the window is that of the segment which lies furthest; where the kernel predicts text it is that text’s, though others have been ahead (tcp_update_wl)',
    isIt: (run) => isWindowTakenBack(run) || isDuplicateOfOne(run) || isStaleOfOne(run),
  },
  {
    reason:
      'RFC 9293 3.10.7.4: a window is taken that is another than before; the kernel compares what is left of it by the scale, and takes one for the SYN’s, which was not scaled (tcp_fast_path_on)',
    isIt: isForeseenWindow,
  },
  {
    reason:
      'RFC 7323 2.2: the window of a segment with SYN is not scaled; the kernel scales that of the SYN-ACK of crossed SYNs (tcp_rcv_state_process)',
    isIt: isScaledSyn,
  },
  {
    reason:
      'RFC 9293 3.8.6.2.1: Max(SND.WND) is the largest window so far; the kernel leaves out that of what ends a handshake of crossed SYNs, unless it is newer than the SYN (tcp_rcv_state_process)',
    isIt: isWindowNotCounted,
  },
  {
    reason:
      'IP_RECVERR was not asked for: the error that ends an attempt is told once; the kernel leaves it in the error queue as well (tcp_v4_err, ip_icmp_error)',
    isIt: isErrorLeft,
  },
  {
    reason:
      'of an attempt that is over nothing waits to be sent; the kernel takes the distance to the next one’s first sequence number for that (tcp_disconnect, tcp_stream_memory_free)',
    isIt: isNotsentOfNothing,
  },
  {
    reason:
      'what answers for a half-open connection or one in TIME-WAIT has the TTL and TOS of its socket; the kernel’s has those of the namespace, or of the segment (ip_send_unicast_reply)',
    isIt: isOtherPlace,
  },
]
