// The lines of docs/rfc-matrix.md, and the titles of tests, for test/rfc-matrix.test.ts.

export type Line = {
  rfc: string
  section: string
  level: string
  /** Of the test, or null: the line says that it is not done, or does not apply. */
  proof: { file: string; titles: string[] } | null
  isDone: boolean
  applies: boolean
}

const ROW = /^\| (\S.*?) \| (MUST|MUST NOT|SHOULD|SHOULD NOT) \| (.+?) \| (.+) \|$/
const PROOF = /^`(test\/\S+\.test\.ts)`: (.+)$/

/** Every row of every table; a row that cannot be read is an error of whoever wrote it. */
export const readMatrix = (text: string): Line[] => {
  const lines: Line[] = []
  let rfc = ''
  for (const line of text.split('\n')) {
    const heading = /^## (RFC \d+)/.exec(line)
    if (heading !== null) rfc = heading[1]!
    if (!line.startsWith('|') || /^\|(?: § |---)/.test(line)) continue
    const [, section, level, , proof] = ROW.exec(line) ?? []
    const [, file, titles] = PROOF.exec(proof ?? '') ?? []
    const isOpen = /^(?:not done|does not apply): \S/.test(proof ?? '')
    if (level === undefined || (file === undefined && !isOpen))
      throw new Error(`cannot be read: ${line}`)
    lines.push({
      rfc,
      section: section!,
      level,
      proof:
        file === undefined ? null : { file, titles: titles!.replaceAll('\\|', '|').split(' > ') },
      isDone: file !== undefined,
      applies: !proof!.startsWith('does not apply'),
    })
  }
  return lines
}

/** What the tests and groups of a file are called: each string in front of a function. */
export const titlesIn = (source: string): Set<string> =>
  new Set(
    [...source.matchAll(/(['"`])((?:\\.|(?!\1)[^\n])*)\1,\s*(?:async\s*)?(?:\(|\w+\s*=>)/g)].map(
      ([, , title]) => title!.replaceAll(/\\(.)/g, '$1')
    )
  )
