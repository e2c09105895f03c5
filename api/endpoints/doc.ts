/** Descriptions of operations for /openapi.json, short enough to stand above each endpoint. */
import { describeRoute, resolver } from 'hono-openapi'
import { z } from 'zod'
import { problemSchema } from '../schemas/problem.ts'

type Operation = {
  readonly tag: string
  readonly like?: string
  readonly body?: z.ZodType
  readonly query?: Readonly<Record<string, z.ZodType>>
  readonly status?: number
  /** What an answer is, or each item of a list. */
  readonly item?: z.ZodType
  readonly items?: z.ZodType
}
const problemResponse = {
  description: 'Refused: RFC 9457 problem document with errno and the fields at fault',
  content: { 'application/problem+json': { schema: resolver(problemSchema) } },
}

const answerSchema = (item: z.ZodType | undefined, items: z.ZodType | undefined) => {
  if (item !== undefined) return resolver(item)
  return items === undefined
    ? { type: 'object' as const }
    : resolver(z.object({ items: z.array(items) }))
}

/** What an operation does, in a line, and what it takes. */
export const doc = (
  summary: string,
  { tag, like, body, query, status = 200, item, items }: Operation
) =>
  describeRoute({
    summary,
    tags: [tag],
    ...(like === undefined ? {} : { description: `Like \`${like}\`.` }),
    ...(query === undefined
      ? {}
      : {
          parameters: Object.keys(query).map((name) => ({
            in: 'query' as const,
            name,
            required: !query[name]!.safeParse(undefined).success,
            schema: { type: 'string' as const },
          })),
        }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: resolver(body) } },
          },
        }),
    responses: {
      [status]: {
        description: 'OK',
        content: { 'application/json': { schema: answerSchema(item, items) } },
      },
      default: problemResponse,
    },
  })
