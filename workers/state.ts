/**
 * What was changed, kept over the daemon's end, however that comes (`--state DIR`): an SQLite file with the configuration of
 * some moment and every change since, in their order. A change is written before it is answered. One daemon at a time
 * has the file. Main thread; workers/daemon.ts begins with what is in it.
 */
import { Database } from 'bun:sqlite'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { KeepState, Message, StackConfig } from '../core/control/text/messages.ts'

const FILE = 'state.sqlite'
const VERSION = 1
/** So many changes, and twice as many as the configuration has parts, are more than it is worth to do again. */
const MANY_CHANGES = 10_000

export type State = ReturnType<typeof openState>

/** Parts of a configuration: each is one change or a little more. */
const sizeOf = (config: StackConfig): number =>
  Object.values(config).reduce((sum, part) => sum + Object.keys(part).length, 0)

const open = (folder: string): Database => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const db = new Database(join(folder, FILE), { create: true, strict: true })
  try {
    db.run('PRAGMA locking_mode = EXCLUSIVE')
    db.run('PRAGMA journal_mode = WAL')
    // a change that was answered outlives the machine's power as well
    db.run('PRAGMA synchronous = FULL')
    db.run(
      'CREATE TABLE IF NOT EXISTS config (id INTEGER PRIMARY KEY, version INTEGER, config TEXT)'
    )
    db.run('CREATE TABLE IF NOT EXISTS change (id INTEGER PRIMARY KEY, message TEXT)')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Throws where the folder or its file can not be had: another daemon has it, or it is no such file. */
export const openState = (folder: string) => {
  let db: Database
  try {
    db = open(folder)
  } catch (error) {
    throw new Error(`--state ${folder}: ${(error as Error).message}`)
  }
  const insert = db.query<null, [string]>('INSERT INTO change (message) VALUES (?)')
  let changes = db.query<{ n: number }, []>('SELECT count(*) AS n FROM change').get()!.n
  let parts = 0

  /** What the file holds; null when it was made just now. */
  const load = (): { config: StackConfig; changes: Message[] } | null => {
    const row = db
      .query<{ version: number; config: string }, []>('SELECT version, config FROM config')
      .get()
    if (row === null) return null
    if (row.version !== VERSION)
      throw new Error(`--state ${folder}: version ${row.version} is not ${VERSION}`)
    const config = JSON.parse(row.config) as StackConfig
    parts = sizeOf(config)
    const rows = db.query<{ message: string }, []>('SELECT message FROM change ORDER BY id').all()
    return { config, changes: rows.map(({ message }) => JSON.parse(message) as Message) }
  }
  const append = db.transaction((messages: readonly Message[]): void => {
    for (const message of messages) insert.run(JSON.stringify(message))
    changes += messages.length
  })
  const replace = db.transaction((config: StackConfig): void => {
    db.query('INSERT OR REPLACE INTO config VALUES (0, ?, ?)').run(VERSION, JSON.stringify(config))
    db.run('DELETE FROM change')
    changes = 0
    parts = sizeOf(config)
  })
  const isLong = (): boolean => changes > MANY_CHANGES && changes > 2 * parts
  const keep: KeepState = { append, isLong, replace }
  return { load, keep, close: (): void => db.close() }
}
