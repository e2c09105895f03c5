// What is there for nothing, found in the text of the tree: an exported name that no other file says, a counter that
// nothing raises, a drop reason that nothing gives, a switch that nothing reads. test/unused.test.ts holds the tree to it.

import { codeOnly } from './architecture.ts'

export type Source = { path: string; source: string }

const EXPORT = /^export (?:async )?(?:const|let|function\*?|class|type) ([A-Za-z_$][\w$]*)/gm
const WORD = /[A-Za-z_$][\w$]*/g

/** By word, the files that say it outside comments and strings. */
const sayers = (files: readonly Source[]): Map<string, Set<string>> => {
  const found = new Map<string, Set<string>>()
  for (const { path, source } of files)
    for (const [word] of codeOnly(source).matchAll(WORD))
      found.set(word, (found.get(word) ?? new Set()).add(path))
  return found
}

/** Exports of the product that no other file names: `path: name`. */
export const unusedExports = (files: readonly Source[]): string[] => {
  const said = sayers(files)
  return files
    .filter(({ path }) => /^(?:core|workers|api)\//.test(path))
    .flatMap(({ path, source }) =>
      [...source.matchAll(EXPORT)]
        .map(([, name]) => name!)
        .filter((name) => (said.get(name)?.size ?? 0) < 2)
        .map((name) => `${path}: ${name}`)
    )
}

/** Members of an enumeration that none of the files says as `Enumeration.member`. */
export const unusedMembers = (
  enumeration: string,
  members: readonly string[],
  files: readonly Source[]
): string[] => {
  const code = files.map(({ source }) => codeOnly(source)).join('\n')
  const said = new Set(
    [...code.matchAll(new RegExp(`\\b${enumeration}\\s*\\.\\s*(\\w+)`, 'g'))].map(
      ([, name]) => name
    )
  )
  return members.filter((name) => !said.has(name))
}
