/** /openapi.json: made once, of what stands above the endpoints (doc.ts), with what follows from paths and methods. */
import { generateSpecs } from 'hono-openapi'
import type { Context } from 'hono'
import { scopeNeeded } from '../auth.ts'
import type { Api, ApiEnv } from './deps.ts'
import { pathParameter } from './doc.ts'

type Specs = Awaited<ReturnType<typeof generateSpecs>>

const SCHEMES = {
  bearer: {
    type: 'http' as const,
    scheme: 'bearer',
    description:
      'A token with a scope, read < write < capture. Nothing is needed on the unix socket, nor to read over loopback.',
  },
}

/** What every change takes (RFC 9110 section 13.1.1). */
const IF_MATCH = {
  in: 'header' as const,
  name: 'If-Match',
  required: false,
  description:
    'The ETag of what was read: the change is made only while the state is at that revision',
  schema: { type: 'string' as const },
}
const STALE = 'The state is at another revision than If-Match names: nothing was changed'

/** A path's words with their schemas and examples, who may ask, and at which revision. */
const completed = ({ paths, ...rest }: Specs): Specs => {
  for (const [path, operations] of Object.entries(paths ?? {})) {
    for (const [method, operation] of Object.entries(operations ?? {})) {
      if (typeof operation !== 'object' || !('responses' in operation)) continue
      operation.parameters = (operation.parameters ?? []).map((parameter) =>
        'in' in parameter && parameter.in === 'path' && parameter.example === undefined
          ? pathParameter(parameter.name)
          : parameter
      )
      const scope = scopeNeeded(method.toUpperCase(), path)
      operation.security = [{}, { bearer: [scope] }]
      if (scope !== 'write') continue
      operation.parameters.push(IF_MATCH)
      operation.responses = {
        ...operation.responses,
        412: { ...operation.responses?.['default'], description: STALE },
      }
    }
  }
  return { ...rest, paths }
}

export const createOpenapi = (app: Api, version: string) => {
  const info = { title: 'softnet', version, description: 'The API of the softnet daemon.' }
  const documentation = { info, components: { securitySchemes: SCHEMES } }
  let specs: Promise<Specs> | undefined
  return async (c: Context<ApiEnv>): Promise<Response> => {
    specs ??= generateSpecs(app, { documentation }).then(completed)
    return c.json(await specs)
  }
}
