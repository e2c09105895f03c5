/**
 * Has the garbage of this thread collected while it works. The runtime's own collector waits until a heap has grown by as
 * much as it holds, and counts the arena in, which every thread holds: so hundreds of megabytes of dead requests
 * would stand. Called by the engine for what it has handed out. Application thread only.
 */
import { edenGC, fullGC, heapSize } from 'bun:jsc'

/** Work that is worth a look. */
const LEAST_WORK = 256
const INTERVAL_MS = 100
/** What was alive at one of the quick collections only a full one finds dead: so many bytes of it may stand. */
const MOST_OLD_BYTES = 16 << 20

let work = 0
let alive = 0
let timer: Timer | undefined

const collectAll = (): void => {
  fullGC()
  alive = heapSize()
}
const collect = (): void => {
  timer = undefined
  if (work === 0) {
    // at rest; what is compiled stays, which is 2 MB, and to compile it again held up the next burst by a quarter of a second
    collectAll()
    return
  }
  work = 0
  edenGC()
  if (heapSize() - alive > MOST_OLD_BYTES) collectAll()
  schedule()
}
const schedule = (): void => {
  timer = setTimeout(collect, INTERVAL_MS)
  timer.unref()
}

/** So many completions have been handed to the application. */
export const noteWork = (completions: number): void => {
  work += completions
  if (timer === undefined && work >= LEAST_WORK) schedule()
}
