/**
 * Checks a value against a schema and turns zod's findings into a problem in iproute2's words: the first finding is
 * the detail, all of them name their field. Used for bodies, queries, paths and the TOML file.
 */
import type { z } from 'zod'
import type { FieldError } from './problem.ts'
import { Problem } from '../problem.ts'

type Issue = z.core.$ZodIssue

const fieldOf = (path: readonly PropertyKey[]): string =>
  path
    .map((part, i) =>
      typeof part === 'number' ? `[${part}]` : `${i > 0 ? '.' : ''}${String(part)}`
    )
    .join('')

/** zod's own words, where a schema says nothing, name neither field nor value. */
const messageOf = (issue: Issue): string => {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined && !issue.message.includes('received')
        ? `${issue.expected} is required`
        : `expected ${issue.expected}`
    case 'invalid_value':
      return `expected one of ${issue.values.map((value) => String(value)).join(', ')}`
    case 'too_small':
      return `at least ${issue.minimum}`
    case 'too_big':
      return `at most ${issue.maximum}`
    default:
      return issue.message
  }
}

/** A union's own finding says only "invalid input": the most promising branch says why. */
const expand = (issue: Issue): Issue[] => {
  if (issue.code !== 'invalid_union') return [issue]
  const branch = issue.errors
    .filter((errors) => errors.length > 0)
    .sort((a, b) => depth(b) - depth(a))[0]
  return branch === undefined
    ? [issue]
    : branch.flatMap((inner) => expand({ ...inner, path: [...issue.path, ...inner.path] } as Issue))
}

const depth = (issues: readonly Issue[]): number =>
  Math.max(...issues.map((issue) => issue.path.length + (issue.code === 'invalid_type' ? 0 : 1)))

const fieldErrors = (error: { issues: readonly Issue[] }): FieldError[] =>
  error.issues.flatMap(expand).flatMap((issue) => {
    const at = fieldOf(issue.path)
    if (issue.code !== 'unrecognized_keys') return [{ field: at, message: messageOf(issue) }]
    return issue.keys.map((key) => ({
      field: at === '' ? key : `${at}.${key}`,
      message: 'unknown field',
    }))
  })

const detailOf = ({ field, message }: FieldError): string => {
  if (message === 'unknown field') return `Error: unknown field "${field}".`
  if (field === '' || message.includes('"')) return `Error: ${message}`
  return `Error: "${field}": ${message}`
}

/** The value as the schema makes it, or a problem: of another kind for what stands in the URL. */
export const check = <S extends z.ZodType>(
  schema: S,
  value: unknown,
  kind: 'EINVAL' | 'unreadable' = 'EINVAL'
): z.infer<S> => {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const errors = fieldErrors(result.error)
  throw new Problem(kind, detailOf(errors[0]!), { errors })
}
