// A reader follows a packet by go-to-definition: what one part of core takes from another is typed from where it is
// written (Pick<IpForward, 'ipForward'>), never written out a second time, which would be where the jump ends.

import { describe, expect, test } from 'bun:test'
import { Glob } from 'bun'
import { root } from '../bin/bootstrap.mjs'
import { codeOnly } from './support/architecture.ts'

type Source = { path: string; source: string }

/** What core is given by whoever runs it, by name: a layer that hands it on is not where it is written. */
const FROM_OUTSIDE = ['nowUs', 'realtimeUs', 'random', 'wake', 'sleep', 'pause']

/** Typed by hand although a factory returns a function of the name, and why. */
const ALLOWED: Record<string, string> = {
  'RegistryDeps.initSteering': 'ethtool is made of links: their types would be circular',
  'NeighOutputDeps.linkFailure': 'ICMP sends by neighbours: their types would be circular',
  'Icmpv6Deps.ndiscRcv': 'neighbour discovery sends by ICMPv6: their types would be circular',
  'TcpDataQueueDeps.fin': 'the states take text from the queue: their types would be circular',
  'TcpHandshakeDeps.endSending': 'what closes makes use of the handshake: glue of tcp.ts',
  'SockoptDeps.takeError':
    'sockets.ts makes its type of sockopt.ts: taken from there it would be circular',
  'TcpLifecycleDeps.purge': 'both queues of a socket: glue of parts/tcp-receiving.ts',
}

/** From the bracket at `at` to behind the one that closes it. */
const bracketed = (code: string, at: number): string => {
  let depth = 0
  for (let k = at; k < code.length; k++) {
    if ('{(['.includes(code[k]!)) depth++
    else if ('})]'.includes(code[k]!) && --depth === 0) return code.slice(at, k + 1)
  }
  return code.slice(at)
}

/** The text with what stands in inner brackets left out. */
const outermost = (block: string): string => {
  let out = ''
  let depth = 0
  for (const char of block) {
    if ('})]'.includes(char)) depth--
    if (depth === 0) out += char
    if ('{(['.includes(char)) depth++
  }
  return out
}

/** Names in the object that a factory ends with: `return { a, b: x, c }`. */
const returnedNames = (code: string): string[] => {
  const names: string[] = []
  for (const factory of code.matchAll(/^export const create\w+ =/gm)) {
    const end = code.indexOf('\n}\n', factory.index)
    const body = code.slice(factory.index, end < 0 ? code.length : end)
    const last = body.lastIndexOf('\n  return {')
    if (last < 0) continue
    const object = outermost(bracketed(body, body.indexOf('{', last)).slice(1, -1))
    for (const entry of object.split(',')) {
      const name = /^\s*(\w+)\s*(?::|\(|$)/.exec(entry)
      if (name) names.push(name[1]!)
    }
  }
  return names
}

/** Functions written out in the types of what factories need: `Type.name`. */
const writtenOut = (code: string): string[] => {
  const found: string[] = []
  for (const type of code.matchAll(/^(?:export )?type (\w+Deps) = /gm)) {
    const end = code.indexOf('\n\n', type.index)
    const open = code.indexOf('{', type.index)
    if (open < 0 || (end >= 0 && open > end)) continue
    const block = bracketed(code, open).slice(1, -1)
    for (const property of block.matchAll(/(?:^|[;\n])\s*(\w+)\??: (?=\()/g)) {
      const at = property.index + property[0].length
      const behind = block.slice(at + bracketed(block, at).length)
      if (/^\s*=>/.test(behind)) found.push(`${type[1]}.${property[1]}`)
    }
  }
  return found
}

const returnedBy = (codes: string[]): Set<string> =>
  new Set(codes.flatMap(returnedNames).filter((name) => !FROM_OUTSIDE.includes(name)))

const deadEnds = (sources: Source[]): string[] => {
  const codes = sources.map(({ path, source }) => ({ path, code: codeOnly(source) }))
  const returned = returnedBy(codes.map(({ code }) => code))
  return codes.flatMap(({ path, code }) =>
    writtenOut(code)
      .filter((at) => returned.has(at.split('.')[1]!) && !Object.hasOwn(ALLOWED, at))
      .map((at) => `${path}: ${at}: take it by Pick from the factory that returns it`)
  )
}

/** `// filled by core/stack/inet.ts: ipRcv (ipv4/ip-input.ts)` and `/** core/stack/inet.ts: ... *\/` above a property. */
const namedFills = (source: string): { file: string; names: string[] }[] => {
  const tables = [...source.matchAll(/filled by ((?:core|workers)\/\S+\.ts)(?::([^\n]*))?/g)]
  const glue = [...source.matchAll(/\/\*\* ((?:core|workers)\/\S+\.ts): [^*]*\*\/\s+(\w+)\??:/g)]
  return [...tables, ...glue].map(([, file, said = '']) => ({
    file: file!,
    names: said.replace(/\([^)]*\)/g, '').match(/\b[a-z]+[A-Z]\w*/g) ?? [],
  }))
}

/** What a file is said to fill in, and does not name. */
const falseFills = async (path: string, source: string): Promise<string[]> => {
  const wrong: string[] = []
  for (const { file, names } of namedFills(source)) {
    const target = Bun.file(`${root}/${file}`)
    const text = (await target.exists()) ? await target.text() : null
    if (text === null) wrong.push(`${path}: there is no ${file}`)
    else
      for (const name of names)
        if (!new RegExp(`\\b${name}\\b`).test(text)) wrong.push(`${path}: ${file} has no ${name}`)
  }
  return wrong
}

const readCore = async (): Promise<Source[]> => {
  const sources: Source[] = []
  for await (const path of new Glob('core/**/*.ts').scan({ cwd: root }))
    sources.push({ path, source: await Bun.file(`${root}/${path}`).text() })
  return sources
}

test('no part of core writes out the type of a function that another part returns', async () => {
  const sources = await readCore()
  expect(sources.length).toBeGreaterThan(0)
  expect(deadEnds(sources)).toEqual([])
})

test('every exception is still needed', async () => {
  const codes = (await readCore()).map(({ source }) => codeOnly(source))
  const returned = returnedBy(codes)
  const needed = codes.flatMap(writtenOut).filter((at) => returned.has(at.split('.')[1]!))
  expect(Object.keys(ALLOWED).filter((at) => !needed.includes(at))).toEqual([])
})

test('what a comment says fills a table or is glue is there', async () => {
  const sources = await readCore()
  expect(sources.flatMap(({ source }) => namedFills(source)).length).toBeGreaterThan(10)
  const wrong = await Promise.all(sources.map(({ path, source }) => falseFills(path, source)))
  expect(wrong.flat()).toEqual([])
})

test('a comment that names a file or a function that is not there is seen', async () => {
  const seen = (source: string) => falseFills('core/dev/ptype.ts', source)
  expect(await seen('// filled by core/stack/none.ts: ipRcv')).toHaveLength(1)
  expect(await seen('// filled by core/stack.ts: ipRcvOfNobody (ipv4/ip-input.ts)')).toHaveLength(1)
  expect(await seen('  /** core/stack.ts: says no. */\n  sayNo: () => void')).toHaveLength(1)
  expect(await seen('// filled by core/stack.ts: createStack (here)')).toEqual([])
})

describe('the rule sees', () => {
  const forward = `
export const createIpForward = (deps: IpForwardDeps) => {
  const check = () => {
    return { inner: 1 }
  }
  return {
    ipForward,
    renamed: other.name,
    options: { nested: 1 },
    held: () => size,
  }
}
`
  const input = (properties: string): Source[] => [
    { path: 'core/ipv4/ip-forward.ts', source: forward },
    { path: 'core/ipv4/ip-input.ts', source: `export type IpInputDeps = {${properties}}\n` },
  ]

  test.each([
    ['a function', '\n  arena: Arena\n  ipForward: (skb: number, fl: Flowi) => void\n'],
    ['one of an optional', '\n  ipForward?: (skb: number) => void\n'],
    ['one that takes a function', '\n  held: (done: (n: number) => void) => number\n'],
    ['one over several lines', '\n  renamed: (\n    skb: number,\n    len: number\n  ) => void\n'],
    ['one in a line of others', ' arena: Arena; ipForward: (skb: number) => void '],
    ['one behind a comment', '\n  /** Sends (it) on. */\n  ipForward: (skb: number) => void\n'],
  ])('%s', (_, properties) => {
    expect(deadEnds(input(properties))).toHaveLength(1)
  })

  test.each([
    ['a function from outside of core', '\n  nowUs: () => number\n'],
    ['a type taken from its factory', "\n  ipForward: IpForward['ipForward']\n"],
    ['what only an inner object has', '\n  inner: () => number\n  nested: () => number\n'],
    ['a name in a comment', '\n  // ipForward: (skb: number) => void\n'],
    ["a function's parameter", '\n  notify: (ipForward: (skb: number) => void) => void\n'],
  ])('no fault in %s', (_, properties) => {
    expect(deadEnds(input(properties))).toEqual([])
  })
})
