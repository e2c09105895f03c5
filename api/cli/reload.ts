/**
 * SIGHUP: the daemon takes its file anew, as `softnet config load` would, and says so to the log, the audit and the service
 * manager. Main thread; from run-daemon.ts.
 */
import { isRefused } from '../../core/control/text/names.ts'
import type { Log } from '../../workers/log.ts'
import type { Daemon } from '../daemon-options.ts'
import { refusal } from '../endpoints/change.ts'
import type { AuditLine } from '../endpoints/deps.ts'
import { Problem } from '../problem.ts'
import { type Config, stackFields, stackPart } from '../schemas/config.ts'
import { readConfig } from './daemon-args.ts'

export type Running = {
  /** What it was started with. */
  readonly config: Config
  readonly daemon: Daemon
  readonly log: Log
  /** The service manager's socket, where one has started the daemon. */
  readonly notify: (state: string) => void
  readonly tellChange: ((line: AuditLine) => void) | undefined
}

/** What is not the stack's state is read once, at the start. */
const needRestart = (before: Config, now: Config): string[] => {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]) as Set<keyof Config>
  return [...names].filter(
    (name) => !Object.hasOwn(stackFields, name) && !Bun.deepEquals(before[name], now[name])
  )
}

/** The file's state in force: its revision. */
const take = async (config: Config, { daemon }: Running): Promise<number> => {
  const reply = await daemon.control.request({ type: 'CONFIG_SET', config: stackPart(config) })
  if (!isRefused(reply)) return reply.revision
  const { kind } = refusal(reply)
  throw new Problem(kind, [reply.field, reply.message].filter(Boolean).join(': '))
}

export const reload = async (file: string, running: Running): Promise<void> => {
  const { daemon, log, notify, tellChange } = running
  notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)
  let status = 200
  try {
    const config = readConfig(file, true)
    const revision = await take(config, running)
    log('notice', `${file} is in force`, { revision })
    const later = needRestart(running.config, config)
    if (later.length > 0)
      log('warning', `${file}: in force with the next start: ${later.join(', ')}`)
  } catch (error) {
    status = error instanceof Problem ? error.status : 400
    log('err', `${file} is not in force: ${(error as Error).message}`)
  }
  tellChange?.({
    time: new Date().toISOString(),
    by: 'SIGHUP',
    token: false,
    method: 'PUT',
    path: '/v1/config',
    status,
    revision: daemon.control.revision(),
  })
  notify('READY=1')
}
