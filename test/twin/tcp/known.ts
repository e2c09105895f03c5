// Differences that stay, each with its reason: the kernel is wrong by an RFC, or it is deliberate.

import { INFO } from './end.ts'
import { type Half, isSameText, type Run, stateOfLoss, TCP_CA_DISORDER } from './play.ts'
import { encodeStep, type Segment, type Step } from './script.ts'

export type Known = {
  reason: string
  isIt: (run: Run) => boolean
}
/** The reason of a difference that is known, or null. */
export const isKnown = (known: readonly Known[], run: Run): string | null =>
  known.find(({ isIt }) => isIt(run))?.reason ?? null

/** The step at which they part. */
const stepOf = ({ steps, difference }: Run): Step => steps[difference!.at]!
const isSegment = (step: Step, flags: RegExp): boolean =>
  step.do === 'segment' && flags.test(step.segment.flags)
/** What they sent but for some words. */
const without = (lines: readonly string[], words: RegExp): string =>
  lines.map((line) => line.replace(words, '')).join('\n')
const isOnly = (run: Run, words: RegExp): boolean => {
  const { kernel, softnet } = run.difference!
  const bare = (line: string | undefined): string => (line ?? '').replace(words, '')
  return (
    kernel.length === softnet.length &&
    kernel.every((line, k) => isSameText(run, bare(line), bare(softnet[k])))
  )
}

/** They did the same but for these lines. */
const isSameBut = (run: Run, lines: RegExp): boolean => {
  const others = (all: readonly string[]): string[] => all.filter((line) => !lines.test(line))
  const [kernel, softnet] = [others(run.difference!.kernel), others(run.difference!.softnet)]
  return (
    kernel.length === softnet.length &&
    kernel.every((line, k) => isSameText(run, line, softnet[k]!))
  )
}

const OPTIONS = / \[[^\]]*\]/g
/** Plain segments whose acknowledgement is older than one before them, of the steps so far. */
const oldSegments = ({ steps, halves: [kernel] }: Run): { at: number; segment: Segment }[] => {
  let highest = 1
  return steps.flatMap((step, at) => {
    if (step.do !== 'segment' || !step.segment.flags.includes('.')) return []
    const isOld = step.segment.ack < highest
    // one of what was never sent is none
    if (step.segment.ack <= kernel.flow.sent) highest = Math.max(highest, step.segment.ack)
    return isOld && /^P?\.[EW]*$/.test(step.segment.flags) ? [{ at, segment: step.segment }] : []
  })
}
/** No connection has a file. */
const IS_HIDDEN = /^$|^0 LISTEN[^,]*$/
const ECHO = / ts ecr \d+/g
const WINDOW = / win \d+/g
/** The highest that is acknowledged. */
const ackOf = (lines: readonly string[]): number =>
  Math.max(-1, ...lines.map((line) => Number(/ ack (-?\d+)/.exec(line)?.[1] ?? -1)))
/** The kernel echoes the stamp of a segment whose acknowledgement is old. */
const isOldStamp = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const echo = / ts ecr (\d+)/.exec(kernel.join())?.[1]
  const bare = (lines: readonly string[]): string => without([without(lines, ECHO)], WINDOW)
  return (
    bare(kernel) === bare(softnet) &&
    oldSegments(run).some(({ segment: { options } }) =>
      options.some((option) => option.startsWith(`ts ${echo} `))
    )
  )
}
/** How much has been received, as files show it. */
const receivedOf = (lines: readonly string[]): number =>
  Math.max(0, ...lines.map((line) => Number(/ bytes_received (\d+)/.exec(line)?.[1] ?? 0)))
/** The kernel takes the text of a segment whose acknowledgement is old: of this one, or one before anyone could see it. */
const isOldText = (run: Run): boolean => {
  const { at, before, kernel, softnet } = run.difference!
  return (
    (ackOf(kernel) > ackOf(softnet) || receivedOf(kernel) > receivedOf(softnet)) &&
    oldSegments(run).some(
      (old) => old.segment.len > 0 && (old.at === at || /^0 LISTEN[^,]*$/.test(before))
    )
  )
}

/** bind of what was a connection, which is in TIME-WAIT. */
const isBoundInTimeWait = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  return (
    encodeStep(stepOf(run)).includes(' bind') &&
    kernel.join() === 'EADDRINUSE' &&
    softnet.join() === 'EINVAL'
  )
}
/** Only the kernel echoes a stamp, in a state that nothing is read in any more, of a peer whose SYN had none. */
const isForeignStamp = (run: Run): boolean => {
  const { before, kernel, softnet } = run.difference!
  const hasStamp = ({ options }: Segment): boolean => options.some((one) => one.startsWith('ts '))
  return (
    /^$|^0 LISTEN(, 1 UNCONN[^,]*)?$/.test(before) &&
    run.steps.some(
      (step) => step.do === 'segment' && isSegment(step, /^S/) && !hasStamp(step.segment)
    ) &&
    / ts ecr [1-9]/.test(kernel.join()) &&
    !softnet.join().includes(' ts ecr ') &&
    isOnly(run, OPTIONS)
  )
}

const isClosed = (line: string): boolean => /CLOSE-WAIT|CLOSING|TIME-WAIT|UNCONN/.test(line)
/** A connection whose peer is done shows something else, and text has come that lies behind its FIN. */
const hasTextBehindFin = ({ steps, difference }: Run): boolean => {
  const { kernel, softnet } = difference!
  const segments = steps.flatMap((step) => (step.do === 'segment' ? [step.segment] : []))
  const ends = segments.filter(({ flags }) => flags.includes('F')).map(({ seq, len }) => seq + len)
  return (
    (kernel.filter(isClosed).join() !== softnet.filter(isClosed).join() ||
      ackOf(kernel) > ackOf(softnet)) &&
    segments.some(({ seq, len }) => ends.some((end) => seq <= end + 1 && seq + len > end))
  )
}
/**
 * It, or its end, lies between the edges of the two windows, or one's before did that no file could show. An edge that only the
 * kernel scales is not known to the octet.
 */
const isAtEdge = ({ steps, edges, difference, halves }: Run): boolean => {
  const { at, before } = difference!
  const { scalesUnasked, wscale } = halves[0].flow
  const unit = scalesUnasked ? 1 << wscale : 0
  const from = IS_HIDDEN.test(before) ? 0 : at
  return steps.slice(0, at + 1).some((step, k) => {
    if (step.do !== 'segment') return false
    const [a, b] = edges[k]!
    const { seq, len, flags } = step.segment
    // that an RST was answered is only seen when the next such answer is one too many
    if (k < from && !flags.includes('R')) return false
    const end = seq + len + (flags.includes('F') ? 1 : 0)
    const [low, high] = [Math.min(a, b), Math.max(a, b) + unit]
    return [seq, end].some((one) => one >= low && one <= high) && low !== high
  })
}

/** What a line reports by SACK lies behind a hole, or has come twice; null when it reports nothing. */
const isOfHole = (line: string): boolean | null => {
  const [, ack, start] = / ack (\d+) .*sack (-?\d+) /.exec(line) ?? []
  return ack === undefined ? null : Number(start) > Number(ack)
}
const windowOf = (line: string): number => Number(/ win (\d+)/.exec(line)?.[1] ?? 0)
/** What lies behind a hole takes room, and one window is up to twice the other. */
const isRoomOfHole = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const bare = (lines: readonly string[]): string => without(lines, WINDOW)
  return (
    bare(kernel) === bare(softnet) &&
    run.answers.some((lines) => lines.some((line) => isOfHole(line) === true)) &&
    kernel.every((line, k) => {
      const [a, b] = [windowOf(line), windowOf(softnet[k]!)]
      return a <= 2 * b && b <= 2 * a
    })
  )
}
const RCV_MSS = INFO.findIndex(([name]) => name === 'rcv_mss')
const AFTER = / after \d+ ms$/
const isAck = (line: string): boolean => /^> \. \d+:\d+\(0\) /.test(line)
/** One has acknowledged at once, and the other later: text of more than a segment, or their windows have grown differently. */
const isAckAtOnce = (run: Run): boolean => {
  const step = stepOf(run)
  if (step.do !== 'segment') return false
  const { kernel, softnet } = run.difference!
  const others = (lines: readonly string[]): string => lines.filter((line) => !isAck(line)).join()
  const acks = [...kernel, ...softnet].filter(isAck)
  const size = Math.max(
    0,
    ...[...run.halves[0].shown.values()].map(({ info }) => info[RCV_MSS] ?? 0)
  )
  const [a, b] = run.halves.map(({ flow }) => flow.edge - flow.acked)
  const isAfterHole = run.answers.some((lines) => lines.some((line) => isOfHole(line) === true))
  return (
    (acks.length === 1 || acks.every((line) => AFTER.test(line))) &&
    others(kernel) === others(softnet) &&
    ackOf(acks) > run.halves[0].acked &&
    (a !== b || isAfterHole || ackOf(acks) - run.halves[0].acked > size)
  )
}
/** Text of a segment's size and a FIN were acknowledged, by one of the two in the tick after, which leaves the mode that a FIN enters. */
const isAckInTick = (run: Run): boolean => {
  const step = stepOf(run)
  return (
    step.do === 'call' &&
    step.args[0] === 'TCP_QUICKACK' &&
    run.steps.some(
      (one) => one.do === 'segment' && one.segment.flags.includes('F') && one.segment.len > 0
    )
  )
}

/** Only softnet reports text that has come twice. */
const isReportForgotten = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const isReport = (line: string): boolean => isOfHole(line) === false
  return softnet.some(isReport) && !kernel.some(isReport) && isOnly(run, OPTIONS)
}

const FILE = /^file \d+ [A-Z]/
const MOST_HEADER = 60
/** Only the kernel has an urgent octet, and there is a segment so little behind the pointer that it would lie in its header. */
const isMarkInHeader = (run: Run): boolean => {
  const segments = run.steps.flatMap((step) => (step.do === 'segment' ? [step.segment] : []))
  const marks = segments
    .filter(({ flags }) => flags.includes('U'))
    .map(({ seq, urg }) => seq + Math.max(0, urg - 1))
  const { kernel, softnet } = run.difference!
  const isMarked = (lines: readonly string[]): boolean => lines.some((line) => / PRI/.test(line))
  return (
    ((isSameBut(run, FILE) && isMarked(kernel) && !isMarked(softnet)) ||
      / recv \d+ .*oob/.test(encodeStep(stepOf(run)))) &&
    segments.some(({ seq }) => marks.some((mark) => seq > mark && seq <= mark + MOST_HEADER))
  )
}
/** The error that an attempt failed with is reported, and is there still, alone or with what else changes. */
const isErrorLeft = (run: Run): boolean => {
  const { before, kernel, softnet } = run.difference!
  const bare = kernel.map((line) => line.replace(' ERR', ''))
  const more = softnet.filter((line) => !bare.includes(line))
  return (
    run.family === 'ipv4' &&
    before.includes('ERR') &&
    run.steps.some((step) => step.do === 'icmp') &&
    stepOf(run).do === 'call' &&
    bare.every((line) => softnet.includes(line)) &&
    more.length <= 1 &&
    !softnet.join().includes('ERR')
  )
}
/** Only softnet says that a socket whose attempt is over could be written to, for which TCP_NOTSENT_LOWAT is set. */
const isNotsentOfNothing = ({ steps, difference }: Run): boolean => {
  const { at, kernel, softnet } = difference!
  const isLowat = (step: Step): boolean => encodeStep(step).includes(' set TCP_NOTSENT_LOWAT ')
  const [line, ...others] = kernel.filter((line) => !softnet.includes(line))
  return (
    steps.slice(0, at + 1).some(isLowat) &&
    others.length === 0 &&
    line !== undefined &&
    / UNCONN (?!.*OUT)/.test(line)
  )
}
const bareOfPush = (line: string): string => line.replace(/^> P?/, '> ')
const SACK = /, nop, nop, sack [^\]]*/
/** Where text begins that a line has, or null. */
const textAt = (line: string): number | null => {
  const [, seq, len] = /^> \S+ (\d+):\d+\((\d+)\)/.exec(line) ?? []
  return seq === undefined || len === '0' ? null : Number(seq)
}
/**
 * More can, or could, go at once from one. What both have sent is the same but for PSH at the ends of super-frames; what only one
 * has sent is text that goes for the first time, at once: nobody's timer has sent it.
 */
const isPace = (run: Run): boolean => {
  if (!run.otherPaces.includes(true) || stepOf(run).do === 'wait') return false
  const [kernel, softnet] = [run.difference!.kernel, run.difference!.softnet].map((lines) =>
    lines.filter((line) => line.startsWith('> '))
  ) as [string[], string[]]
  const isKernelMore = kernel.length > softnet.length
  const [more, less] = isKernelMore ? [kernel, softnet] : [softnet, kernel]
  // what is reported by SACK goes in each segment of a super-frame
  const bare = (line: string): string => bareOfPush(line).replace(SACK, '')
  const { sent } = run.halves[isKernelMore ? 1 : 0].flow
  return (
    kernel.join() !== softnet.join() &&
    less.every((line, k) => isSameText(run, bare(line), bare(more[k]!))) &&
    more.slice(less.length).every((line) => (textAt(line) ?? -1) >= sent)
  )
}

/** They differ in PSH of what goes again. */
const isCutForReports = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const { sent } = run.halves[0].flow
  return (
    kernel.length === softnet.length &&
    kernel.every((line, k) => {
      const other = softnet[k]!
      if (isSameText(run, line, other)) return true
      const isAgain = (textAt(line) ?? sent) < sent
      return isAgain && isSameText(run, bareOfPush(line), bareOfPush(other))
    })
  )
}
/** Only softnet sends, in Disorder and at once, text that goes for the first time; all else is the same. */
const isLimitedTransmit = (run: Run): boolean => {
  const [kernel, softnet] = run.halves
  const lines = (all: readonly string[]): string[] => all.filter((line) => line.startsWith('> '))
  const [less, more] = [lines(run.difference!.kernel), lines(run.difference!.softnet)]
  const both = more.filter((line) => (textAt(line) ?? -1) < kernel.flow.sent)
  const { before, ...files } = run.difference!
  // one Recovery may have ended, where another begins
  const isAnew = [files.kernel, files.softnet].every((all) => / snd_ssthresh \d/.test(all.join()))
  return (
    // Recovery may follow at once, and of what is closed nothing is shown
    (IS_HIDDEN.test(before) ||
      ((isAnew || !kernel.hadLost) && stateOfLoss(kernel) >= TCP_CA_DISORDER)) &&
    stepOf(run).do !== 'wait' &&
    softnet.flow.sent > kernel.flow.sent &&
    less.length === both.length &&
    less.every((line, k) => isSameText(run, bareOfPush(line), bareOfPush(both[k]!)))
  )
}
/** The blocks of SACK of a segment. */
const blocksOf = (step: Step): { from: number; to: number }[] => {
  const options = step.do === 'segment' ? step.segment.options : []
  const edges = options.flatMap((one) => (one.startsWith('sack ') ? one.split(' ').slice(1) : []))
  return Array.from({ length: edges.length >> 1 }, (_, k) => ({
    from: Number(edges[2 * k]),
    to: Number(edges[2 * k + 1]),
  }))
}
const SACKED = INFO.findIndex(([name]) => name === 'sacked')
const sackedOf = ({ shown }: Half): number =>
  Math.max(0, ...[...shown.values()].map(({ info }) => info[SACKED] ?? 0))
/** Only softnet has more reported, by a block that ends in one of before that began within a segment. */
const isReportedInTwo = (run: Run): boolean => {
  const [kernel, softnet] = run.halves
  const before = run.steps.slice(0, run.difference!.at).map(blocksOf)
  const last = before.findLast((blocks) => blocks.length > 0) ?? []
  return (
    sackedOf(softnet) > sackedOf(kernel) &&
    blocksOf(stepOf(run)).some(({ from, to }) =>
      last.some(
        (old) =>
          from < old.from && to > old.from && to <= old.to && !kernel.flow.starts.has(old.from)
      )
    )
  )
}
/** Both send the same, the kernel new text before something that it sends again. */
const isHoleLater = (
  kernel: readonly string[],
  softnet: readonly string[],
  isFresh: (line: string) => boolean
): boolean => {
  const again = softnet.filter((line) => !isFresh(line))
  return (
    again.length > 1 &&
    kernel.filter((line) => !isFresh(line)).join() === again.join() &&
    [...again, ...kernel.filter(isFresh)].join() === softnet.join()
  )
}
/**
 * Recovery, or what is sent again of a second hole, begins at once on softnet, and on the kernel a timer later, when new text has
 * gone. What is acknowledged, and what is missing behind it, were sent in one step.
 */
const isReorderingTimer = (run: Run): boolean => {
  const step = stepOf(run)
  if (step.do !== 'segment' || blocksOf(step).length === 0) return false
  const { ack } = step.segment
  const isMissing = (line: string): boolean => textAt(line) === ack
  const lines = (all: readonly string[]): string[] => all.filter((line) => line.startsWith('> '))
  const [kernel, softnet] = [lines(run.difference!.kernel), lines(run.difference!.softnet)]
  const before = run.answers.slice(0, run.difference!.at)
  const at = kernel.findIndex(isMissing)
  const fresh = at < 0 ? kernel : kernel.slice(0, at)
  const sent = Math.max(...before.flat().map((line) => textAt(line) ?? 0))
  const isFresh = (line: string): boolean => (textAt(line) ?? 0) > sent
  if (isHoleLater(kernel, softnet, isFresh)) return true
  return (
    softnet.findIndex(isMissing) === 0 &&
    stateOfLoss(run.halves[1]) > TCP_CA_DISORDER &&
    !run.halves[0].hadLost &&
    fresh.length > 0 &&
    fresh.every(isFresh) &&
    before.some((all) => all.some((line) => line.includes(`:${ack}(`)) && all.some(isMissing))
  )
}
const RETRANS = / retrans (\d+)/
const retransOf = (lines: readonly string[]): number =>
  Math.max(0, ...lines.map((line) => Number(RETRANS.exec(line)?.[1] ?? 0)))
/** They differ in how much of what was sent again is under way, of which the kernel has more. */
const isCountedTwice = (run: Run): boolean =>
  isOnly(run, RETRANS) && retransOf(run.difference!.kernel) > retransOf(run.difference!.softnet)
/** Only one remembers an error of ICMP's that is no fatal one, after which text has come. */
const isErrorForgotten = ({ steps, difference }: Run): boolean => {
  const { at, kernel, softnet } = difference!
  const error = steps.findIndex((step) => step.do === 'icmp')
  return (
    error >= 0 &&
    encodeStep(steps[at]!).endsWith(' get SO_ERROR') &&
    [kernel, softnet].some((lines) => lines.join() === '0') &&
    steps.slice(error, at).some((step) => step.do === 'segment' && step.segment.len > 0)
  )
}

/** They know another window: a segment was ahead of text, and one after that is no further ahead. More may go from one at once. */
const isWindowTakenBack = (run: Run): boolean => {
  const segments = run.steps
    .slice(0, run.difference!.at + 1)
    .flatMap((step) => (step.do === 'segment' ? [step.segment] : []))
  const isBack = segments.some(({ seq, len, win }, at) => {
    const ahead = segments.slice(0, at).map((one) => one.seq)
    return len > 0 && ahead.some((far) => far > seq && isLater(segments.slice(at + 1), far, win))
  })
  const lines = (all: readonly string[]): string[] => all.filter((line) => line.startsWith('> '))
  const [a, b] = [lines(run.difference!.kernel), lines(run.difference!.softnet)]
  const [more, less] = a.length > b.length ? [a, b] : [b, a]
  return (
    isBack &&
    more.length > less.length &&
    less.every((line, k) => isSameText(run, bareOfPush(line), bareOfPush(more[k]!))) &&
    more.slice(less.length).every((line) => textAt(line) !== null)
  )
}
const isLater = (segments: readonly Segment[], far: number, win: number): boolean =>
  segments.some((one) => one.seq <= far && one.win !== win)

const PLACE = /(?<=^> (?:\.|R\.?) .*) tos \d+ ttl \d+$/
/** Acknowledgements and resets that differ in TTL and TOS, when one of these was changed; the kernel's TTL is the default's. */
const isOtherPlace = (run: Run): boolean =>
  /^$|^0 LISTEN|UNCONN/.test(run.difference!.before) &&
  run.steps.some((step) => step.do === 'call' && /^(TTL|TOS)$/.test(step.args[0] ?? '')) &&
  run.difference!.kernel.every((line) => !PLACE.test(line) || line.endsWith(' ttl 64')) &&
  isOnly(run, PLACE)

export const KNOWN_TCP: readonly Known[] = [
  {
    reason:
      'RFC 9293 3.8.6.3: text of more than a segment is acknowledged at once while the window is as large as before, and what comes next when it has grown, unless what let it grow was out of order (__tcp_ack_snd_check, tcp_grow_window, tcp_dec_quickack_mode); windows go by memory, which is each one’s own',
    isIt: (run) => isAckAtOnce(run) || isAckInTick(run),
  },
  {
    reason:
      'RFC 2883 4: what came twice is reported with the next acknowledgement; the kernel forgets it when text comes first that it does not predict (tcp_data_queue)',
    isIt: isReportForgotten,
  },
  {
    reason:
      'RFC 5961 5: what its ACK field shows to be old is dropped, with its text and its time stamp; where the kernel predicts the header it takes both before it looks at the ACK (tcp_rcv_established)',
    isIt: (run) => isOldStamp(run) || isOldText(run),
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
      'windows go by memory, which is each one’s own: the segment lies in the one’s and not in the other’s, or what is behind a hole takes more room of the one’s',
    isIt: (run) => isAtEdge(run) || isRoomOfHole(run),
  },
  {
    reason:
      'what goes at once, and so where PSH stands and what waits for more (tcp_tso_autosize, tcp_tso_should_defer), goes by the pace, and that by round trips that took longer to one than to the other',
    isIt: isPace,
  },
  {
    reason:
      'a super-frame of which part is reported is cut in two by the kernel, and into segments where large buffers are dear; a super-frame that goes again has PSH at its end (tcp_match_skb_to_sack, __tcp_transmit_skb)',
    isIt: isCutForReports,
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
  },
  {
    reason:
      'RFC 6675 4 (Update): what blocks report is reported; of a block that ends in one of the acknowledgement before the kernel takes what lies in front of that alone, and so no segment that lies in both (tcp_sacktag_write_queue)',
    isIt: isReportedInTwo,
  },
  {
    reason:
      'what is sent by one call has one time, and the kernel’s have each their own: where the last round trip is that of an earlier one, what is missing has still microseconds to come, which are a timer (tcp_rack_advance, tcp_rack_detect_loss)',
    isIt: isReorderingTimer,
  },
  {
    reason:
      'text clears a soft error unless it is predicted, and that it is not while a socket has no memory in hand for it, which is each one’s own (tcp_rcv_established, sk_forward_alloc)',
    isIt: isErrorForgotten,
  },
  {
    reason:
      'RFC 9293 3.10.7.4: the window is that of the segment which lies furthest; where the kernel predicts text it is that text’s, though others have been ahead (tcp_update_wl)',
    isIt: isWindowTakenBack,
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
