// The rules of the house as a pure function: source files in, violations out. test/architecture.test.ts
// feeds it the real tree, and made-up trees that break each rule. What may import what is explained in
// ARCHITECTURE.md. Only value imports count: a type costs nothing at run time and may cross layers.

export type SourceFile = {
  /** Path from the repository's root, e.g. core/wire/ipv4.ts. */
  path: string
  /** What its value imports say: './udp.ts', 'node:fs', 'hono'. */
  imports: string[]
  source: string
}

export type Violation = { rule: string; file: string; detail: string }

/** Each may import the ones before it, and every layer of the path may import all of them. */
const FOUNDATIONS = ['base', 'wire', 'shm', 'skb']

/** In the packet's order. None imports another: down by dependency, up by table. */
const PATH_LAYERS = [
  'bpf',
  'netdev',
  'steering',
  'softnet',
  'dev',
  'sched',
  'neigh',
  'inet',
  'ipv4',
  'ipv6',
  'netfilter',
  'transport',
  'packet',
  'socket',
]

/** What both families share: the rooms of each family stand on it. */
const SHARED: Record<string, string> = { ipv4: 'inet', ipv6: 'inet' }

/**
 * Header files, as Linux has them: the words of a row that several layers read, and where a row lies. They belong to
 * their folder by subject and to the foundations by rank, so they import nothing but foundations, constants and one another.
 */
export const HEADER_FILES: Record<string, string> = {
  'core/netdev/netdev.ts': 'net_device rows (include/linux/netdevice.h)',
  'core/socket/sock.ts': 'sock rows (include/net/sock.h)',
  'core/socket/inet-sock.ts': 'what IP has of sock rows (include/net/inet_sock.h)',
}

/** Applies messages to every layer below, so it may import any of them. */
const CONTROL = 'control'

/** What api/ may import from workers/, and why. Everything else there is private to workers/. */
export const PUBLIC_WORKER_MODULES: Record<string, string> = {
  'workers/main.ts': 'boots a daemon and hands back its control and its snapshots',
  'workers/daemon.ts': 'softnet up: the daemon in the foreground, with its signals and pid file',
  'workers/log.ts': 'what a daemon says goes out in one place, its API as its stack',
  'workers/modules.ts': 'where the modules lie that it names to the daemon, or starts as programs',
  'workers/os/lock.ts': 'the socket file of the API is taken by one daemon at a time',
  'workers/os/notify.ts': 'a daemon tells the service manager that it is ready',
  'workers/os/privileges.ts': 'a daemon goes on as another user when all is open',
  'workers/os/parent.ts': 'a command ends with the wrapper that started it',
  'workers/os/exec.ts': 'softnet exec: a program in a network namespace of its own',
}

/** What core/ is given rather than takes: clock, randomness, threads, I/O. */
const IMPURE: [name: string, pattern: RegExp][] = [
  ['Bun', /(?<![.\w$])Bun\s*\./],
  ['Date', /(?<![.\w$])(?:new\s+Date\b|Date\s*[.(])/],
  ['performance', /(?<![.\w$])performance\s*\./],
  ['Math.random', /\bMath\s*\.\s*random\b/],
  ['crypto', /(?<![.\w$])crypto\s*\./],
  ['timers', /(?<![.\w$])(?:set(?:Timeout|Interval|Immediate)|queueMicrotask)\b/],
  ['console', /(?<![.\w$])console\s*\./],
  ['process', /(?<![.\w$])process\s*\.\s*(?:env|argv|exit|std\w+|hrtime|nextTick|on|pid)\b/],
  ['fetch', /(?<![.\w$])fetch\s*\(/],
  ['threads', /(?<![.\w$])new\s+Worker\b|\bAtomics\s*\.\s*wait(?:Async)?\b/],
  ['globalThis', /(?<![.\w$])globalThis\b/],
]

const isRelative = (specifier: string): boolean => /^\.{1,2}\//.test(specifier)

/** './udp.ts' seen from core/wire/ipv4.ts is core/wire/udp.ts; packages keep their name. */
export const resolveImport = (from: string, specifier: string): string =>
  isRelative(specifier) ? new URL(specifier, `file:///${from}`).pathname.slice(1) : specifier

const topOf = (path: string): string => path.split('/')[0]!

const layerOf = (path: string): string => path.split('/')[1] ?? ''

const isStack = (path: string): boolean =>
  path === 'core/stack.ts' || path.startsWith('core/stack/')

/** Control's words: made and read at its edge, for the API, the daemon and tests. */
const isText = (path: string): boolean => path.startsWith('core/control/text/')

const isConstantsFile = (path: string): boolean => /(?:-constants|\/uapi)\.ts$/.test(path)

const isPackage = (specifier: string, names: string[]): boolean =>
  names.some((name) => specifier === name || specifier.startsWith(`${name}/`))

/** The text without comments, strings and regular expressions; template expressions stay. */
export const codeOnly = (source: string): string => {
  let out = ''
  let at = 0
  // Braces open since each template expression began, innermost last.
  const templates: number[] = []
  const skipTemplateText = (): void => {
    while (at < source.length) {
      if (source[at] === '\\') at += 2
      else if (source[at] === '`') {
        at++
        return
      } else if (source.startsWith('${', at)) {
        at += 2
        templates.push(0)
        return
      } else at++
    }
  }
  const skipQuoted = (quote: string): void => {
    at++
    while (at < source.length && source[at] !== quote && source[at] !== '\n') {
      at += source[at] === '\\' ? 2 : 1
    }
    at++
  }
  const skipRegExp = (): void => {
    let inClass = false
    at++
    while (at < source.length && source[at] !== '\n') {
      const char = source[at]!
      at += char === '\\' ? 2 : 1
      if (char === '[') inClass = true
      else if (char === ']') inClass = false
      else if (char === '/' && !inClass) return
    }
  }
  const startsRegExp = (): boolean => /(?:^|[=(,:;!&|?{}[\n]|=>|\breturn)\s*$/.test(out.slice(-40))
  while (at < source.length) {
    const char = source[at]!
    if (source.startsWith('//', at)) {
      while (at < source.length && source[at] !== '\n') at++
    } else if (source.startsWith('/*', at)) {
      const end = source.indexOf('*/', at + 2)
      at = end < 0 ? source.length : end + 2
      out += ' '
    } else if (char === "'" || char === '"') {
      skipQuoted(char)
      out += "''"
    } else if (char === '`') {
      at++
      out += '``'
      skipTemplateText()
    } else if (char === '/' && startsRegExp()) {
      skipRegExp()
      out += '//'
    } else if (char === '}' && templates.at(-1) === 0) {
      templates.pop()
      at++
      out += ' '
      skipTemplateText()
    } else {
      if (templates.length > 0 && char === '{') templates[templates.length - 1]!++
      if (templates.length > 0 && char === '}') templates[templates.length - 1]!--
      out += char
      at++
    }
  }
  return out
}

const coreImport = (from: string, to: string): string | null => {
  const [fromLayer, toLayer] = [layerOf(from), layerOf(to)]
  if (isStack(from)) return null
  if (isStack(to)) return 'only core/stack/ may know core/stack.ts'
  const isNumbers = isConstantsFile(to) || Object.hasOwn(HEADER_FILES, to)
  if (Object.hasOwn(HEADER_FILES, from) && !FOUNDATIONS.includes(toLayer) && !isNumbers) {
    return `${from} is a header file: it imports foundations, constants and headers only`
  }
  if (isText(to) && !isText(from)) return `${from} speaks numbers: words are the edge's`
  if (fromLayer === toLayer || Object.hasOwn(HEADER_FILES, to)) return null
  const fromFoundation = FOUNDATIONS.indexOf(fromLayer)
  const toFoundation = FOUNDATIONS.indexOf(toLayer)
  if (fromFoundation >= 0) {
    const before = toFoundation >= 0 && toFoundation < fromFoundation
    return before ? null : `${fromLayer} comes before ${toLayer}`
  }
  if (toFoundation >= 0 || SHARED[fromLayer] === toLayer) return null
  if (fromLayer === CONTROL) return null
  if (PATH_LAYERS.includes(toLayer) && isConstantsFile(to)) return null
  return `${fromLayer} may not import ${toLayer}: take the function as a dependency, or fill a table`
}

/** Folders whose factories make parts that packets pass. */
const PART_LAYERS = ['skb', ...PATH_LAYERS]

/** Factories that anybody may use beside others: they put no layer on another. */
export const LEAF_FACTORIES: Record<string, string> = {
  'core/inet/fib/fib.ts': 'reads a table that control writes, as `ip route get` does',
  'core/inet/dst/learned.ts': 'reads tables that workers write, as `ip route get` does',
  'core/dev/kinds/ports.ts': 'numbers of ports, and the rings behind them: no part of a stack',
  'core/steering/rss-control.ts': "writes a device's steering, as ethtool does",
}
/** Files that make several parts and are no second stack. */
export const MAKERS: Record<string, string> = {
  'core/control/tables.ts': 'puts together the tables that control writes and stacks read',
  'bench/steering.ts': 'measures the steps of one layer, each by itself',
}

/** Files of other layers whose factories (createX) a file imports by name, or may reach by `* as`. */
const partsMadeBy = ({ path, source }: SourceFile): string[] => {
  const made = new Set<string>()
  for (const [, clause, specifier] of source.matchAll(VALUE_IMPORT)) {
    const to = resolveImport(path, specifier!)
    const layer = layerOf(to)
    const isOwn = topOf(path) === 'core' && [layerOf(path), SHARED[layerOf(path)]].includes(layer)
    if (topOf(to) !== 'core' || !PART_LAYERS.includes(layer) || isOwn) continue
    if (Object.hasOwn(HEADER_FILES, to) || isConstantsFile(to)) continue
    if (Object.hasOwn(LEAF_FACTORIES, to)) continue
    if (MAKES.test(clause!)) made.add(to)
  }
  return [...made]
}
const VALUE_IMPORT = /^import\s+(?!type\b)([^'"]*?)\s+from\s+'([^']+)'/gm
/** `createX` that is not a type, or everything there is. */
const MAKES = /(?<!\btype\s+)\bcreate[A-Z]\w*|^\*/

/** Who makes the parts of two layers wires a stack: that is done in core/stack/ alone. */
const checkParts = (file: SourceFile): Omit<Violation, 'file'>[] => {
  if (isStack(file.path) || Object.hasOwn(MAKERS, file.path)) return []
  const parts = partsMadeBy(file)
  if (parts.length < 2) return []
  return [{ rule: 'one composition root', detail: `makes ${parts.join(', ')}: take core/stack/'s` }]
}

const checkImport = (from: string, to: string): Omit<Violation, 'file'> | null => {
  const [fromTop, toTop] = [topOf(from), topOf(to)]
  const because = (rule: string, detail = `imports ${to}`) => ({ rule, detail })
  if (['test', 'bench', 'packetdrill', 'sim', 'examples'].includes(toTop) && to.includes('/')) {
    if (['core', 'workers', 'api'].includes(fromTop)) {
      return because('nothing imports test, bench or examples')
    }
  }
  if (['sim', 'packetdrill'].includes(fromTop) && toTop === 'test')
    return because('sim and packetdrill stand without the tests')
  if (isPackage(to, ['hono', 'hono-openapi', '@hono'])) {
    if (fromTop === 'core' || fromTop === 'workers') return because('hono appears only in api')
  }
  if (fromTop === 'core') {
    if (toTop !== 'core' || !to.includes('/')) return because('core is pure')
    const detail = coreImport(from, to)
    if (detail) return because('core layers', `imports ${to}: ${detail}`)
  }
  if (fromTop === 'examples' && ['core', 'workers', 'api', 'test', 'bench'].includes(toTop)) {
    return because('examples come in by the door')
  }
  if (fromTop === 'workers' && toTop === 'api') return because('workers know no api')
  if (fromTop === 'api' && toTop === 'workers' && !Object.hasOwn(PUBLIC_WORKER_MODULES, to)) {
    return because('api imports only the public modules of workers')
  }
  return null
}

/** Rooms that are the same for both address families: what differs stands in the family table. */
const FAMILY_BLIND = ['inet', 'transport', 'socket']
const FAMILY_TABLE = 'core/inet/af-ops.ts'
const CHOOSES_BY_FAMILY = /[!=]==\s*AF_INET6?\s*\?/

const checkSource = ({ path, source }: SourceFile): Omit<Violation, 'file'>[] => {
  if (topOf(path) !== 'core') return []
  const code = codeOnly(source)
  const found = IMPURE.filter(([, pattern]) => pattern.test(code)).map(([name]) => ({
    rule: 'core is pure',
    detail: `uses ${name}`,
  }))
  if (
    FAMILY_BLIND.includes(layerOf(path)) &&
    path !== FAMILY_TABLE &&
    CHOOSES_BY_FAMILY.test(code)
  ) {
    found.push({ rule: 'address families', detail: `chooses by family outside ${FAMILY_TABLE}` })
  }
  const known = [...FOUNDATIONS, ...PATH_LAYERS, CONTROL].includes(layerOf(path))
  if (!known && !isStack(path)) {
    found.push({ rule: 'core layers', detail: `${layerOf(path)} is no layer of core` })
  }
  if (isConstantsFile(path) && /=>|\b(?:function|class|let|var)\b/.test(code)) {
    found.push({ rule: 'constants files', detail: 'holds more than constants' })
  }
  return found
}

/** Every breach of the rules in a set of files. */
export const violations = (files: SourceFile[]): Violation[] =>
  files.flatMap((file) => {
    const fromImports = file.imports
      .map((specifier) => checkImport(file.path, resolveImport(file.path, specifier)))
      .filter((found) => found !== null)
    return [...fromImports, ...checkSource(file), ...checkParts(file)].map((found) => ({
      ...found,
      file: file.path,
    }))
  })

/** Circles of value imports: each as the files of one, in order. */
export const circles = (files: readonly SourceFile[]): string[][] => {
  const known = new Map(files.map((file) => [file.path, file]))
  const found: string[][] = []
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path)
    if (at >= 0) found.push(way.slice(at))
    if (at >= 0 || done.has(path)) return
    for (const specifier of known.get(path)?.imports ?? [])
      visit(resolveImport(path, specifier), [...way, path])
    done.add(path)
  }
  for (const { path } of files) visit(path, [])
  return found
}
