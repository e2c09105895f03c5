/** Text of a packetdrill script to its events (script.ts). Packets are parse-packet.ts's. */
import { createCursor, type Cursor } from './cursor.ts'
import { parsePacket } from './parse-packet.ts'
import type { Call, Event, Script, Value, When } from './script.ts'

const NUMBER = /(?:\d+(?:\.(?!\.)\d*)?|\.(?!\.)\d+)/y
const us = (seconds: string): number => Math.round(Number(seconds) * 1e6)

/** Keeps what `#ifdef NAME` and `#ifndef NAME` let through, and puts values in the place of the names defined. */
export const preprocess = (text: string, defined: ReadonlyMap<string, string>): string => {
  const open: boolean[] = []
  const lines = text.split('\n').map((line) => {
    const [, word, name = ''] = /^\s*#\s*(ifdef|ifndef|else|endif)\b\s*(\w*)/.exec(line) ?? []
    if (word === 'ifdef') open.push(defined.has(name))
    else if (word === 'ifndef') open.push(!defined.has(name))
    else if (word === 'else') open.push(open.pop() === false)
    else if (word === 'endif') open.pop()
    else if (open.every((isKept) => isKept)) return substitute(line, defined)
    return ''
  })
  return lines.join('\n')
}
const substitute = (line: string, defined: ReadonlyMap<string, string>): string =>
  line.replaceAll(/\b[A-Z]\w*\b/g, (word) => defined.get(word) ?? word)

export const parseScript = (text: string): Script => {
  const cursor = createCursor(text)
  const script: Script = { init: [], options: new Map(), events: [] }
  for (
    let option = cursor.match(/--(\w+)(?:=(\S+))?/y);
    option !== null;
    option = cursor.match(/--(\w+)(?:=(\S+))?/y)
  )
    script.options.set(option[1]!, option[2] ?? '')
  while (script.events.length === 0 && cursor.is('`')) script.init.push(cursor.until('`'))
  while (!cursor.isEnd()) script.events.push(parseEvent(cursor))
  return script
}

const parseTime = (cursor: Cursor): When => {
  if (cursor.is('*')) return { kind: 'any', at: 0 }
  const kind = cursor.is('+') ? 'relative' : 'absolute'
  const when: When = { kind, at: us(cursor.take(NUMBER, 'a time')[0]) }
  if (cursor.is('~')) {
    cursor.is('+')
    when.until = us(cursor.take(NUMBER, 'a time')[0])
  }
  if (cursor.is('...')) when.returns = us(cursor.take(NUMBER, 'a time')[0])
  return when
}

const parseEvent = (cursor: Cursor): Event => {
  const start = cursor.place()
  const line = cursor.line()
  // an event without a time follows the one before it at once
  const hasTime = cursor.match(/(?=[+*.\d])/y) !== null
  const when: When = hasTime ? parseTime(cursor) : { kind: 'relative', at: 0 }
  if (cursor.is('`')) return { is: 'command', line, when, text: cursor.until('`') }
  if (cursor.is('%{')) return { is: 'code', line, when, text: cursor.until('}%') }
  if (cursor.is('<'))
    return { is: 'in', line, when, packet: parsePacket(cursor, true), text: cursor.since(start) }
  if (cursor.is('>'))
    return { is: 'out', line, when, packet: parsePacket(cursor, false), text: cursor.since(start) }
  return { is: 'call', line, when, call: parseCall(cursor), text: cursor.since(start) }
}

const parseCall = (cursor: Cursor): Call => {
  const name = cursor.take(/([a-z_0-9]+)\s*\(/y, 'an event')[1]!
  const args = parseList(cursor, ')')
  cursor.need('=')
  const result = parseValue(cursor)
  const error = cursor.match(/E[A-Z0-9]+\b/y)?.[0] ?? null
  // strerror's words, or the names of flags
  if (cursor.match(/\((?=[A-Za-z])/y) !== null) cursor.until(')')
  return { name, args, result, error }
}

const parseList = (cursor: Cursor, end: string): Value[] => {
  const items: Value[] = []
  while (!cursor.is(end)) {
    items.push(parseValue(cursor))
    if (!cursor.is(',')) {
      cursor.need(end)
      break
    }
  }
  return items
}

const parseStruct = (cursor: Cursor): Value => {
  const fields = new Map<string, Value>()
  while (!cursor.is('}')) {
    const name = cursor.match(/([a-z_][\w.]*(?:\((?:\d+|\.\.\.)\))?)\s*=/y)?.[1] ?? `${fields.size}`
    fields.set(name, parseValue(cursor))
    if (!cursor.is(',')) {
      cursor.need('}')
      break
    }
  }
  return { is: 'struct', fields }
}

/** One value, or several joined by `|`, which make a name of all of them. */
const parseValue = (cursor: Cursor): Value => {
  const first = parseSingle(cursor)
  const words = [wordOf(first)]
  while (cursor.is('|')) words.push(wordOf(parseSingle(cursor)))
  return words.length === 1 ? first : { is: 'name', value: words.join('|') }
}
const wordOf = (value: Value): string =>
  value.is === 'name' ? value.value : value.is === 'number' ? `${value.value}` : ''

const parseSingle = (cursor: Cursor): Value => {
  if (cursor.is('...')) return { is: 'ellipsis' }
  if (cursor.is('[')) return { is: 'list', items: parseList(cursor, ']') }
  if (cursor.is('{')) return parseStruct(cursor)
  if (cursor.is('"')) return { is: 'text', value: cursor.until('"') }
  const number = cursor.match(/-?(?:0x[0-9a-f]+|\d+)(?![\w.])/iy)
  if (number !== null) return { is: 'number', value: Number(number[0]) }
  const called = cursor.match(/([a-z_]\w*)\s*\(/y)
  if (called !== null) {
    const items = parseList(cursor, ')')
    return { is: 'struct', fields: new Map(items.map((item, n) => [`${called[1]}.${n}`, item])) }
  }
  return { is: 'name', value: cursor.take(/[A-Za-z_]\w*/y, 'a value')[0] }
}
