/**
 * The filters of captures and traces, as functions of a thread: made of the row's program when a frame is first shown to it
 * (bpf/bpf-jit.ts), and again when the row is another capture's. Used by dev/capture.ts and dev/trace.ts.
 */
import type { BpfJit, Filter } from '../bpf/bpf-jit.ts'
import type { Arena } from '../shm/arena.ts'
import { MAX_CAPTURES } from '../shm/layout.ts'
import { CAP_PROGRAM, CAP_SERIAL } from './capture-constants.ts'

type CaptureFiltersDeps = { arena: Arena } & Pick<BpfJit, 'compile'>

export type CaptureFilters = ReturnType<typeof createCaptureFilters>

export const createCaptureFilters = ({ arena, compile }: CaptureFiltersDeps) => {
  const { i32 } = arena
  const none: Filter = () => 0
  const filters: Filter[] = new Array(MAX_CAPTURES).fill(none)
  /** The serials of the captures that they are of; a capture's is never 0. */
  const serials = new Int32Array(MAX_CAPTURES)

  const make = (capture: number, row: number): void => {
    filters[capture] = compile(row + CAP_PROGRAM)
    serials[capture] = i32[row + CAP_SERIAL]
  }
  /** The filter of a capture that is open, whose row is given. */
  const filterOf = (capture: number, row: number): Filter => {
    if (serials[capture] !== i32[row + CAP_SERIAL]) make(capture, row)
    return filters[capture]
  }
  return { filterOf }
}
