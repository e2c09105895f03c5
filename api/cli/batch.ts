/**
 * `-batch FILE` of ip and tc: a command a line, until one fails, or with -force all of them. A "#" begins a comment, a
 * backslash at its end continues a line, words may stand in quotes. iproute2: lib/utils.c (do_batch, getcmdline, makeargs).
 */
import { readFileSync } from 'node:fs'
import { Refused } from './cli.ts'
import type { Cli } from './cli.ts'
import { complain } from './complain.ts'

type Line = { readonly number: number; readonly words: string[] }

const wordsOf = (text: string): string[] =>
  [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? ''
  )

/** Lines with words; one that is continued has the number of its last part, as iproute2 counts. */
export const readBatch = (text: string): Line[] => {
  const lines: Line[] = []
  let begun = ''
  for (const [at, raw] of text.split('\n').entries()) {
    const line = begun + raw.replace(/#.*$/, '')
    begun = line.endsWith('\\') ? line.slice(0, -1) : ''
    if (line.endsWith('\\')) continue
    const words = wordsOf(line)
    if (words.length > 0) lines.push({ number: at + 1, words })
  }
  return lines
}

const readFile = (file: string): string => {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    const why = (error as { code?: string }).code === 'ENOENT' ? 'No such file or directory' : error
    throw new Refused(`Cannot open file "${file}" for reading: ${why}`)
  }
}

type Batch = { readonly file: string; readonly force: boolean }

export const runBatch = async (
  { file, force }: Batch,
  cli: Cli,
  run: (words: string[]) => Promise<number | undefined>
): Promise<number> => {
  let status = 0
  for (const { number, words } of readBatch(readFile(file))) {
    const ended = await run(words).catch((error: unknown) => complain(error, cli))
    if (ended === undefined || ended === 0) continue
    cli.err(`Command failed ${file}:${number}\n`)
    status = 1
    if (!force) break
  }
  return status
}
