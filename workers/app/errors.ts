/** Errors as Node's net and dgram throw them: code, errno, syscall, and the address where there is one. */
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
