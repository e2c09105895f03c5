/**
 * What the daemon has to say on its standard error while it runs. Whoever reads that may read slowly or not at all, and a
 * write to a full pipe waits: so lines are written off the control thread, one after the other, and when too many wait
 * they are counted instead of kept.
 */
import { write } from 'node:fs'

const STDERR = 2
const MAX_WAITING = 256

/** `fd` is where lines go. */
export const createLog = (fd = STDERR) => {
  const waiting: string[] = []
  let lost = 0
  let isWriting = false

  const next = (): void => {
    if (lost > 0 && waiting.length === 0) {
      waiting.push(`softnet: ${lost} lines were lost: nobody read them in time\n`)
      lost = 0
    }
    const line = waiting.shift()
    isWriting = line !== undefined
    // who has closed it does not want to know
    if (line !== undefined) write(fd, line, next)
  }
  return (line: string): void => {
    if (waiting.length === MAX_WAITING) {
      lost++
      return
    }
    waiting.push(`softnet: ${line}\n`)
    if (!isWriting) next()
  }
}
