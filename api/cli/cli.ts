/**
 * What every command gets (the API, output, environment) and how it ends: a returned exit status, a Refused (1) or a
 * UsageError (2). Commands touch nothing else, so tests run them on an app without a socket.
 */
import type { FieldError, ProblemDocument } from '../schemas/problem.ts'
import type { Env } from './endpoint.ts'

export type Fetch = (path: string, init?: RequestInit) => Promise<Response>

export type Cli = {
  readonly fetch: Fetch
  /** The API's address as the user would write it, for messages. */
  readonly endpoint: string
  readonly env: Env
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** The global -j. */
  readonly json: boolean
  /** The network namespace that it is in. */
  readonly netns?: string
}

/** Arguments after the command's name; the exit status, 0 when it says none. */
export type Command = (args: string[], cli: Cli) => Promise<number | undefined>

/** A row of the table of commands (commands.ts). */
type Entry = {
  readonly run: Command
  /** In a line. */
  readonly does: string
  /** Of a command that leaves its --help to run.ts. */
  readonly usage?: string
  /** What it is about, each with a help of its own. */
  readonly objects?: readonly string[]
  /** It is a program of its own, which writes its --help to the terminal itself. */
  readonly isProgram?: true
}
export type Commands = Readonly<Record<string, Entry>>

/** The request was understood and refused: one line, exit status 1. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: number
  constructor(message: string, status = 0) {
    super(message)
    this.status = status
  }
}

/** The command line makes no sense: one line, exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const incomplete = (): UsageError =>
  new UsageError('Command line is not complete. Try option "help"')

const hint = ({ field, message }: FieldError, detail: string): string =>
  detail.includes(message) ? '' : ` (${field === '' ? '' : `${field}: `}${message})`

/** A problem document as one line on a terminal. */
const problemLine = (problem: Partial<ProblemDocument>, status: number): string => {
  const detail = problem.detail ?? problem.title ?? `HTTP ${status}`
  const first = problem.errors?.[0]
  return (detail + (first === undefined ? '' : hint(first, detail))).replaceAll('\n', ' ')
}

const refuse = async (response: Response): Promise<never> => {
  const text = await response.text()
  let problem: Partial<ProblemDocument> = {}
  try {
    problem = JSON.parse(text) as Partial<ProblemDocument>
  } catch {
    problem = {
      detail: text.trim() === '' ? `HTTP ${response.status}` : text.trim().split('\n')[0]!,
    }
  }
  throw new Refused(problemLine(problem, response.status), response.status)
}

/** The same, in a network namespace: every path of the API is there once more, below its name. */
export const inNetns = (cli: Cli, name: string | undefined): Cli =>
  name === undefined
    ? cli
    : {
        ...cli,
        netns: name,
        fetch: (path, init) =>
          cli.fetch(path.replace(/^\/v1\//, `/v1/netns/${encodeURIComponent(name)}/`), init),
      }

const query = (params: Readonly<Record<string, string | number | undefined>>): string => {
  const given = Object.entries(params).filter(
    (entry): entry is [string, string | number] => entry[1] !== undefined
  )
  if (given.length === 0) return ''
  return `?${given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`
}

type Params = Readonly<Record<string, string | number | undefined>>

export const getJson = async <T>(cli: Cli, path: string, params: Params = {}): Promise<T> => {
  const response = await cli.fetch(path + query(params))
  return response.ok ? ((await response.json()) as T) : refuse(response)
}

export const getText = async (cli: Cli, path: string): Promise<string> => {
  const response = await cli.fetch(path)
  return response.ok ? response.text() : refuse(response)
}

/** An answer that goes on for as long as the daemon has something to say. */
export const getStream = async (
  cli: Cli,
  path: string,
  params: Params = {},
  accept = '*/*'
): Promise<ReadableStream<Uint8Array>> => {
  const response = await cli.fetch(path + query(params), { headers: { Accept: accept } })
  if (!response.ok) return refuse(response)
  if (response.body === null) throw new Refused('softnet: the daemon sends nothing')
  return response.body
}

/** The lines of JSON of an answer that goes on, as they come. */
export async function* getLines<T>(cli: Cli, path: string, params: Params): AsyncGenerator<T> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of await getStream(cli, path, params, 'application/x-ndjson')) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop()!
    for (const line of lines) yield JSON.parse(line) as T
  }
}

export const getItems = async <T>(cli: Cli, path: string, params: Params = {}): Promise<T[]> =>
  (await getJson<{ items: T[] }>(cli, path, params)).items

export type Change<T = unknown> = { item: T; revision: number; applied_by: number[] }

export const send = async <T>(
  cli: Cli,
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  { params = {}, mustExist = false }: { params?: Params; mustExist?: boolean } = {}
): Promise<Change<T>> => {
  const response = await cli.fetch(path + query(params), {
    method,
    headers: {
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(mustExist ? { 'If-Match': '*' } : {}),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return response.ok ? ((await response.json()) as Change<T>) : refuse(response)
}

/** A question that needs a body: it changes nothing. */
export const ask = async <T>(cli: Cli, path: string, body: unknown): Promise<T> => {
  const response = await cli.fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  return response.ok ? ((await response.json()) as T) : refuse(response)
}

/** A segment of a path. */
export const segment = (text: string | number): string => encodeURIComponent(text)

/** Lines with their newlines; nothing at all for no lines. */
export const printLines = (cli: Cli, lines: readonly string[]): void => {
  if (lines.length > 0) cli.out(`${lines.join('\n')}\n`)
}

export const printJson = (cli: Cli, value: unknown, pretty = false): void =>
  cli.out(`${JSON.stringify(value, null, pretty ? 4 : undefined)}\n`)
