/**
 * One line a change: when, who, what, what came of it, and the revision since. Questions are not told of, refusals are; what
 * was in the body is not. Before authentication, so that what is turned away has its line too. On the main thread.
 */
import type { MiddlewareHandler } from 'hono'
import { isRead, scopeNeeded } from './auth.ts'
import type { ApiEnv, AppDeps, AuditLine } from './endpoints/deps.ts'

/** As long as a path may be in a line. */
const MAX_PATH = 2048

/** `now` is the time of day in milliseconds. */
export const audit =
  (
    { control }: Pick<AppDeps, 'control'>,
    tell: (line: AuditLine) => void,
    now: () => number
  ): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    await next()
    const { method, path, url } = c.req
    if (isRead(method) || scopeNeeded(method, path) !== 'write') return
    tell({
      time: new Date(now()).toISOString(),
      by: c.env?.listener ?? 'network',
      token: c.req.header('Authorization') !== undefined,
      method,
      path: (path + new URL(url).search).slice(0, MAX_PATH),
      status: c.res.status,
      revision: control.revision(),
    })
  }
