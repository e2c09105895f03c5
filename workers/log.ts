/**
 * What the daemon has to say on its standard error while it runs: an event a line, for people, as JSON, or with the prefixes
 * that journald reads. Whoever reads that may read slowly or not at all, and a write to a full pipe waits: so lines are
 * written off the control thread, one after the other, and when too many wait they are counted instead of kept. Ours for
 * that bound; the rest is these few lines. Control thread.
 */
import { fstatSync, write } from 'node:fs'

const STDERR = 2
const MAX_WAITING = 256

/** syslog(3)'s words, and systemd's, with their numbers. */
const PRIORITY = { err: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const
export type LogLevel = keyof typeof PRIORITY
export const LOG_LEVELS = Object.keys(PRIORITY) as LogLevel[]
export const LOG_FORMATS = ['text', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

/** What more there is to an event than its words. */
type Fields = Readonly<Record<string, string | number | boolean>>
export type Log = (level: LogLevel, message: string, fields?: Fields) => void

/** Is our standard error the journal's? systemd.exec(5) says so by its device and inode. */
export const isJournal = (stream: string | undefined, fd = STDERR): boolean => {
  if (stream === undefined) return false
  const { dev, ino } = fstatSync(fd)
  return stream === `${dev}:${ino}`
}

/** Of several lines one: a stack of calls. */
const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' | ')
const pairs = (fields: Fields): string =>
  Object.entries(fields)
    .map(([name, value]) => ` ${name}=${value}`)
    .join('')
const FORMATS: Record<LogFormat, (level: LogLevel, message: string, fields: Fields) => string> = {
  text: (_level, message, fields) => oneLine(`softnet: ${message.trimEnd()}${pairs(fields)}`),
  json: (level, message, fields) =>
    JSON.stringify({ time: new Date().toISOString(), level, message, ...fields }),
}

type LogOptions = {
  /** What is less important is not said. */
  level?: LogLevel
  format?: LogFormat
  /** The journal wants to know how important a line is (sd-daemon(3)). */
  journal?: boolean
  /** Where lines go. */
  fd?: number
}

export const createLog = (options: LogOptions = {}): Log => {
  const { level: least = 'notice', format = 'text', journal = false, fd = STDERR } = options
  const waiting: string[] = []
  let lost = 0
  let isWriting = false

  const lineOf = (level: LogLevel, message: string, fields: Fields): string =>
    `${journal ? `<${PRIORITY[level]}>` : ''}${FORMATS[format](level, message, fields)}\n`
  const next = (): void => {
    if (lost > 0 && waiting.length === 0) {
      waiting.push(lineOf('warning', `${lost} lines were lost: nobody read them in time`, {}))
      lost = 0
    }
    const line = waiting.shift()
    isWriting = line !== undefined
    // who has closed it does not want to know
    if (line !== undefined) write(fd, line, next)
  }
  return (level, message, fields = {}) => {
    if (PRIORITY[level] > PRIORITY[least]) return
    if (waiting.length === MAX_WAITING) {
      lost++
      return
    }
    waiting.push(lineOf(level, message, fields))
    if (!isWriting) next()
  }
}
