/** A kind's refusal, out of what the operating system said. */
import { Errno } from '../../core/base/errno.ts'
import type { LinkRefusal } from '../../core/dev/kinds/link-kind.ts'
import { OsError } from '../os/libc.ts'

/** Ours, or Node's, which has them below zero. */
const errnoOf = (error: unknown): number | undefined => {
  if (error instanceof OsError) return error.errno
  const errno = error instanceof Error ? (error as NodeJS.ErrnoException).errno : undefined
  return errno === undefined ? undefined : Math.abs(errno)
}

/** `fallback` is the errno of an error that has none. */
export const refusal = (error: unknown, fallback: string, field: string): LinkRefusal => {
  const number = errnoOf(error) ?? (Errno as Record<string, number>)[fallback]
  const message = error instanceof Error ? error.message : String(error)
  return { error: number, message: `Error: ${message}`, field }
}
