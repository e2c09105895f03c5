/**
 * What it costs to be looked at: the worker's part in memory (forward-memory.ts) while nobody looks, beside a capture whose filter
 * takes nothing, and beside a trace of every packet. The two have their turns in one process, a short piece each. A part by
 * itself:
 *
 *   bun bench/captures.ts capture|trace
 */
import { createCaptures } from '../core/control/diag/captures.ts'
import { compileFilter } from '../core/control/text/filter/filter.ts'
import { CAPTURE_IN, CAPTURE_OUT, CAPTURE_TRACE } from '../core/dev/capture-constants.ts'
import { G_CAPTURES, G_TRACES } from '../core/shm/layout.ts'
import { PARTS } from './forward-memory.ts'
import { BATCH, makeArena } from './support/forwarding.ts'

const WARM_UP = 4096 * BATCH
const CHUNKS = 60
const CHUNK = 8192
const WORDS = [G_CAPTURES, G_TRACES]
/** More packets than are ever sent here. */
const EVERY = 0x7fffffff
const LOOKS = {
  // the packets go to port 9
  capture: { ways: CAPTURE_IN | CAPTURE_OUT, filter: 'udp port 7' },
  trace: { ways: CAPTURE_TRACE, filter: '', packets: EVERY },
} as const
export type Look = keyof typeof LOOKS

export type Looked = {
  /** Milliseconds of the fastest pieces, beside one another: how often as long it takes. */
  ratio: number
  /** Nanoseconds a packet while nobody looks. */
  ns: number
  /** Packets that went by while somebody looked. */
  shown: number
  /** Frames, or stages of a trace, that were told, and that found no room. */
  taken: number
  lost: number
}

const measure = async (look: Look): Promise<Looked> => {
  const arena = makeArena()
  const { before, measured, after, check, refresh } = PARTS.worker(arena)
  const captures = createCaptures({
    arena,
    nowUs: () => performance.now() * 1000,
    retire: (then) => then(),
    raise: () => 0,
    publish: async () => 0,
  })
  const packets = (count: number): number => {
    let ms = 0
    let out = 0
    for (let done = 0; done < count; done += BATCH) {
      before()
      const start = performance.now()
      measured()
      ms += performance.now() - start
      out += after()
    }
    if (out !== count) throw new Error(`only ${out} of ${count} packets came out`)
    return ms
  }
  const { filter, ...rest } = LOOKS[look]
  const program = compileFilter(filter)
  if (typeof program === 'string') throw new Error(program)
  let taken = 0
  const capture = captures.open({ ifindex: 0, snapLen: 262144, program, ...rest }, () => {
    taken++
  })
  if (typeof capture === 'number') throw new Error(`no capture: ${capture}`)
  // a trace begins when every thread has heard of it
  await Promise.resolve()
  const open = WORDS.map((word) => arena.i32[word]!)
  /** The capture stays, and its filter is not made anew: it is only not seen. */
  const show = (isSeen: boolean): void => {
    for (const [k, word] of WORDS.entries()) arena.i32[word] = isSeen ? open[k]! : 0
    refresh()
  }
  const turn = (isSeen: boolean, count: number): number => {
    show(isSeen)
    const ms = packets(count)
    capture.poll()
    return ms
  }
  turn(false, WARM_UP)
  turn(true, WARM_UP)
  let alone = Number.POSITIVE_INFINITY
  let beside = Number.POSITIVE_INFINITY
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    alone = Math.min(alone, turn(false, CHUNK))
    beside = Math.min(beside, turn(true, CHUNK))
  }
  check()
  const shown = WARM_UP + CHUNKS * CHUNK
  return { ratio: beside / alone, ns: (alone * 1e6) / CHUNK, shown, taken, lost: capture.lost() }
}

/** What one of them costs, from a process of its own. */
export const lookedAt = (look: Look): Looked => {
  const { stdout, stderr, success } = Bun.spawnSync([process.execPath, import.meta.path, look])
  if (!success) throw new Error(`what a ${look} costs was not measured: ${stderr}`)
  return JSON.parse(`${stdout}`)
}

if (import.meta.main) {
  const [look] = process.argv.slice(2)
  if (look === undefined || !Object.hasOwn(LOOKS, look))
    throw new Error('usage: bun bench/captures.ts capture|trace')
  console.log(JSON.stringify(await measure(look as Look)))
}
