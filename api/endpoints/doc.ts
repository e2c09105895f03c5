/**
 * Descriptions of operations for /openapi.json, short enough to stand above each endpoint: what it takes, with an example,
 * and what it answers. test/api/openapi.test.ts sends each example and holds the answer against the description.
 */
import { describeRoute, resolver } from 'hono-openapi'
import { z } from 'zod'
import { PATH_WORDS } from '../schemas/path.ts'
import { problemSchema } from '../schemas/problem.ts'
import { format, listWords, NDJSON } from './list.ts'

type Media = Readonly<Record<string, z.ZodType>>
type Operation = {
  readonly tag: string
  readonly like?: string
  readonly query?: Readonly<Record<string, z.ZodType>>
  readonly body?: z.ZodType
  /** A body of one JSON value a line. */
  readonly lines?: z.ZodType
  readonly example?: unknown
  /** Words of the path and the query that the example has, where they are not those of PATH_WORDS. */
  readonly words?: Readonly<Record<string, string>>
  readonly status?: number
  /** What is answered is one of these: each item of a list, one thing, a change of it, something else, or no JSON. */
  readonly items?: z.ZodType
  readonly item?: z.ZodType
  readonly change?: z.ZodType
  readonly answer?: z.ZodType
  readonly media?: Media
  /** What ?format=iproute2 makes of an item, where that is another shape. */
  readonly shown?: z.ZodType
  /** Answers with another status. */
  readonly also?: Readonly<Record<number, Media>>
}

const revision = z.int().min(0)
const page = (items: z.ZodType) =>
  z.strictObject({ items: z.array(items), next: z.string().nullable(), revision })
const changed = (item: z.ZodType) =>
  z.strictObject({ item, revision, applied_by: z.array(z.int().min(0)) })
const orShown = (whole: z.ZodType, shown: z.ZodType) => z.union([whole, z.array(shown)])

const mediaOf = ({ items, item, change, answer, media, shown }: Operation): Media => {
  if (media !== undefined) return media
  if (items !== undefined)
    return { 'application/json': orShown(page(items), shown ?? items), [NDJSON]: items }
  const json = { 'application/json': answer ?? z.unknown() }
  if (item !== undefined) return { 'application/json': orShown(item, shown ?? item) }
  if (change !== undefined) return { 'application/json': changed(change) }
  return json
}

const contentOf = (media: Media) =>
  Object.fromEntries(
    Object.entries(media).map(([type, schema]) => [type, { schema: resolver(schema) }])
  )

const jsonSchema = (schema: z.ZodType) => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return rest as object
}

/** A word of the path, or nothing where no endpoint has it. */
export const pathParameter = (name: string, example = PATH_WORDS[name]?.example) => ({
  in: 'path' as const,
  name,
  required: true,
  schema: jsonSchema(PATH_WORDS[name]?.schema ?? z.string()),
  example,
})

const queryOf = ({ query, items, item }: Operation): Readonly<Record<string, z.ZodType>> => ({
  ...query,
  ...(items !== undefined && listWords),
  ...(item !== undefined && { format }),
})

const parametersOf = (operation: Operation) => {
  const query = queryOf(operation)
  const words = Object.entries(operation.words ?? {})
  const inQuery = Object.entries(query).map(([name, schema]) => ({
    in: 'query' as const,
    name,
    required: !schema.safeParse(undefined).success,
    schema: jsonSchema(schema),
    ...(operation.words?.[name] !== undefined && { example: operation.words[name] }),
  }))
  const inPath = words
    .filter(([name]) => !Object.hasOwn(query, name))
    .map(([name, example]) => pathParameter(name, example))
  return [...inPath, ...inQuery]
}

const bodyOf = ({ body, lines, example }: Operation) => {
  const schema = body ?? lines
  if (schema === undefined) return {}
  const type = body === undefined ? NDJSON : 'application/json'
  return {
    requestBody: {
      required: true,
      content: { [type]: { schema: resolver(schema), ...(example !== undefined && { example }) } },
    },
  }
}

const problemResponse = {
  description: 'Refused: RFC 9457 problem document with errno and the fields at fault',
  content: { 'application/problem+json': { schema: resolver(problemSchema) } },
}

/** What an operation does, in a line, and what it takes and answers. */
export const doc = (summary: string, operation: Operation) => {
  const { tag, like, status = 200, also = {} } = operation
  const answers = Object.entries({ [status]: mediaOf(operation), ...also })
  return describeRoute({
    summary,
    tags: [tag],
    ...(like === undefined ? {} : { description: `Like \`${like}\`.` }),
    parameters: parametersOf(operation),
    ...bodyOf(operation),
    responses: {
      ...Object.fromEntries(
        answers.map(([code, media]) => [
          code,
          { description: code === '503' ? 'Not yet' : 'OK', content: contentOf(media) },
        ])
      ),
      default: problemResponse,
    },
  })
}
