// A lock between processes, for the moment in which a daemon takes a name in the file system: flock(2) on a file beside
// it, which the kernel gives back when its holder dies. Called by the API's server on the main thread; cold.

import { closeSync, constants, fstatSync, openSync, statSync, unlinkSync } from 'node:fs'
import { Errno, libc, OsError } from './libc.ts'

const LOCK_EX_NB = 2 | 4
const LOOK_MS = 5
const WITHIN_MS = 5000

const { O_CREAT, O_RDWR, O_NOFOLLOW } = constants

/** Whoever held the lock before us has removed the file that we opened. */
const isStill = (path: string, fd: number): boolean => {
  try {
    return statSync(path).ino === fstatSync(fd).ino
  } catch {
    return false
  }
}

/** null while somebody else has it. */
const tryLock = (path: string): number | null => {
  const fd = openSync(path, O_CREAT | O_RDWR | O_NOFOLLOW, 0o600)
  if (libc.flock(fd, LOCK_EX_NB) === 0 && isStill(path, fd)) return fd
  closeSync(fd)
  return null
}

/** Runs `work` while nobody else does under the same path; the file is gone afterwards. Throws OsError. */
export const withLock = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  const deadline = performance.now() + WITHIN_MS
  let fd = tryLock(path)
  // It is held for milliseconds.
  while (fd === null) {
    if (performance.now() > deadline) throw new OsError(`lock ${path}`, Errno.EAGAIN)
    await Bun.sleep(LOOK_MS)
    fd = tryLock(path)
  }
  try {
    return await work()
  } finally {
    unlinkSync(path)
    closeSync(fd)
  }
}
