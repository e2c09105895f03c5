// What examples/ says is what README says, and it does what it says. examples/tap.ts needs a TAP: test/e2e/library.test.ts.

import { expect, test } from 'bun:test'
import { Glob } from 'bun'
import { root } from '../../bin/bootstrap.mjs'

/** The most that each may need: that it is little is the point. */
const LINES: Record<string, number> = { 'tap.ts': 10, 'router.ts': 20, 'ping.ts': 22 }

const examples = [...new Glob('*.ts').scanSync({ cwd: `${root}/examples` })].sort()
const read = (path: string): Promise<string> => Bun.file(`${root}/${path}`).text()

test.each(examples)('README has %s word for word, and it is short', async (name) => {
  const text = await read(`examples/${name}`)
  expect(await read('README.md')).toContain(`\`\`\`ts\n${text}\`\`\`\n`)
  const lines = text.split('\n').filter((line) => line !== '')
  expect(lines.length).toBeLessThanOrEqual(LINES[name] ?? 0)
})

test('an echo through a router, in virtual time', () => {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, 'examples/router.ts'], {
    cwd: root,
  })
  expect({ exitCode, said: `${stdout}${stderr}` }).toEqual({
    exitCode: 0,
    said: 'hello through the router\n',
  })
})

test('pings over a ping socket', () => {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, 'examples/ping.ts'], {
    cwd: root,
  })
  const lines = [1, 2, 3].map((seq) => `64 bytes from 10.0.0.2: icmp_seq=${seq}\n`)
  expect({ exitCode, said: `${stdout}${stderr}` }).toEqual({ exitCode: 0, said: lines.join('') })
})
