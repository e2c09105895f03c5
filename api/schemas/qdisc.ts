/** Queueing disciplines, as requests say them. */
import { z } from 'zod'
import { ifname } from './common.ts'
import { impairment } from './link.ts'

export const qdiscBody = z.strictObject({
  kind: z.string().min(1).max(32).meta({ description: 'netem' }),
  options: impairment.optional(),
})
export const qdiscSpec = z.strictObject({ dev: ifname, ...qdiscBody.shape })
export const qdiscFilter = { dev: ifname.optional() }
