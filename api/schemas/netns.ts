/** Network namespaces, as requests say them and as they are shown. */
import { z } from 'zod'
import { netnsName } from './common.ts'
import type { NetnsItem } from '../endpoints/deps.ts'
import type { Shape } from './answers/shape.ts'

export const netnsSpec = z.strictObject({ name: netnsName })

export const netnsItem = z.strictObject({
  name: z.string(),
  id: z.int().min(0).optional().meta({ description: 'its number here (link_netnsid)' }),
  pid: z.int().min(0).optional().meta({ description: 'its holder, of one of the kernel' }),
  addresses: z.array(z.string()).readonly().optional(),
} satisfies Shape<NetnsItem>)
