/**
 * The file beside the socket that holds the daemon's token, as links to its dashboard: one line for each TCP address, so
 * that a client gives the token to nobody but the daemon it is of. 0600; made when the daemon listens, gone with it.
 */
import { closeSync, constants, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { ListenError } from './listen-error.ts'
import { lstat, makeFolder, removeOwn } from './socket-file.ts'

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants

/** Of 256 random bits. */
export const createToken = (): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')

/** The fragment never leaves the browser: no request, log or referrer shows it. */
export const tokenLink = (address: string, token: string): string => `${address}/#token=${token}`

const LINK = /^(https?:\/\/\S+)\/#token=(\S+)$/

const readLinks = (path: string): RegExpExecArray[] => {
  try {
    const found = readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => LINK.exec(line))
    return found.filter((link) => link !== null)
  } catch {
    return []
  }
}

/** The token for an address, where one of the files has it and may be read. */
export const findToken = (paths: readonly string[], address: string): string | undefined =>
  paths.flatMap(readLinks).find((link) => link[1] === address)?.[2]

/** Returns what removes the file again. */
export const writeTokenFile = (path: string, links: readonly string[]): (() => void) => {
  makeFolder(path)
  const before = lstat(path)
  if (before !== null) {
    const isOurs = before.isFile() && before.uid === process.getuid?.()
    if (!isOurs || (before.size > 0 && readLinks(path).length === 0))
      throw new ListenError(`cannot write ${path}: the file exists and holds no token of ours`)
    unlinkSync(path)
  }
  const content = links.map((link) => `${link}\n`).join('')
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  writeSync(fd, content)
  closeSync(fd)
  return () => {
    // By its content, since a new file may have the inode of an old one.
    if (readLinks(path).some(([link]) => links.includes(link))) removeOwn(path)
  }
}
