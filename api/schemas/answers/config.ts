/** What PUT /v1/config answers. */
import { z } from 'zod'
import type { ConfigStep } from '../../../core/control/text/messages.ts'
import type { Shape } from './shape.ts'

/** A message of the control plane; which fields it has, its type says. */
const message = z.looseObject({ type: z.string() }) as unknown as z.ZodType<ConfigStep['message']>
export const configStep = z.strictObject({
  op: z.enum(['add', 'del', 'change']),
  at: z.string().optional().meta({ description: 'what of the wanted configuration it is for' }),
  message,
} satisfies Shape<ConfigStep>)
