// Differences that stay, each with its reason: the kernel is wrong by an RFC, or it is deliberate.

import type { Run } from './play.ts'
import { encodeStep, type Step } from './script.ts'

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
/** Both sent the same but for their options. */
const isOnlyOptions = ({ difference }: Run): boolean => {
  const bare = (lines: readonly string[]): string =>
    lines.map((line) => line.replace(/ \[[^\]]*\]/, '')).join('\n')
  return bare(difference!.kernel) === bare(difference!.softnet)
}

const ECHO = / ts ecr (\d+)/g
/** Both sent the same but for the stamps that they echo; the kernel's. */
const otherEcho = ({ difference }: Run): number => {
  const [kernel, softnet] = [difference!.kernel, difference!.softnet].map((lines) =>
    lines.join('\n').replace(/ win \d+/g, '')
  ) as [string, string]
  if (kernel.replace(ECHO, '') !== softnet.replace(ECHO, '')) return -1
  return Number([...kernel.matchAll(ECHO)].at(-1)?.[1] ?? -1)
}
/** A segment whose acknowledgement is older than one before it, with this stamp. */
const hasOldAck = ({ steps }: Run, stamp: number): boolean => {
  let highest = 0
  return steps.some((step) => {
    if (step.do !== 'segment' || !step.segment.flags.includes('.')) return false
    const { ack, options } = step.segment
    if (ack < highest || ack < 1) return options.some((option) => option.startsWith(`ts ${stamp} `))
    highest = Math.max(highest, ack)
    return false
  })
}

const hasOldText = ({ steps }: Run): boolean => {
  let highest = 0
  return steps.some((step) => {
    if (step.do !== 'segment' || !step.segment.flags.includes('.')) return false
    const { ack, len } = step.segment
    if (ack < highest || ack < 1) return len > 0
    highest = ack
    return false
  })
}
/** The segment at which they part acknowledges no more than our first sequence number. */
const hasAckOfSyn = (run: Run): boolean => {
  const step = stepOf(run)
  return step.do === 'segment' && step.segment.flags.includes('.') && step.segment.ack === 0
}
/** A listener, and nothing beside it but a connection that is over. */
const IS_REQUEST = /^0 LISTEN(, 1 UNCONN[^,]*)?$/
/** It, or one before it, is for a request and echoes a stamp near the last one; what it comes to is an answer, or a connection. */
const hasOtherEcho = (run: Run): boolean => {
  const { before, kernel, softnet, at } = run.difference!
  const isEcho = (step: Step): boolean =>
    step.do === 'segment' && step.segment.options.some((option) => /^ts \d+ -?\d+$/.test(option))
  return (
    IS_REQUEST.test(before) &&
    run.steps.slice(0, at + 1).some(isEcho) &&
    kernel.length + softnet.length <= 3 &&
    [...kernel, ...softnet].every((line) => /LISTEN IN|^> (\.|R|R\.) /.test(line))
  )
}
/** Only softnet challenges, where the kernel has, or would have, challenged an ACK of our SYN alone a moment ago. */
const isSecondChallenge = ({ steps, difference }: Run): boolean => {
  const { at, kernel, softnet } = difference!
  const isOld = (step: Step): boolean =>
    step.do === 'segment' && step.segment.flags.includes('.') && step.segment.ack === 0
  return (
    kernel.length === 0 &&
    softnet.length === 1 &&
    /^> \. \S+\(0\) /.test(softnet[0]!) &&
    steps.slice(0, at).some(isOld)
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
const hasForeignStamp = (run: Run): boolean => {
  const { before, kernel, softnet } = run.difference!
  const syn = run.steps.find((step) => isSegment(step, /^S/))
  return (
    IS_REQUEST.test(before) &&
    syn?.do === 'segment' &&
    !syn.segment.options.some((option) => option.startsWith('ts ')) &&
    kernel.join().includes(' ts ecr ') &&
    !softnet.join().includes(' ts ecr ') &&
    isOnlyOptions(run)
  )
}
/** Something that lies behind a FIN came while both were out of order. */
const hasTextBehindFin = ({ steps, difference }: Run): boolean => {
  const segments = steps.flatMap((step) => (step.do === 'segment' ? [step.segment] : []))
  const ends = segments.filter(({ flags }) => flags.includes('F')).map(({ seq, len }) => seq + len)
  const isClose = /CLOSE-WAIT|CLOSING|TIME-WAIT|UNCONN|bytes_received/
  return (
    segments.some(
      ({ seq, len }) => len > 0 && ends.some((end) => seq <= end + 1 && seq + len > end)
    ) && [...difference!.kernel, ...difference!.softnet].some((line) => isClose.test(line))
  )
}
/** Its text, or its place, ends between the edges of the two windows. */
const isAtEdge = (run: Run): boolean => {
  const step = stepOf(run)
  if (step.do !== 'segment') return false
  const [a, b] = run.halves.map(({ flow }) => flow.edge)
  const { seq, len } = step.segment
  return a !== b && seq + len >= Math.min(a!, b!) - 1 && seq <= Math.max(a!, b!)
}
/** The highest that is acknowledged, and how much has been received, where the lines say so. */
const ackOf = (lines: readonly string[]): number => highest(lines, / ack (-?\d+)/)
const receivedOf = (lines: readonly string[]): number => highest(lines, / bytes_received (\d+)/)
const highest = (lines: readonly string[], what: RegExp): number =>
  Math.max(-1, ...lines.map((line) => Number(what.exec(line)?.[1] ?? -1)))

/** What an acknowledgement reports first by SACK lies behind a hole; else it has come twice. */
const isOfHole = (line: string): boolean => {
  const [, ack, start] = / ack (\d+) .*sack (\d+) /.exec(line) ?? []
  return ack !== undefined && Number(start) > Number(ack)
}
/** Only softnet reports text that has come twice. */
const isReportForgotten = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  const hasReport = (line: string): boolean => line.includes(' sack ') && !isOfHole(line)
  return softnet.some(hasReport) && !kernel.some(hasReport) && isOnlyOptions(run)
}

/** One has acknowledged the step's text at once, and the other will. */
const isAckAtOnce = (run: Run): boolean => {
  const step = stepOf(run)
  if (step.do !== 'segment') return false
  if (step.segment.len < 100 && !step.segment.flags.includes('F')) return false
  const isAck = (line: string): boolean =>
    /^> \. \d+:\d+\(0\) ack \d+ win \d+ /.test(line) && !isOfHole(line)
  const { kernel, softnet } = run.difference!
  const [more, less] = kernel.length > softnet.length ? [kernel, softnet] : [softnet, kernel]
  const others = more.filter((line) => !isAck(line))
  return more.length === less.length + 1 && others.join('\n') === less.join('\n')
}

/** Only the kernel acknowledges at once, after text that was out of order has been reported. */
const isQuickAfterHole = ({ answers, difference }: Run): boolean => {
  const { at, kernel, softnet } = difference!
  return (
    answers.slice(0, at).some((lines) => lines.some(isOfHole)) &&
    kernel.length === softnet.length + 1 &&
    /^> \. \d+:\d+\(0\) (?!.*sack)/.test(kernel[0]!) &&
    kernel.slice(1).join() === softnet.join()
  )
}

const MOST_HEADER = 60
/** There is a segment so little behind an urgent pointer that the octet it names would lie in its header. */
const hasMarkInHeader = ({ steps, difference }: Run): boolean => {
  const segments = steps.flatMap((step) => (step.do === 'segment' ? [step.segment] : []))
  const marks = segments
    .filter(({ flags }) => flags.includes('U'))
    .map(({ seq, urg }) => seq + Math.max(0, urg - 1))
  const isUrgent = ({ kernel, softnet }: { kernel: string[]; softnet: string[] }): boolean =>
    [...kernel, ...softnet].some((line) => /^file | [0-9a-f]+$|^E/.test(line))
  return (
    isUrgent(difference!) &&
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
const isHopLimitZero = ({ family, steps, difference }: Run): boolean =>
  family === 'ipv6' && encodeStep(steps[difference!.at]!).endsWith('set TTL 0')
const isLengthZero = ({ family, steps }: Run): boolean =>
  family === 'ipv6' &&
  steps.some((step) => step.do === 'datagram' && step.datagram.len + 8 + step.datagram.size === 0)
/** Only SYN-ACKs differ, and those in DF, while the path's MTU is locked. */
const isSmallSynAck = ({ steps, difference }: Run): boolean => {
  const bare = (lines: readonly string[]): string =>
    lines.map((line) => (line.startsWith('> S.') ? line.replace(' no DF', '') : line)).join()
  return (
    steps.some((step) => step.do === 'icmp' && step.error.code === 4) &&
    bare(difference!.kernel) === bare(difference!.softnet)
  )
}
/** More could go at once from one, and what was sent is the same as far as it goes, but for PSH at the ends of super-frames. */
const isPace = (run: Run): boolean => {
  const [kernel, softnet] = [run.difference!.kernel, run.difference!.softnet].map((lines) =>
    lines
      .filter((line) => line.startsWith('> '))
      .map((line) => line.replace(/^> P?/, '> ').replace(/ win \d+/, ''))
  ) as [string[], string[]]
  const shorter = Math.min(kernel.length, softnet.length)
  return (
    run.paces > 0 &&
    Math.max(kernel.length, softnet.length) > 0 &&
    kernel.slice(0, shorter).join() === softnet.slice(0, shorter).join()
  )
}

/** Acknowledgements and resets that differ in TTL, TOS or DF, when one of these was changed. */
const isOtherPlace = ({ steps, difference }: Run): boolean => {
  const bare = (lines: readonly string[]): string =>
    lines.map((line) => line.replace(/^(> (?:\.|R\.?) .*) tos \d+ ttl \d+( no DF)?$/, '$1')).join()
  const isCause = (step: Step): boolean =>
    step.do === 'icmp' || (step.do === 'call' && (step.args[0] === 'TTL' || step.args[0] === 'TOS'))
  return (
    /LISTEN|UNCONN|^$/.test(difference!.before) &&
    steps.some(isCause) &&
    bare(difference!.kernel) === bare(difference!.softnet)
  )
}
/** One waits for more before it sends a segment of what was written, and the other does not. */
const isSendDeferred = (run: Run): boolean => {
  const sent = (lines: readonly string[]): number =>
    lines.filter((line) => line.startsWith('> ')).length
  const { kernel, softnet } = run.difference!
  return (
    / send /.test(encodeStep(stepOf(run))) &&
    kernel[0] === softnet[0] &&
    Math.min(sent(kernel), sent(softnet)) === 0 &&
    Math.max(sent(kernel), sent(softnet)) === 1
  )
}

export const KNOWN_TCP: readonly Known[] = [
  {
    reason:
      'RFC 9293 3.8.6.3: text of more than a segment is acknowledged at once while the window is as large as before, and what comes next when it has grown (__tcp_ack_snd_check, tcp_grow_window); windows go by memory, which is each one’s own',
    isIt: isAckAtOnce,
  },
  {
    reason:
      'the first text in order begins quick acknowledgements, unless text out of order has let the window grow and ended those that this began with (tcp_grow_window, tcp_dec_quickack_mode); windows go by memory',
    isIt: isQuickAfterHole,
  },
  {
    reason:
      'RFC 2883 4: what came twice is reported with the next acknowledgement; the kernel forgets it when text comes first that it does not predict (tcp_data_queue)',
    isIt: isReportForgotten,
  },
  {
    reason:
      'RFC 7323 1.3, 2.2, 3.2: what the peer has not offered in its SYN is not in our SYN-ACK; when SYNs cross, the kernel offers it again',
    isIt: (run) =>
      run.difference!.before.includes('SYN-') &&
      isSegment(stepOf(run), /^S[^.]*$/) &&
      isOnlyOptions(run),
  },
  {
    reason:
      'RFC 5961 5: what its ACK field shows to be old says nothing; where the kernel predicts the header it takes the time stamp before it looks at the ACK',
    isIt: (run) => {
      const stamp = otherEcho(run)
      return stamp >= 0 && hasOldAck(run, stamp)
    },
  },
  {
    reason:
      'RFC 5961 5: text whose ACK field shows it to be old is not taken; where the kernel predicts the header it takes it before it looks at the ACK',
    isIt: (run) => {
      const { kernel, softnet } = run.difference!
      const isTaken = ackOf(kernel) > ackOf(softnet) || receivedOf(kernel) > receivedOf(softnet)
      return hasOldText(run) && isTaken
    },
  },
  {
    reason:
      'RFC 5961 5.2 takes an ACK of our SYN alone for old, not for an attack; the kernel challenges it (tcp_ack)',
    isIt: hasAckOfSyn,
  },
  {
    reason:
      'and after such a challenge it does not challenge again for tcp_invalid_ratelimit, where softnet has not yet',
    isIt: isSecondChallenge,
  },
  {
    reason:
      'a connection in TIME-WAIT has its port; the kernel’s is another socket’s by then, and the file has none (tcp_time_wait)',
    isIt: isBoundInTimeWait,
  },
  {
    reason:
      'RFC 7323 3.2: any stamp that we have sent may be echoed; in SYN-RECEIVED the kernel takes only those of its SYN-ACKs',
    isIt: hasOtherEcho,
  },
  {
    reason:
      'RFC 7323 3.2: what was not agreed on is not sent; a TIME-WAIT of the kernel’s echoes a stamp that came with the handshake all the same',
    isIt: hasForeignStamp,
  },
  {
    reason:
      'RFC 9293 3.10.7.4: nothing follows a FIN; the kernel takes a FIN that is out of order to the end of what lies behind it',
    isIt: hasTextBehindFin,
  },
  {
    reason:
      'windows go by memory, which is each one’s own: the segment lies in the one’s and not in the other’s',
    isIt: isAtEdge,
  },
  {
    reason:
      'what goes at once, and so where PSH stands and what waits for more (tcp_tso_autosize, tcp_tso_should_defer), goes by the pace, and that by round trips that took longer to one than to the other',
    isIt: isPace,
  },
  {
    reason:
      'RFC 9293 3.8.5: the pointer names an octet of the stream; where it is that in front of a segment, the kernel takes one of that segment’s header for it (tcp_urg)',
    isIt: hasMarkInHeader,
  },
  {
    reason:
      'IP_RECVERR was not asked for: the error that ends an attempt is told once; the kernel leaves it in the error queue as well (tcp_v4_err, ip_icmp_error)',
    isIt: isErrorLeft,
  },
  {
    reason:
      'RFC 6864 4.1: on a path whose MTU is locked DF is not set; the kernel sets it on what is no larger than the least MTU, where it says nothing (ip_build_and_send_pkt)',
    isIt: isSmallSynAck,
  },
  {
    reason:
      'what answers for a half-open connection or one in TIME-WAIT has the TTL, TOS and DF of its socket; the kernel’s is sent by a socket of the namespace (ip_send_unicast_reply)',
    isIt: isOtherPlace,
  },
  {
    reason:
      'whether a segment waits for more goes by half of a round trip since the first in flight was sent (tcp_tso_should_defer), and that is time',
    isIt: isSendDeferred,
  },
  {
    reason:
      'of an attempt that is over nothing waits to be sent; the kernel takes the distance to the next one’s first sequence number for that (tcp_disconnect, tcp_stream_memory_free)',
    isIt: isNotsentOfNothing,
  },
  {
    reason: 'RFC 8200 3: a packet of hop limit 0 goes nowhere, so no socket sends one',
    isIt: isHopLimitZero,
  },
  {
    reason:
      'RFC 2675 4: a length of 0 is a jumbogram’s; the kernel takes it for that of the packet',
    isIt: isLengthZero,
  },
]
