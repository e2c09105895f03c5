/**
 * The pages for people: `/`, the dashboard, and `/docs`, the list of what the API can do, are files of ui/ that fetch what
 * they show from the API beside them; `/problems` explains refusals. Nothing comes from elsewhere, and the headers say so.
 */
import { Hono } from 'hono'
import type { Api, ApiEnv } from '../endpoints/deps.ts'
import { bundle } from './bundle.ts'
import { PROBLEM_PAGES } from './problems.ts'
import docs from './ui/docs.html' with { type: 'text' }
import index from './ui/index.html' with { type: 'text' }

/** Only the page's own scripts and styles, whatever a name or a message may hold. */
const POLICY = [
  "default-src 'none'",
  "connect-src 'self'",
  "script-src 'self'",
  "style-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Their text, whatever Bun's types say of HTML. */
const OURS = Object.entries({ '/': index, '/docs': docs } as unknown as Record<string, string>)

export const createPages = (): Api => {
  const api: Api = new Hono<ApiEnv>()
  for (const [path, page] of [...OURS, ...PROBLEM_PAGES])
    api.get(path, (c) =>
      c.html(page, 200, { 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-cache' })
    )
  api.get('/page/:file', async (c) => {
    const asset = (await bundle()).get(c.req.param('file'))
    if (asset === undefined) return c.notFound()
    return c.body(asset.body, 200, { 'Content-Type': asset.type, 'Cache-Control': 'no-cache' })
  })
  return api
}
