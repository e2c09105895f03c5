/** /openapi.json as a client reads it: its operations, the request of each by its examples, and the check of an answer. */
import { expect } from 'bun:test'
import { z } from 'zod'

type Json = Record<string, unknown>
type Parameter = {
  in: 'path' | 'query' | 'header'
  name: string
  required: boolean
  example?: string
}
type Content = Record<string, { schema?: Json; example?: unknown }>
export type Operation = {
  method: string
  path: string
  parameters: Parameter[]
  requestBody?: { content: Content }
  responses: Record<string, { content: Content }>
  security: Json[]
}
export type Document = {
  openapi: string
  paths: Record<string, Record<string, Omit<Operation, 'method' | 'path'>>>
  components: { schemas: Json; securitySchemes: Json }
}

const METHODS = ['get', 'put', 'post', 'patch', 'delete']

export const operationsOf = (document: Document): Operation[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => METHODS.includes(method))
      .map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path }))
  )

/** The request that an operation's examples make. */
export const exampleOf = ({ method, path, parameters, requestBody }: Operation) => {
  const words = new Map(parameters.map((one) => [one.name, one]))
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const { example } = words.get(name)!
    if (example === undefined) throw new Error(`${method} ${path}: no example of {${name}}`)
    return encodeURIComponent(example)
  })
  const query = parameters.filter((one) => one.in === 'query' && one.example !== undefined)
  const [[type, media] = []] = Object.entries(requestBody?.content ?? {})
  const example = media?.example
  const text = typeof example === 'string' ? example : JSON.stringify(example)
  const search = new URLSearchParams(query.map(({ name, example }) => [name, example!]))
  return {
    url: filled + (search.size === 0 ? '' : `?${search}`),
    init: {
      method,
      ...(type !== undefined && { headers: { 'Content-Type': type }, body: text }),
    } as { method: string; headers?: Record<string, string>; body?: string },
  }
}

/** Holds answers against what a document says of them: status, type and each field. */
export const createCheck = ({ components }: Document) => {
  const local = (schema: unknown): Record<string, z.core.JSONSchema.JSONSchema> =>
    JSON.parse(JSON.stringify(schema).replaceAll('#/components/schemas/', '#/$defs/'))
  const $defs = local(components.schemas)
  const known = new Map<unknown, z.ZodType>()
  const schemaOf = (schema: Json): z.ZodType => {
    const made = known.get(schema) ?? z.fromJSONSchema({ ...local(schema), $defs })
    known.set(schema, made)
    return made
  }
  /** The schema that an answer is to have. */
  const described = ({ method, path, responses }: Operation, response: Response): z.ZodType => {
    const type = response.headers.get('Content-Type')!.split(';')[0]!.trim()
    const { content } = responses[response.status] ?? responses.default!
    const said = content[type]?.schema
    if (said === undefined)
      throw new Error(`${method} ${path}: ${response.status} ${type} is not in the document`)
    return schemaOf(said)
  }
  const check = (operation: Operation, response: Response, text: string, url: string): void => {
    const schema = described(operation, response)
    const type = response.headers.get('Content-Type')!
    const isLines = type.includes('ndjson')
    const values: unknown[] = isLines
      ? text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
      : [type.includes('json') ? JSON.parse(text) : text]
    for (const value of values) {
      const { success, error } = schema.safeParse(value)
      expect([url, success, success ? '' : z.prettifyError(error), value]).toEqual([
        url,
        true,
        '',
        value,
      ])
    }
  }
  return { check, described }
}

/** What a stream says at first, which may have no end. */
export const firstOf = async (response: Response): Promise<string> => {
  const reader = response.body!.getReader()
  const { value } = await reader.read()
  await reader.cancel()
  return new TextDecoder().decode(value)
}
