// A lock between processes, for the moment in which a daemon takes a name in the file system: flock(2) on a file beside
// it, which the kernel gives back when its holder dies. Called by the API's server on the main thread; cold.

import { closeSync, constants, fstatSync, openSync, statSync, unlinkSync } from 'node:fs'
import { check, libc } from './libc.ts'

const LOCK_EX = 2

const { O_CREAT, O_RDWR, O_NOFOLLOW } = constants

/** Whoever held the lock before us has removed the file that we opened. */
const isStill = (path: string, fd: number): boolean => {
  try {
    return statSync(path).ino === fstatSync(fd).ino
  } catch {
    return false
  }
}

/** Runs `work` while no other process does under the same path; the file is gone afterwards. */
export const withLock = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  for (;;) {
    const fd = openSync(path, O_CREAT | O_RDWR | O_NOFOLLOW, 0o600)
    try {
      // Held for milliseconds, so it is waited for.
      check(libc.flock(fd, LOCK_EX), 'flock')
      if (!isStill(path, fd)) continue
      try {
        return await work()
      } finally {
        unlinkSync(path)
      }
    } finally {
      closeSync(fd)
    }
  }
}
