/**
 * The pages for people: `/`, the dashboard, and `/docs`, the list of what the API can do. They are files of ui/ that fetch
 * what they show from the API beside them; nothing comes from elsewhere, and the headers say so.
 */
import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import type { Api, ApiEnv } from '../endpoints/deps.ts'
import { bundle } from './bundle.ts'

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

const PAGES = { '/': 'index.html', '/docs': 'docs.html' } as const

export const createPages = (): Api => {
  const api: Api = new Hono<ApiEnv>()
  for (const [path, file] of Object.entries(PAGES)) {
    const page = readFileSync(new URL(`./ui/${file}`, import.meta.url), 'utf8')
    api.get(path, (c) =>
      c.html(page, 200, { 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-cache' })
    )
  }
  api.get('/page/:file', async (c) => {
    const asset = (await bundle()).get(c.req.param('file'))
    if (asset === undefined) return c.notFound()
    return c.body(asset.body, 200, { 'Content-Type': asset.type, 'Cache-Control': 'no-cache' })
  })
  return api
}
