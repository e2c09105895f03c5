// Reasons of what files show, and of what answers without one.

import type { Run } from '../play.ts'
import { encodeStep, type Step } from '../script.ts'
import {
  ackOf,
  isOnly,
  isSameBut,
  isSameFiles,
  sentLines,
  stepOf,
  textAt,
  without,
} from './lines.ts'

/** bind of what was a connection, which is in TIME-WAIT. */
export const isBoundInTimeWait = (run: Run): boolean => {
  const { kernel, softnet } = run.difference!
  return (
    encodeStep(stepOf(run)).includes(' bind') &&
    kernel.join() === 'EADDRINUSE' &&
    softnet.join() === 'EINVAL'
  )
}

/** The error that an attempt failed with is reported, and is there still, alone or with what else changes. */
export const isErrorLeft = (run: Run): boolean => {
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
export const isNotsentOfNothing = ({ steps, difference }: Run): boolean => {
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

/** Only one remembers an error of ICMP's that is no fatal one, after which text has come. */
export const isErrorForgotten = ({ steps, difference }: Run): boolean => {
  const { at, kernel, softnet } = difference!
  const error = steps.findIndex((step) => step.do === 'icmp')
  return (
    error >= 0 &&
    encodeStep(steps[at]!).endsWith(' get SO_ERROR') &&
    [kernel, softnet].some((lines) => lines.join() === '0') &&
    steps.slice(error, at).some((step) => step.do === 'segment' && step.segment.len > 0)
  )
}

/** Text has come, and only one has seen by it that its probes of a closed window are answered, or that what waits may go now. */
export const isProbeAnswered = (run: Run): boolean => {
  const step = stepOf(run)
  const { kernel, softnet } = run.difference!
  return (
    step.do === 'segment' &&
    step.segment.len > 0 &&
    [kernel, softnet].some((lines) => / (probes|backoff) 0\b/.test(lines.join())) &&
    isSameBut(run, /^file /) &&
    isSameFiles(run, / (probes|backoff) \d+/g)
  )
}

const PROGRESS = / ack \d+ win \d+/g
/** Text has come with an acknowledgement, by which the kernel sends what is new before it has taken the text, and answers that then. */
export const isSentBeforeText = (run: Run): boolean => {
  const step = stepOf(run)
  const [kernel, softnet] = sentLines(run)
  const last = kernel.pop() ?? ''
  return (
    step.do === 'segment' &&
    step.segment.len > 0 &&
    softnet.length > 0 &&
    textAt(last) === null &&
    ackOf([last]) === ackOf(softnet) &&
    ackOf(kernel) === run.halves[0].acked &&
    softnet.every((line) => textAt(line) !== null) &&
    without(kernel, PROGRESS) === without(softnet, PROGRESS) &&
    isSameBut(run, /^> /)
  )
}

const PLACE = /(?<=^> (?:\.|R\.?) .*) tos \d+ ttl \d+$/

/** Acknowledgements and resets that differ in TTL and TOS, when one of these was changed; the kernel's TTL is the default's. */
export const isOtherPlace = (run: Run): boolean =>
  /^$|^0 LISTEN|UNCONN/.test(run.difference!.before) &&
  run.steps.some((step) => step.do === 'call' && /^(TTL|TOS)$/.test(step.args[0] ?? '')) &&
  run.difference!.kernel.every((line) => !PLACE.test(line) || line.endsWith(' ttl 64')) &&
  isOnly(run, PLACE)
