import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../../../api/cli/daemon-args.ts'
import { configJsonSchema, stackPart } from '../../../api/schemas/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'softnet-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

const parse = (text: string) => {
  const file = join(folder, 'softnet.toml')
  writeFileSync(file, text)
  return readConfig(file)
}

test('the file of the contract', () => {
  const config = parse(`
workers = 2
steering = "rps"
[api]
listen = ["unix:/run/softnet.sock", "127.0.0.1:7777"]
[[link]]
name = "lan0"
kind = "tap"
addresses = ["10.1.0.254/24", "fd00:1::1/64"]
[[route]]
dst = "default"
via = "10.1.0.1"
dev = "lan0"
[sysctl]
"net.ipv4.ip_forward" = 1
[services]
echo = true
http = true
`)
  expect(config).toMatchObject({
    workers: 2,
    steering: 'rps',
    services: { echo: true, http: true },
  })
  expect(stackPart(config)).toEqual({
    link: [{ up: true, ifname: 'lan0', kind: 'tap', addresses: ['10.1.0.254/24', 'fd00:1::1/64'] }],
    route: [{ dst: 'default', gateway: '10.1.0.1', dev: 'lan0' }],
    sysctl: { 'net.ipv4.ip_forward': 1 },
  })
})

test.each([
  ['wrokers = 2', 'Error: unknown field "wrokers".'],
  ['[[link]]\nname = "lan0"\ncolour = "red"', 'Error: unknown field "link[0].colour".'],
  ['[[link]]\nkind = "tap"', 'Error: "name" is required'],
  [
    '[[link]]\nname = "lan0"\naddresses = ["10.1.0.254/99"]',
    'any valid prefix is expected rather than "10.1.0.254/99".',
  ],
  ['workers = 0', '"workers": at least 1'],
  ['steering = "magic"', '"steering": expected one of rps, multiqueue'],
])('%j is refused, naming the file and the field', (text, message) => {
  expect(() => parse(text)).toThrow(message)
  expect(() => parse(text)).toThrow(folder)
})

test('a file that is no TOML, and one that is not there', () => {
  expect(() => parse('workers = = 2')).toThrow('softnet.toml')
  expect(() => readConfig('/nowhere/softnet.toml')).toThrow(
    'softnet: /nowhere/softnet.toml: No such file or directory'
  )
})

test('the JSON Schema says what one may write', () => {
  const schema = configJsonSchema() as {
    properties: Record<string, unknown>
    additionalProperties: boolean
  }
  expect(Object.keys(schema.properties)).toEqual(
    expect.arrayContaining(['workers', 'api', 'link', 'route', 'sysctl', 'services'])
  )
  expect(schema.additionalProperties).toBe(false)
})
