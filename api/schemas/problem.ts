/** What a refusal answers: RFC 9457 section 3, with the errno and the fields at fault as its extension members. */
import { z } from 'zod'

const fieldError = z.strictObject({ field: z.string(), message: z.string() }).readonly()

export const problemSchema = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    errno: z.string().optional(),
    errors: z.array(fieldError).readonly().optional(),
  })
  .readonly()
  .meta({ ref: 'Problem' })

/** One thing that is wrong: where (a field's path, dotted), and what to do about it. */
export type FieldError = z.infer<typeof fieldError>
export type ProblemDocument = z.infer<typeof problemSchema>
