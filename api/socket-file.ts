/**
 * The unix socket as a file: its folder is made for its owner alone, the file of a daemon that died is replaced, and that
 * of a living one is left, also when both start at the same moment. Called by server.ts on the main thread.
 */
import { lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { withLock } from '../workers/os/lock.ts'
import { privateFolder } from './cli/endpoint.ts'
import { ListenError } from './listen-error.ts'

export const lstat = (path: string) => {
  try {
    return lstatSync(path)
  } catch {
    return null
  }
}

/** At the end: one that is another user by now may not be allowed to, and the next daemon replaces what it finds. */
export const removeOwn = (path: string): void => {
  try {
    unlinkSync(path)
  } catch {
    // somebody else's folder
  }
}

/** Makes the folder of a file. The one in /tmp is ours alone: nobody may have put one there for us. */
export const makeFolder = (path: string): void => {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const uid = process.getuid?.() ?? 0
  const found = lstat(folder)
  if (folder === privateFolder(uid) && (found?.uid !== uid || !found.isDirectory()))
    throw new ListenError(`cannot use ${path}: ${folder} belongs to somebody else`)
}

/** true when somebody answers on the socket. */
const isAlive = async (path: string): Promise<boolean> => {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {} } })
    socket.end()
    return true
  } catch {
    return false
  }
}

const clear = async (path: string): Promise<void> => {
  const found = lstat(path)
  if (found === null) return
  if (!found.isSocket())
    throw new ListenError(`cannot listen on unix:${path}: the file exists and is no socket`)
  if (await isAlive(path)) {
    throw new ListenError(
      `cannot listen on unix:${path}: another daemon is there; stop it, or use --api`
    )
  }
  unlinkSync(path)
}

/** Binds while no other daemon looks at the same path. */
export const takeSocket = async <T>(path: string, bind: () => T): Promise<T> => {
  makeFolder(path)
  return withLock(`${path}.lock`, async () => {
    await clear(path)
    return bind()
  })
}
