/** Errors as Node's net and dgram have them: code, errno, syscall, and the address where there is one. */
import { errnoName } from '../../core/base/errno.ts'

type NetError = Error & {
  code: string
  errno: number
  syscall: string
  address?: string
  port?: number
}

/** `result` is -errno. */
export const netError = (
  result: number,
  syscall: string,
  address?: string,
  port?: number
): NetError => {
  const code = errnoName(result)
  const where = address === undefined ? '' : ` ${address}:${port}`
  const error = new Error(`${syscall} ${code}${where}`) as NetError
  error.code = code
  error.errno = result
  error.syscall = syscall
  if (address !== undefined) {
    error.address = address
    error.port = port
  }
  return error
}

const TEXTS: Record<string, string> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'address not available',
  EMFILE: 'too many open files',
  EOPNOTSUPP: 'operation not supported on socket',
}
/** As netError, with the words that Node has in those of listen(). */
export const listenError = (result: number, address: string, port: number): NetError => {
  const error = netError(result, 'listen', address, port)
  error.message = `listen ${error.code}: ${TEXTS[error.code] ?? 'failed'} ${address}:${port}`
  return error
}

/** An error that Node has a code of its own for: a call that cannot be right. */
export const nodeError = (
  code: string,
  message: string,
  Kind: new (message: string) => Error = Error
): Error => Object.assign(new Kind(message), { code })

/** A name that nobody has an address for, as getaddrinfo() says it. */
export const nameError = (hostname: string): Error => {
  const error = new Error(`getaddrinfo ENOTFOUND ${hostname}`)
  return Object.assign(error, { code: 'ENOTFOUND', errno: -3008, syscall: 'getaddrinfo', hostname })
}
