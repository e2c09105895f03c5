/** /config: the declarative state. PUT makes it so and answers with the steps; ?dry_run=1 only tells them. */
import { Hono } from 'hono'
import { z } from 'zod'
import { check } from '../schemas/check.ts'
import { queryFlag } from '../schemas/common.ts'
import { stackConfig } from '../schemas/config.ts'
import { readBody, sendChange, sendItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'

const tag = 'config'

export const createConfigEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()
  api.get('/config', doc('The state, as configuration', { tag }), (c) =>
    sendItem(c, control, { type: 'CONFIG_GET' })
  )
  const query = { dry_run: queryFlag.optional() }
  api.put('/config', doc('Makes the state so', { tag, body: stackConfig, query }), async (c) => {
    const { dry_run = false } = check(z.strictObject(query), c.req.query(), 400)
    const config = await readBody(c, stackConfig)
    return sendChange(c, control, { type: 'CONFIG_SET', config, dry_run })
  })
  return api
}
