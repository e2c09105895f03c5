// Opens files that a request names, below one folder and nowhere else: no "..", and no symbolic link on the way, each
// step opened from the one before it, so that what is checked is what is opened. Called by device drivers on the control
// thread; cold. Linux counterpart: openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, which older kernels lack.

import { constants } from 'node:fs'
import { check, cstring, Errno, errno, libc, O_RDONLY, OsError, openPath } from './libc.ts'

const { O_DIRECTORY, O_NOFOLLOW } = constants
const O_CLOEXEC = 0x80000

export type OpenFile = (name: string, flags: number, mode?: number) => number

const refuse = (name: string, hint: string): never => {
  throw new OsError(`open ${name}`, Errno.EPERM, hint)
}

/** The steps from the folder to the file; a name may be absolute where it lies in the folder. */
const stepsOf = (folder: string, name: string): string[] => {
  const isBelow = name.startsWith(`${folder}/`)
  if (name.startsWith('/') && !isBelow) refuse(name, `it must lie in ${folder}`)
  const steps = (isBelow ? name.slice(folder.length) : name)
    .split('/')
    .filter((step) => step !== '' && step !== '.')
  if (steps.length === 0 || steps.includes('..') || name.includes('\0'))
    refuse(name, `it must lie in ${folder}`)
  return steps
}

const openAt = (at: number, step: string, name: string, flags: number, mode: number): number =>
  check(
    libc.openat(at, cstring(step).at, flags | O_NOFOLLOW | O_CLOEXEC, mode),
    `open ${name}`,
    errno() === Errno.ELOOP ? 'links are not followed here' : undefined
  )

/** Opens below `folder`, an absolute path; null: there is no folder, so there are no files. Throws OsError. */
export const openBelow =
  (folder: string | null): OpenFile =>
  (name, flags, mode = 0o600) => {
    if (folder === null)
      return refuse(name, 'no folder for files is configured: files = "DIR" names one')
    const steps = stepsOf(folder, name)
    const file = steps.pop() as string
    let at = openPath(folder, O_RDONLY | O_DIRECTORY)
    try {
      for (const step of steps) {
        const next = openAt(at, step, name, O_RDONLY | O_DIRECTORY, 0)
        libc.close(at)
        at = next
      }
      return openAt(at, file, name, flags, mode)
    } finally {
      libc.close(at)
    }
  }
