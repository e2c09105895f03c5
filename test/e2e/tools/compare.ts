// What two answers to the same line have for differences, volatile values and those that are known (known.ts) aside.

/** What is set aside before two answers are compared. */
export type Aside = {
  /** Of which lines; all, when it does not say. */
  readonly lines?: RegExp
  /** In JSON: the paths that it is at, as "0.stats64.rx.bytes". */
  readonly json?: RegExp
  /** In text: what is replaced. */
  readonly text?: RegExp
  /** By what, in both; nothing, when it does not say. */
  readonly by?: string | ((found: string) => string)
  /** Lines whose order does not count. */
  readonly order?: RegExp
  readonly reason: string
}

/** What an item of a list is called: by what names it among the others. */
const NAMING = [
  'type',
  'dst',
  'dev',
  'ifname',
  'local',
  'priority',
  'id',
  'metric',
  'table',
] as const
const itemName = (item: unknown, index: number): string => {
  if (typeof item !== 'object' || item === null) return `${index}`
  if ('link' in item && !('ifname' in item)) return `[${item.link}]`
  if ('address' in item && !('ifname' in item)) return `[${item.address}]`
  if ('name' in item) return `[${item.name}]`
  const named = NAMING.flatMap((name) =>
    name in item ? [String((item as Record<string, unknown>)[name])] : []
  )
  return named.length === 0 ? `${index}` : `[${named.join(' ')}]`
}

/** Every value of a document with its path. An empty list or object is a value. */
const flatten = (value: unknown, path: string, into: [path: string, said: string][]): void => {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0)
    return void into.push([path, JSON.stringify(value)])
  for (const [key, part] of Object.entries(value)) {
    const name = Array.isArray(value) ? itemName(part, Number(key)) : key
    flatten(part, path === '' ? name : `${path}.${name}`, into)
  }
}

/** An answer ends with its exit status. */
const parse = (answer: string): unknown => {
  try {
    return JSON.parse(answer.replace(/exit \d+$/, ''))
  } catch {
    return undefined
  }
}

/** Files of two lines a group, names and values, as a line a name. */
const inPairs = (answer: string): string =>
  answer.replace(
    /^(\w+): (.*)\n\1: (-?\d.*)$/gm,
    (_, group: string, names: string, values: string) => {
      const numbers = values.split(' ')
      return names
        .split(' ')
        .map((name, i) => `${group}${name} ${numbers[i]}`)
        .join('\n')
    }
  )

/** The lines of an answer in JSON, a value a line; its text otherwise. */
const linesOf = (answer: string, known: readonly Aside[]): string[] => {
  const value = parse(answer)
  if (typeof value !== 'object') {
    let text = inPairs(answer)
    for (const { text: what, by = '' } of known)
      if (what !== undefined)
        text = typeof by === 'string' ? text.replace(what, by) : text.replace(what, by)
    return text.split('\n')
  }
  const values: [string, string][] = []
  flatten(value, '', values)
  return values.flatMap(([path, said]) => {
    const aside = known.find(({ json }) => json?.test(path))
    if (aside === undefined) return `${path}: ${said}`
    return typeof aside.by === 'string' ? `${path}: ${aside.by}` : []
  })
}

/** Lines whose order does not count stand at the end, sorted. */
const inOrder = (lines: readonly string[], known: readonly Aside[]): string[] => {
  const isFree = (line: string): boolean => known.some(({ order }) => order?.test(line))
  return [...lines.filter((line) => !isFree(line)), ...lines.filter(isFree).sort()]
}

/** The lines that one of them has alone, in order. */
const onlyIn = (lines: readonly string[], others: readonly string[]): string[] => {
  const left = new Map<string, number>()
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1)
  return lines.filter((line) => {
    const count = left.get(line) ?? 0
    left.set(line, count - 1)
    return count <= 0
  })
}

/** What the kernel's tool says ("-") and ours does not, and the other way round ("+"). */
export const compare = (
  line: string,
  kernel: string,
  softnet: string,
  asides: readonly Aside[]
): string[] => {
  const known = asides.filter(({ lines }) => lines?.test(line) ?? true)
  const [theirs, ours] = [kernel, softnet].map((answer) =>
    inOrder(linesOf(answer, known), known)
  ) as [string[], string[]]
  if (theirs.join('\n') === ours.join('\n')) return []
  const found = [
    ...onlyIn(theirs, ours).map((text) => `- ${text}`),
    ...onlyIn(ours, theirs).map((text) => `+ ${text}`),
  ]
  if (found.length > 0) return found
  return [
    'in another order:',
    ...theirs.map((text) => `- ${text}`),
    ...ours.map((text) => `+ ${text}`),
  ]
}
