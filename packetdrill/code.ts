/**
 * The code blocks of scripts, `%{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%`: assertions and assignments in a small part
 * of Python. Names are TCP_INFO's fields, constants of linux/tcp.h, and what earlier blocks have assigned.
 */
import { Mismatch, Unsupported } from './script.ts'

type Scalar = number | string | boolean
type Names = Map<string, Scalar>

const TOKEN =
  /\s*(0x[0-9a-f]+|\d+\.?\d*|'[^']*'|"[^"]*"|[A-Za-z_]\w*|<=|>=|==|!=|<<|>>|\/\/|\+=|-=|[-+*/%&|^~<>()=,])/iy

const tokens = (text: string): string[] => {
  const found: string[] = []
  let at = 0
  while (text.slice(at).trim() !== '') {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (match === null) throw new Unsupported(`the code "${text.trim()}"`)
    found.push(match[1]!)
    at = TOKEN.lastIndex
  }
  return found
}

const COMPARE: Record<string, (a: Scalar, b: Scalar) => boolean> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}
type Binary = Record<string, (a: number, b: number) => number>
/** By binding, loosest first; they all bind tighter than comparisons. */
const BINARY: Binary[] = [
  { '|': (a, b) => a | b },
  { '^': (a, b) => a ^ b },
  { '&': (a, b) => a & b },
  { '<<': (a, b) => a << b, '>>': (a, b) => a >> b },
  { '+': (a, b) => a + b, '-': (a, b) => a - b },
  {
    '*': (a, b) => a * b,
    '/': (a, b) => a / b,
    '//': (a, b) => Math.floor(a / b),
    '%': (a, b) => a % b,
  },
]

const createReader = (words: string[], names: Names) => {
  let at = 0
  const peek = (): string | undefined => words[at]
  const is = (word: string): boolean => {
    if (words[at] !== word) return false
    at++
    return true
  }
  const fail = (): never => {
    throw new Unsupported(`the code "${words.join(' ')}"`)
  }
  const tuple = (): Scalar => {
    const items = [expression()]
    while (is(',')) items.push(expression())
    if (!is(')')) fail()
    return items.length === 1 ? items[0]! : items.join(', ')
  }
  const atom = (): Scalar => {
    const word = words[at++] ?? fail()
    if (word === '(') return tuple()
    if (word === '-') return -Number(atom())
    if (word === '~') return ~Number(atom())
    if (/^\d/.test(word)) return Number(word)
    if (/^['"]/.test(word)) return word.slice(1, -1)
    const value = names.get(word)
    if (value === undefined) throw new Unsupported(`the name ${word} in code`)
    return value
  }
  const binary = (level: number): Scalar => {
    if (level === BINARY.length) return atom()
    let left = binary(level + 1)
    for (let op = peek(); op !== undefined && Object.hasOwn(BINARY[level]!, op); op = peek()) {
      at++
      const right = binary(level + 1)
      // a text and a value: what a message is made of
      left =
        typeof left === 'string'
          ? `${left} ${right}`
          : BINARY[level]![op]!(Number(left), Number(right))
    }
    return left
  }
  /** a <= b <= c holds when both do. */
  const comparison = (): Scalar => {
    if (is('not')) return !comparison()
    let left = binary(0)
    let holds: boolean | null = null
    for (let op = peek(); op !== undefined && Object.hasOwn(COMPARE, op); op = peek()) {
      at++
      const right = binary(0)
      holds = holds !== false && COMPARE[op]!(left, right)
      left = right
    }
    return holds ?? left
  }
  const conjunction = (): Scalar => {
    let value = comparison()
    while (is('and')) {
      const right = comparison()
      value = value ? right : value
    }
    return value
  }
  const expression = (): Scalar => {
    let value = conjunction()
    while (is('or')) {
      const right = conjunction()
      value = value ? value : right
    }
    return value
  }
  return { is, peek, expression, next: () => words[at++]!, isEnd: () => at >= words.length }
}

const statement = (text: string, names: Names): void => {
  const reader = createReader(tokens(text), names)
  if (reader.is('print')) return
  if (reader.is('assert')) {
    if (reader.expression()) return
    const said = reader.is(',') ? ` (it is ${reader.expression()})` : ''
    throw new Mismatch(`not so: ${text.replace(/^assert\s+/, '').replace(/,[^,]*$/, '')}${said}`)
  }
  const name = reader.next()
  const op = reader.next()
  const value = op === undefined ? 0 : reader.expression()
  const old = Number(names.get(name) ?? 0)
  if (op === '=') names.set(name, value)
  else if (op === '+=') names.set(name, old + Number(value))
  else if (op === '-=') names.set(name, old - Number(value))
  else throw new Unsupported(`the code "${text}"`)
}

/** Runs a block; what it assigns stays in `names`. */
export const runCode = (text: string, names: Names): void => {
  const joined = text.replaceAll(/\\\n/g, ' ')
  for (const line of joined.split(/[;\n]/)) {
    const code = line.replace(/(?:#|\/\/ ).*$/, '').trim()
    if (code !== '') statement(code, names)
  }
}
