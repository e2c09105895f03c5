// What is there for nothing, found in the text of the tree: a counter that nothing raises, a drop reason that nothing
// gives, a switch that nothing reads. test/unused.test.ts holds the tree to it.

import { codeOnly } from './architecture.ts'

export type Source = { path: string; source: string }

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
