import { expect, test } from 'bun:test'
import { createApp } from '../../api/app.ts'
import type { AuditLine } from '../../api/endpoints/deps.ts'
import { makeControl } from '../support/control-plane.ts'

const audited = () => {
  const { control } = makeControl()
  const lines: AuditLine[] = []
  const { request } = createApp({
    control,
    version: '0',
    token: 'secret',
    tellChange: (line) => void lines.push(line),
  })
  const ask = async (method: string, path: string, body?: unknown, headers = {}, by = 'unix') =>
    request(
      path,
      {
        method,
        headers: { 'Content-Type': 'application/json', ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      },
      { listener: by }
    )
  return { control, lines, ask }
}

test('a change has a line: when, by whom, what, its status and the revision since', async () => {
  const { control, lines, ask } = audited()
  const answer = await ask('POST', '/v1/links', { ifname: 'd', kind: 'dummy' })
  expect(answer.status).toBe(201)
  expect(lines).toEqual([
    {
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      by: 'unix',
      token: false,
      method: 'POST',
      path: '/v1/links',
      status: 201,
      revision: control.revision(),
    },
  ])
})

test('so has one that is refused, for what it says or for who says it; a question has none', async () => {
  const { lines, ask } = audited()
  await ask('POST', '/v1/links', { ifname: 'd', kind: 'nothing' })
  await ask('DELETE', '/v1/links/lo', undefined, {}, 'loopback')
  await ask(
    'DELETE',
    '/v1/links/none?x=1',
    undefined,
    { Authorization: 'Bearer secret' },
    'loopback'
  )
  await ask('GET', '/v1/links')
  await ask('POST', '/v1/trace', { dev: 'lo' })
  expect(lines.map(({ by, token, path, status }) => [by, token, path, status])).toEqual([
    ['unix', false, '/v1/links', 422],
    ['loopback', false, '/v1/links/lo', 401],
    ['loopback', true, '/v1/links/none?x=1', 404],
  ])
  // a token is nobody's to read
  expect(JSON.stringify(lines)).not.toContain('secret')
})

test('each request is told to the log, and an error that is ours with where it was', async () => {
  const { control } = makeControl()
  const said: string[] = []
  const { request } = createApp({
    control: {
      ...control,
      revision: () => {
        throw new Error('a fault of ours')
      },
    },
    version: '0',
    log: (level, message, fields) => void said.push(`${level} ${message} ${fields?.status ?? ''}`),
  })
  expect((await request('/v1/nowhere', {}, { listener: 'unix' })).status).toBe(404)
  expect((await request('/v1/links', {}, { listener: 'unix' })).status).toBe(500)
  expect(said).toEqual([
    'debug GET /v1/nowhere 404',
    expect.stringMatching(/^err Error: a fault of ours\n +at /),
    'debug GET /v1/links 500',
  ])
})
