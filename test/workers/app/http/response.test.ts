// What stands for the runtime's Request and Response does as they do.
import { expect, test } from 'bun:test'
import { Hono } from 'hono'
import { html } from 'hono/html'
import { createHead } from '../../../../workers/app/http/head.ts'
import { HttpRequest } from '../../../../workers/app/http/request.ts'
import { HttpResponse } from '../../../../workers/app/http/response.ts'

type Init = ConstructorParameters<typeof Response>
const CASES: Init[] = [
  ['text'],
  [null],
  [new String('an object') as string, { headers: { 'content-type': 'text/html' } }],
  [undefined, { status: 204 }],
  ['{}', { status: 404, headers: { 'Content-Type': 'application/json', 'X-A': 'b' } }],
  ['a', { statusText: 'Fine' }],
  ['a', { headers: new Headers({ 'x-y': 'z' }) }],
  ['a', { headers: [['set-cookie', 'a=1'] as [string, string], ['set-cookie', 'b=2']] }],
  ['a', { headers: { 'x-space': ' trimmed ' } }],
  [new Uint8Array([1, 2, 3])],
  [new URLSearchParams({ a: 'b' })],
]

test.each(CASES.map((init) => [init]))('a response of %j', async (init) => {
  const light = new HttpResponse(...init) as unknown as Response
  const native = new Response(...init)
  expect(light).toBeInstanceOf(Response)
  expect([light.status, light.ok, light.statusText, light.type]).toEqual([
    native.status,
    native.ok,
    native.statusText,
    native.type,
  ])
  // the runtime's own says what a text is only when it is sent
  if (init[0] === 'text') expect(light.headers.get('content-type')).toBe('text/plain;charset=UTF-8')
  else expect([...light.headers]).toEqual([...native.headers])
  expect(light.body === null).toBe(native.body === null)
  expect(await light.clone().text()).toBe(await native.clone().text())
  expect(await light.text()).toBe(await native.text())
  expect(light.bodyUsed).toBe(native.bodyUsed)
})

test.each<Init>([
  ['a', { status: 199 }],
  ['a', { status: 600 }],
  ['a', { headers: { 'a b': 'c' } }],
  ['a', { headers: { a: 'b\r\nc: d' } }],
])('a response of %j, %j is refused', (body, init) => {
  expect(() => new HttpResponse(body, init)).toThrow()
})

test('what hono makes of a text is plain', async () => {
  const { Response } = globalThis
  Object.assign(globalThis, { Response: HttpResponse })
  try {
    const app = new Hono()
    app.get('/html', (c) => c.html(html`<p>${'&'}</p>`))
    app.get('/text', (c) => c.text('a'))
    app.get('/json', (c) => c.json({ a: 1 }))
    for (const path of ['/html', '/text', '/json']) {
      const response = await app.fetch(new Request(`http://h${path}`))
      expect(HttpResponse.isOne(response) && response.plain?.text).toBeTruthy()
    }
  } finally {
    Object.assign(globalThis, { Response })
  }
})

test('a response that was looked into is no longer plain: what was changed counts', () => {
  const response = new HttpResponse('x', { headers: { a: 'b' } })
  expect(response.plain).toMatchObject({ status: 200, text: 'x' })
  const { headers } = response as unknown as Response
  headers.set('a', 'c')
  expect(response.plain).toBeNull()
  expect((response as unknown as Response).headers.get('a')).toBe('c')
})

test('a request is one, and is made whole when it is asked for more', async () => {
  const head = { ...createHead(), method: 'POST', headers: 'Content-Type: text/plain\r\nA: b\r\n' }
  const made = new HttpRequest(head, 'http://h/x', new TextEncoder().encode('hello'))
  const request = made as unknown as Request
  expect(request).toBeInstanceOf(Request)
  expect([request.method, request.url, request.headers.get('a')]).toEqual([
    'POST',
    'http://h/x',
    'b',
  ])
  expect(request.bodyUsed).toBe(false)
  expect(await request.clone().text()).toBe('hello')
  expect(await request.text()).toBe('hello')
  expect(request.bodyUsed).toBe(true)
  expect(request.signal.aborted).toBe(false)
  made.abort()
  expect(request.signal.aborted).toBe(true)
})

test('a request that was aborted before anybody asked has an aborted signal', () => {
  const made = new HttpRequest({ ...createHead(), method: 'GET' }, 'http://h/', null)
  made.abort()
  expect(made.signal.aborted).toBe(true)
  expect((made as unknown as Request).body).toBeNull()
})
