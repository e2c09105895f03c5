/** Captures in words: devices by name, the filter as tcpdump takes it, what dies with its reason (iproute2 has none). */
import { Errno } from '../../base/errno.ts'
import { bpfCheck } from '../../bpf/bpf-check.ts'
import { CAPTURE_DROPPED, CAPTURE_IN, CAPTURE_OUT } from '../../dev/capture-constants.ts'
import { Drop } from '../../skb/drop.ts'
import type { CapturedFrame } from '../diag/captures.ts'
import type { ControlPlane } from '../control.ts'
import { compileFilter } from './filter/filter.ts'
import type { CaptureItem, CaptureSpec, Capturing, Refused } from './messages.ts'
import type { DeviceNames } from './names.ts'
import { isRefused, noSuchDevice, refuseAs } from './names.ts'

/** As much of a frame as tcpdump keeps. */
const SNAPLEN = 262144
const WAYS = { in: CAPTURE_IN, out: CAPTURE_OUT, inout: CAPTURE_IN | CAPTURE_OUT } as const
/** Every device; and that of what died before any was known. */
const ANY = 'any'

const reasonNames = new Map(Object.entries(Drop).map(([name, reason]) => [reason as number, name]))

/** Which frames are meant: of a device, and those that an expression takes. */
export const readFrames = (
  { dev = ANY, filter = '' }: { dev?: string; filter?: string },
  ifindexOf: DeviceNames['ifindexOf']
): { ifindex: number; program: Int32Array } | Refused => {
  const ifindex = dev === ANY ? 0 : ifindexOf(dev)
  if (ifindex === 0 && dev !== ANY) return noSuchDevice(dev)
  const program = compileFilter(filter)
  if (typeof program === 'string') return refuseAs(Errno.EINVAL, `Error: ${program}`, 'filter')
  if (!bpfCheck(program)) return refuseAs(Errno.EINVAL, 'Error: invalid filter.', 'filter')
  return { ifindex, program }
}
export const notBegun = (error: number): Refused =>
  refuseAs(-error, 'Error: too many captures already.')

export const createTextCapture = ({
  capture,
  ifindexOf,
  nameOf,
}: Pick<ControlPlane, 'capture' | 'ifindexOf' | 'nameOf'>) => {
  const item = (frame: CapturedFrame): CaptureItem => ({
    timeUs: frame.timeUs,
    dev: frame.ifindex === 0 ? ANY : nameOf(frame.ifindex),
    cpu: frame.cpu,
    direction: frame.way === CAPTURE_OUT ? 'out' : 'in',
    drop: frame.reason === 0 ? null : (reasonNames.get(frame.reason) ?? String(frame.reason)),
    length: frame.len,
    bytes: frame.bytes,
  })
  return (spec: CaptureSpec, take: (frame: CaptureItem) => void): Capturing | Refused => {
    const { snaplen = SNAPLEN, direction = 'inout' } = spec
    const frames = readFrames(spec, ifindexOf)
    if (isRefused(frames)) return frames
    const ways = WAYS[direction] | (spec.drops === true ? CAPTURE_DROPPED : 0)
    const wanted = { ...frames, ways, snapLen: snaplen }
    const capturing = capture(wanted, (frame) => take(item(frame)))
    return typeof capturing === 'number' ? notBegun(capturing) : capturing
  }
}
