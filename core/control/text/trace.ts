/**
 * Traces in words. A live one follows the next packets that a filter takes and tells each when its way has come to an end; a
 * dry one gives a made-up packet to a copy of the stack (stack/dry-run.ts). What stages say is in trace-stages.ts.
 */
import { i32le } from '../../base/bytes.ts'
import { Errno } from '../../base/errno.ts'
import { CAPTURE_TRACE } from '../../dev/capture-constants.ts'
import { TR_ID } from '../../dev/trace-constants.ts'
import * as answers from '../rtnl/answers.ts'
import type { ControlPlane } from '../control.ts'
import type { PacketEnds } from '../diag/packet-ends.ts'
import { notBegun, readFrames } from './capture.ts'
import { madePacket } from './made-packet.ts'
import type { DrySpec, Refused, TracedPacket, TraceSpec, Tracing } from './messages.ts'
import { isRefused, noSuchDevice, refuseAs } from './names.ts'
import { createTraceStages, dumped, type Open } from './trace-stages.ts'

/** A packet has come to its end when nothing has been noted of it for so long; longer while somebody keeps it. */
const QUIET_US = 100_000
const KEPT_US = 4_000_000
/** Packets whose ways are followed at a time. */
const MAX_OPEN = 1024

type Plane = Pick<
  ControlPlane,
  'capture' | 'dryRun' | 'takerOf' | 'ifindexOf' | 'nameOf' | 'dump' | 'apply'
>

export const createTextTrace = (plane: Plane, nowUs: () => number) => {
  const { ifindexOf } = plane
  const { newOpen, add, takerOf, forget } = createTraceStages(plane)
  const isOver = ({ lastUs, isKept }: Open): boolean =>
    nowUs() - lastUs > (isKept ? KEPT_US : QUIET_US)

  const trace = (spec: TraceSpec, take: (packet: TracedPacket) => void): Tracing | Refused => {
    const frames = readFrames(spec, ifindexOf)
    if (isRefused(frames)) return frames
    const open = new Map<number, Open>()
    /** Stages of packets beyond those that may be open. */
    let missed = 0
    let usedUpUs = 0
    const wanted = { ...frames, ways: CAPTURE_TRACE, snapLen: 0, packets: spec.packets }
    const capturing = plane.capture(wanted, (frame) => {
      const id = i32le(frame.bytes, TR_ID * 4)
      const packet = open.get(id) ?? newOpen(frame.timeUs)
      if (packet.packet.stages.length === 0) {
        if (open.size >= MAX_OPEN) {
          missed++
          return
        }
        open.set(id, packet)
      }
      add(packet, frame)
    })
    if (typeof capturing === 'number') return notBegun(capturing)
    const poll = (): void => {
      forget()
      capturing.poll()
      for (const [id, packet] of open) {
        if (!isOver(packet)) continue
        open.delete(id)
        take(packet.packet)
      }
      if (usedUpUs === 0 && capturing.isUsedUp()) usedUpUs = nowUs()
    }
    return {
      ...capturing,
      poll,
      lost: () => capturing.lost() + missed,
      isOver: () => usedUpUs !== 0 && nowUs() - usedUpUs > QUIET_US && open.size === 0,
    }
  }

  const traceDry = async ({ dev, packet }: DrySpec): Promise<TracedPacket | Refused> => {
    if (plane.dryRun === undefined) return refuseAs(Errno.EOPNOTSUPP, 'Error: no dry run here.')
    const ifindex = ifindexOf(dev)
    if (ifindex === 0) return noSuchDevice(dev)
    const link = plane.apply({ type: 'RTM_GETLINK', ifindex })
    if (answers.isRefused(link)) return noSuchDevice(dev)
    const frame = madePacket(packet, link.item.mac)
    if ('mistake' in frame) return refuseAs(Errno.EINVAL, `Error: ${frame.mistake}.`, 'packet')
    forget()
    const open = newOpen(nowUs())
    const isTaken = (ends: PacketEnds): boolean => takerOf(ends) !== undefined
    if (!(await plane.dryRun(frame, ifindex, isTaken, (note) => add(open, note))))
      return refuseAs(Errno.EMSGSIZE, 'Error: the frame is too long.', 'packet')
    open.packet.dev = dev
    open.packet.frame = dumped(frame)
    return open.packet
  }
  return { trace, traceDry }
}
