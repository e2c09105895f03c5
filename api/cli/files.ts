/**
 * The files that a daemon's command line names, read and written so that nothing which runs can be held up: once the
 * stack is up, only regular files are opened, and a pipe is written off this thread. Main thread.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs'
import { Refused } from './cli.ts'

/** Some hundred thousand routes; what is larger is no configuration. */
const MAX_CONFIG_BYTES = 64 << 20
const CHUNK_BYTES = 1 << 16

const refuse = (path: string, why: string): never => {
  throw new Refused(`softnet: ${path}: ${why}`)
}
const checkRegular = (path: string, fd: number): void => {
  if (!fstatSync(fd).isFile()) refuse(path, 'not a regular file')
}

const readBounded = (path: string, fd: number): string => {
  const decoder = new TextDecoder()
  const chunk = new Uint8Array(CHUNK_BYTES)
  let text = ''
  let total = 0
  for (;;) {
    const n = readSync(fd, chunk)
    if (n === 0) return text + decoder.decode()
    total += n
    if (total > MAX_CONFIG_BYTES) refuse(path, `larger than ${MAX_CONFIG_BYTES} octets`)
    text += decoder.decode(chunk.subarray(0, n), { stream: true })
  }
}

/**
 * The text of a file. Before the stack runs it may come out of a pipe (`-c <(...)`), which takes the time
 * it takes; `isRunning`: only a regular file.
 */
export const readText = (path: string, isRunning: boolean): string => {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants
  const fd = openSync(path, O_RDONLY | O_NOCTTY | (isRunning ? O_NONBLOCK : 0))
  try {
    if (isRunning) checkRegular(path, fd)
    return readBounded(path, fd)
  } finally {
    closeSync(fd)
  }
}

/** Opens a regular file to which lines are added; gives what adds one. */
export const openLines = (path: string): ((line: string) => void) => {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK, O_NOCTTY } = constants
  const fd = openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY, 0o640)
  checkRegular(path, fd)
  return (line) => void writeSync(fd, `${line}\n`)
}

/** Writes the process id to a regular file. */
export const writePidFile = (path: string): void => {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NONBLOCK, O_NOCTTY } = constants
  const fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY, 0o644)
  try {
    checkRegular(path, fd)
    writeSync(fd, `${process.pid}\n`)
  } finally {
    closeSync(fd)
  }
}

/** Another daemon may have written its own there since. */
export const removePidFile = (path: string): void => {
  try {
    if (readText(path, true) === `${process.pid}\n`) unlinkSync(path)
  } catch {
    // Gone already, or no file of ours any more.
  }
}

/** Tells whoever waits at the descriptor; a full pipe holds up another thread, and a closed one is no fault of ours. */
export const tellReady = (fd: number, line: string): void => write(fd, line, () => {})
