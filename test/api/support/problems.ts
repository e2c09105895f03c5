/** Every refusal that a test provokes is held against the pages: its type leads to one that says what its title says. */
import { expect } from 'bun:test'
import type { Api } from '../../../api/endpoints/deps.ts'
import type { ProblemDocument } from '../../../api/schemas/problem.ts'

export const holdExplained = async (app: Api, response: Response): Promise<Response> => {
  if (response.headers.get('Content-Type') !== 'application/problem+json') return response
  const { type, title } = (await response.clone().json()) as ProblemDocument
  const page = await app.request(type, {}, { listener: 'network' })
  expect([type, page.status]).toEqual([type, 200])
  expect(await page.text()).toContain(`<h1>${title}</h1>`)
  return response
}
