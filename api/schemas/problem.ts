/** What a refusal answers: RFC 9457 section 3, with the errno and the fields at fault as its extension members. */
import { z } from 'zod'
import { KINDS, type KindName, typeOf } from '../problem-kinds.ts'

const TYPES = Object.keys(KINDS).map((name) => typeOf(name as KindName))

const fieldError = z.strictObject({ field: z.string(), message: z.string() }).readonly()

export const problemSchema = z
  .strictObject({
    type: z.enum(TYPES).meta({ description: 'its kind, and the page that explains it' }),
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
