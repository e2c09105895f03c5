// The rules of the house, held against the real tree, and each rule against a tree that breaks it.

import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Glob } from 'bun'
import { root } from '../bin/bootstrap.mjs'
import {
  circles,
  codeOnly,
  LEAF_FACTORIES,
  MAKERS,
  resolveImport,
  type SourceFile,
  violations,
} from './support/architecture.ts'

/** What the rules are held against: everything but the unit tests, which make the part that they test. */
const ROOMS = ['core', 'workers', 'api', 'bench', 'packetdrill', 'sim', 'examples'].concat(
  ['support', 'journeys', 'fuzz'].map((folder) => `test/${folder}`)
)

const readTree = async (): Promise<SourceFile[]> => {
  const files: SourceFile[] = []
  for (const loader of ['ts', 'tsx'] as const) {
    const transpiler = new Bun.Transpiler({ loader })
    const glob = new Glob(`**/*.${loader}`)
    const paths = ROOMS.flatMap((room) => {
      const cwd = join(root, room)
      return existsSync(cwd) ? [...glob.scanSync({ cwd })].map((path) => `${room}/${path}`) : []
    })
    for (const path of paths) {
      const source = await Bun.file(`${root}/${path}`).text()
      const imports = transpiler.scanImports(source).map((found) => found.path)
      files.push({ path, imports, source })
    }
  }
  return files
}

const breaks = (path: string, imports: string[], source = ''): string[] =>
  violations([{ path, imports, source }]).map(({ rule }) => rule)

test('the tree keeps the rules', async () => {
  const files = await readTree()
  expect(files.length).toBeGreaterThan(0)
  const found = violations(files)
  expect(found.map(({ file, rule, detail }) => `${file}: ${rule}: ${detail}`)).toEqual([])
})

test('what the rule of one composition root leaves out is there', () => {
  for (const path of [...Object.keys(LEAF_FACTORIES), ...Object.keys(MAKERS)])
    expect([path, existsSync(join(root, path))]).toEqual([path, true])
})

/** The same files with what they import of types as well. */
const withTypes = (files: readonly SourceFile[]): SourceFile[] =>
  files.map((file) => ({
    ...file,
    imports: [...file.source.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'/gm)].map(
      ([, specifier]) => specifier!
    ),
  }))

test('no file imports itself by way of others; in core and api not even types', async () => {
  const all = await readTree()
  expect(circles(all)).toEqual([])
  expect(circles(withTypes(all.filter(({ path }) => /^(?:core|api)\//.test(path))))).toEqual([])
  const file = (path: string, ...imports: string[]): SourceFile => ({ path, imports, source: '' })
  const tree = [
    file('core/a.ts', './b.ts'),
    file('core/b.ts', './c.ts'),
    file('core/c.ts', './b.ts'),
  ]
  expect(circles(tree)).toEqual([['core/b.ts', 'core/c.ts']])
})

test('type-only imports are not in the graph', () => {
  const transpiler = new Bun.Transpiler({ loader: 'ts' })
  const source = `
    import type { A } from './a.ts'
    import { type B } from './b.ts'
    import { type C, c } from './c.ts'
    export type { D } from './d.ts'
    export * from './e.ts'
    const f = await import('./f.ts')
    import './g.ts'
    c(f)`
  const paths = transpiler.scanImports(source).map((found) => found.path)
  expect(paths.sort()).toEqual(['./c.ts', './e.ts', './f.ts', './g.ts'])
})

describe('each rule fails on a tree that breaks it:', () => {
  test.each([
    ['core imports a worker', 'core/inet/fib.ts', '../../workers/main.ts', 'core is pure'],
    ['core imports the API', 'core/inet/fib.ts', '../../api/app.ts', 'core is pure'],
    ['core imports node:', 'core/shm/arena.ts', 'node:fs', 'core is pure'],
    ['core imports Bun', 'core/shm/arena.ts', 'bun:ffi', 'core is pure'],
    ['core imports a package', 'core/control/apply.ts', 'zod', 'core is pure'],
    ['core imports hono', 'core/control/apply.ts', 'hono', 'hono appears only in api'],
    ['a worker imports hono', 'workers/main.ts', 'hono/jsx', 'hono appears only in api'],
    ['a worker imports the API', 'workers/main.ts', '../api/app.ts', 'workers know no api'],
    [
      'the API imports a worker loop',
      'api/app.ts',
      '../workers/nic.ts',
      'api imports only the public modules of workers',
    ],
    [
      'core imports a test',
      'core/inet/fib.ts',
      '../../sim/net/packets.ts',
      'nothing imports test, bench or examples',
    ],
    [
      'the API imports a bench',
      'api/cli/bench.ts',
      '../../bench/forward.ts',
      'nothing imports test, bench or examples',
    ],
    [
      'the simulation imports a test',
      'sim/world.ts',
      '../test/support/tcp-host.ts',
      'sim and packetdrill stand without the tests',
    ],
    [
      'an example knows the house',
      'examples/router.ts',
      '../workers/library/network.ts',
      'examples come in by the door',
    ],
    ['base imports wire', 'core/base/u32.ts', '../wire/ipv4.ts', 'core layers'],
    ['wire imports skb', 'core/wire/ipv4.ts', '../skb/skb.ts', 'core layers'],
    ['shm imports skb', 'core/shm/layout.ts', '../skb/skb.ts', 'core layers'],
    ['skb imports a path layer', 'core/skb/drop.ts', '../inet/fib.ts', 'core layers'],
    [
      'a path layer imports a lower one',
      'core/ipv4/ip-input.ts',
      '../neigh/neighbour.ts',
      'core layers',
    ],
    [
      'a path layer imports a higher one',
      'core/ipv4/ip-input.ts',
      '../socket/sockets.ts',
      'core layers',
    ],
    ['a header file imports a layer', 'core/socket/sock.ts', '../inet/fib.ts', 'core layers'],
    ['a header file imports its folder', 'core/netdev/netdev.ts', './port.ts', 'core layers'],
    ['a path layer imports control', 'core/inet/fib.ts', '../control/apply.ts', 'core layers'],
    ['a layer imports the stack', 'core/control/apply.ts', '../stack.ts', 'core layers'],
    ['control imports its words', 'core/control/netns.ts', './text/names.ts', 'core layers'],
    [
      'a foundation imports constants',
      'core/skb/skb.ts',
      '../inet/inet-constants.ts',
      'core layers',
    ],
  ])('%s', (_, from, to, rule) => {
    expect(breaks(from, [to])).toContain(rule)
  })

  const imports = (...lines: string[]): string[] => lines.map((line) => `import ${line}`)
  const wiring = imports(
    "{ createSkbs } from '../../core/skb/skbs.ts'",
    "{ type Drop, createPtype } from '../../core/dev/ptype.ts'",
    "{\n  createIpInput,\n  type IpInputDeps,\n} from '../../core/ipv4/ip-input.ts'",
    "* as route from '../../core/inet/route.ts'"
  )
  test.each([
    'test/support/host.ts',
    'test/journeys/host.ts',
    'test/fuzz/host.ts',
    'workers/app/host.ts',
    'api/cli/host.ts',
    'bench/support/host.ts',
  ])('%s makes the parts of two layers', (path) => {
    for (const first of wiring)
      for (const second of wiring)
        expect(breaks(path, [], `${first}\n${second}\n`)).toEqual(
          first === second ? [] : ['one composition root']
        )
  })
  test('control makes the parts of two layers', () => {
    const two = imports(
      "{ createNeighbour } from '../neigh/neighbour.ts'",
      "{ createRoute } from '../inet/route.ts'"
    ).join('\n')
    expect(breaks('core/control/hosts.ts', [], two)).toEqual(['one composition root'])
  })

  test('a core file outside the layers', () => {
    expect(breaks('core/utils/misc.ts', [])).toContain('core layers')
    expect(breaks('core/misc.ts', [])).toContain('core layers')
  })

  test('a constants file that holds code', () => {
    expect(breaks('core/inet/inet-constants.ts', [], 'export const f = () => 1')).toContain(
      'constants files'
    )
  })

  test.each([
    'Bun.nanoseconds()',
    'Date.now()',
    'new Date()',
    'performance.now()',
    'Math.random()',
    'crypto.getRandomValues(x)',
    'setTimeout(f, 1)',
    'queueMicrotask(f)',
    'console.log(1)',
    'process.env.X',
    'fetch(url)',
    'Atomics.wait(a, 0, 0)',
    'globalThis.x',
    'x = `a ${Date.now()} b`',
  ])('core uses %s', (code) => {
    expect(breaks('core/inet/fib.ts', [], code)).toContain('core is pure')
  })
  test.each(['core/inet/route.ts', 'core/transport/ports.ts', 'core/socket/sockets.ts'])(
    '%s chooses by family',
    (path) => {
      expect(breaks(path, [], 'const len = family === AF_INET ? 20 : 40')).toEqual([
        'address families',
      ])
      expect(breaks(path, [], 'if (family !== AF_INET) return -EAFNOSUPPORT')).toEqual([])
      expect(breaks('core/inet/af-ops.ts', [], 'family === AF_INET ? v4 : v6')).toEqual([])
    }
  )
})

describe('the rules allow', () => {
  test.each([
    ['own folder', 'core/transport/tcp/rcv/tcp-input.ts', '../tcp.ts'],
    ['what both families share', 'core/ipv4/ip-input.ts', '../inet/pmtu.ts'],
    ['an earlier foundation', 'core/skb/skb.ts', '../shm/arena.ts'],
    ['a foundation', 'core/transport/tcp/rcv/tcp-input.ts', '../../wire/tcp.ts'],
    ["another layer's constants", 'core/socket/socket.ts', '../transport/tcp/tcp-constants.ts'],
    ["another layer's user API numbers", 'core/inet/route.ts', '../socket/uapi.ts'],
    ['control of every layer', 'core/control/apply.ts', '../inet/fib.ts'],
    ["control's words its numbers", 'core/control/text/route.ts', '../rtnetlink.ts'],
    ['the stack of every factory', 'core/stack.ts', './transport/udp/udp-input.ts'],
    ['parts of the stack', 'core/stack/udp.ts', '../transport/udp/udp-input.ts'],
    ['workers: core and the system', 'workers/nic.ts', 'bun:ffi'],
    ['api: hono', 'api/app.ts', 'hono'],
    ['api: the public part of workers', 'api/cli/exec.ts', '../../workers/os/exec.ts'],
    ['examples: the library and packages', 'examples/router.ts', 'softnet'],
    ['bench: everything', 'bench/path.ts', '../sim/net/packets.ts'],
  ])('%s', (_, from, to) => {
    expect(breaks(from, [to])).toEqual([])
  })

  test.each([
    ['a stack', "{ createStack } from '../../core/stack.ts'"],
    ['a room of the stack', "{ createMachine } from '../../core/stack/machine.ts'"],
    ['foundations', "{ createArena } from '../../core/shm/arena.ts'"],
    ['types of a factory', "type { createPtype } from '../../core/dev/ptype.ts'"],
    ['a type among values', "{ type createPtype, ETH } from '../../core/dev/ptype.ts'"],
    ['constants', "* as neigh from '../../core/neigh/neigh-constants.ts'"],
    ['headers', "* as netdev from '../../core/netdev/netdev.ts'"],
    ['a leaf', "{ createRssControl } from '../../core/steering/rss-control.ts'"],
  ])('beside the part of a layer: %s', (_, line) => {
    const source = `import { createSkbs } from '../../core/skb/skbs.ts'\nimport ${line}\n`
    expect(breaks('test/support/host.ts', [], source)).toEqual([])
  })
  test('a stack of all parts, and a layer of its own', () => {
    const parts = (...paths: string[]): string =>
      paths.map((path, k) => `import { create${'AB'[k]} } from '${path}'`).join('\n')
    const two = parts('../ipv4/ip-input.ts', '../neigh/neighbour.ts')
    expect(breaks('core/stack/inet.ts', [], two)).toEqual([])
    const own = parts('./rcv/tcp-input.ts', './snd/tcp-output.ts')
    expect(breaks('core/transport/tcp/tcp.ts', [], own)).toEqual([])
    expect(
      breaks('core/ipv4/icmp/icmp.ts', [], parts('../inet/pmtu.ts', '../inet/route.ts'))
    ).toEqual([])
  })

  test('impure names in comments, strings, and as members of what was passed in', () => {
    const source = `
      // Date.now() would be wrong here; so would Bun.sleep
      /* console.log('x') */
      const why = 'no Math.random() in core' + "it's console.log" + \`not Date.now()\`
      const pattern = /'"console.log\\/[/"]/
      clock.performance.now()
      const process = (skb) => deps.fetch(skb)`
    expect(breaks('core/inet/fib.ts', [], source)).toEqual([])
  })
})

test('code is told from text', () => {
  expect(codeOnly('a / b / c // d')).toBe('a / b / c ')
  expect(codeOnly("f('it\\'s', x)")).toBe("f('', x)")
  expect(codeOnly('`a${ {b: `c${d}e`}.b }f` + g').replaceAll(' ', '')).toBe('``{b:``d}.b+g')
  expect(codeOnly('x = /[/"]/.test(y)')).toBe('x = //.test(y)')
})

test('relative imports resolve from the importing file, packages stay', () => {
  expect(resolveImport('core/ipv4/ip-input.ts', '../wire/ipv4.ts')).toBe('core/wire/ipv4.ts')
  expect(resolveImport('core/inet/fib.ts', './route.ts')).toBe('core/inet/route.ts')
  expect(resolveImport('api/app.ts', 'hono/jsx')).toBe('hono/jsx')
})
