/**
 * /config: the declarative state. PUT makes it so and answers with the steps; ?dry_run=1 only tells them, and with
 * ?confirm_within= it is taken back unless :confirm comes in time. :save writes it into the daemon's file.
 */
import type { Context } from 'hono'
import { Hono } from 'hono'
import { configStep } from '../schemas/answers/config.ts'
import { z } from 'zod'
import { Errno } from '../../core/base/errno.ts'
import type {
  ConfigStep,
  Control,
  Done,
  Message,
  Reply,
  StackConfig,
} from '../../core/control/text/messages.ts'
import { isRefused } from '../../core/control/text/names.ts'
import { refused } from '../problem.ts'
import { check } from '../schemas/check.ts'
import { queryFlag } from '../schemas/common.ts'
import { stackConfig } from '../schemas/config.ts'
import { configToml } from '../toml.ts'
import {
  checkIfMatch,
  isDone,
  readBody,
  readIfMatch,
  refusal,
  requestChange,
  sendChange,
  sendItem,
} from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { etag } from './list.ts'

const tag = 'config'
const LONGEST_S = 3600
/** `60s`, or a plain number of seconds. */
const seconds = z
  .string()
  .regex(/^\d{1,5}s?$/, { error: 'expected seconds' })
  .transform((text) => Number.parseInt(text, 10))
  .pipe(z.int().min(1).max(LONGEST_S))

const CONFIG_EXAMPLE = {
  link: [{ name: 'veth0', addresses: ['10.1.0.254/24'] }],
  route: [{ dst: 'default', via: '10.1.0.1' }],
  sysctl: { 'net.ipv4.ip_forward': 1 },
}

const configOf = async (control: Control, whole = false): Promise<Done<StackConfig>> => {
  const reply = await control.request({ type: 'CONFIG_GET', whole })
  if (isRefused(reply)) throw refusal(reply)
  return reply
}

/** A configuration in force, and the steps that take it back: those alone, whatever else is changed meanwhile. */
const setToTakeBack = async (
  c: Context<ApiEnv>,
  control: Control,
  config: StackConfig
): Promise<{ made: Done<ConfigStep[]>; back: Message[] }> => {
  for (;;) {
    const { item: before, revision } = await configOf(control, true)
    const messages: Message[] = [
      { type: 'CONFIG_SET', config },
      { type: 'CONFIG_SET', config: before, dry_run: true },
    ]
    const isBound = readIfMatch(c) !== undefined
    const batch = { type: 'BATCH', messages } as const
    const reply = await (isBound
      ? requestChange(c, control, batch)
      : control.request(batch, [revision]))
    // somebody else was between the reading and the change
    if (!isBound && reply.error === Errno.ESTALE) continue
    if (!isDone(reply)) throw refusal(reply)
    const [made, back] = reply.item as [Reply<ConfigStep[]>, Reply<ConfigStep[]>]
    if (!isDone(made)) throw refusal(made)
    if (!isDone(back)) throw refusal(back)
    return { made, back: back.item.map(({ message }) => message) }
  }
}

export const createConfigEndpoints = ({ control, saveConfig }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()
  /** What takes a change back that nobody confirms; or nothing, while the change is being made. */
  let unconfirmed: { timer?: ReturnType<typeof setTimeout> } | null = null
  const takeBackIn = (ms: number, messages: Message[]): void => {
    const timer = setTimeout(() => {
      unconfirmed = null
      void control.request({ type: 'BATCH', messages })
    }, ms)
    unconfirmed = { timer }
  }
  /** Makes a change that is taken back unless it is confirmed. */
  const changeFor = async (
    ms: number,
    c: Context<ApiEnv>,
    config: StackConfig
  ): Promise<Response> => {
    if (unconfirmed !== null)
      throw refused('EBUSY', 'Error: another change waits for its confirmation.')
    unconfirmed = {}
    try {
      const { made, back } = await setToTakeBack(c, control, config)
      takeBackIn(ms, back)
      const { item, revision, applied_by } = made
      return c.json({ item, revision, applied_by } as object, 200, { ETag: etag(revision) })
    } catch (error) {
      unconfirmed = null
      throw error
    }
  }

  const shown = { format: z.enum(['json', 'toml']).optional() }
  api.get(
    '/config',
    doc('The state, as configuration', {
      tag,
      query: shown,
      media: { 'application/json': stackConfig, 'application/toml': z.string() },
    }),
    async (c) => {
      const { format = 'json' } = check(z.strictObject(shown), c.req.query(), 'unreadable')
      if (format === 'json') return sendItem(c, control, { type: 'CONFIG_GET' })
      const { item, revision } = await configOf(control)
      const headers = { 'Content-Type': 'application/toml', ETag: etag(revision) }
      return c.body(configToml(item), 200, headers)
    }
  )
  const query = { dry_run: queryFlag.optional(), confirm_within: seconds.optional() }
  api.put(
    '/config',
    doc('Makes the state so', {
      tag,
      body: stackConfig,
      query,
      words: { dry_run: '1' },
      example: CONFIG_EXAMPLE,
      change: z.array(configStep),
    }),
    async (c) => {
      const { dry_run = false, confirm_within } = check(
        z.strictObject(query),
        c.req.query(),
        'unreadable'
      )
      const config = await readBody(c, stackConfig)
      return confirm_within === undefined || dry_run
        ? sendChange(c, control, { type: 'CONFIG_SET', config, dry_run })
        : changeFor(confirm_within * 1000, c, config)
    }
  )
  api.post(
    '/config:confirm',
    doc('Keeps a change that would be taken back', {
      tag,
      answer: z.strictObject({ revision: z.int() }),
    }),
    (c) => {
      if (unconfirmed?.timer === undefined)
        throw refused('ENOENT', 'Error: nothing waits for a confirmation.')
      checkIfMatch(c, control)
      clearTimeout(unconfirmed.timer)
      unconfirmed = null
      return c.json({ revision: control.revision() })
    }
  )
  api.post(
    '/config:save',
    doc("Writes the state into the daemon's file", {
      tag,
      answer: z.strictObject({ file: z.string(), revision: z.int() }),
    }),
    async (c) => {
      if (saveConfig === undefined)
        throw refused('EINVAL', 'Error: there is no file to save to (-c).')
      const { item } = await configOf(control)
      checkIfMatch(c, control)
      return c.json({ file: saveConfig(item), revision: control.revision() })
    }
  )
  return api
}
