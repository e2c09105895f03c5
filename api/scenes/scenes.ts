/** The scenes that come with softnet, and how one is read: theirs by name, or a file. Called by api/cli/up.ts. */
import { readFileSync } from 'node:fs'
import { Refused } from '../cli/cli.ts'
import { Problem } from '../problem.ts'
import { check } from '../schemas/check.ts'
import { type Scene, scene as sceneSchema } from '../schemas/scene.ts'
import deadHop from './dead-hop.toml' with { type: 'text' }
import lans from './lans.toml' with { type: 'text' }
import loss from './loss.toml' with { type: 'text' }
import pmtu from './pmtu.toml' with { type: 'text' }
import steering from './steering.toml' with { type: 'text' }
import synFlood from './syn-flood.toml' with { type: 'text' }

/** The first is what `softnet demo` shows when it is told nothing. */
export const SCENES: Readonly<Record<string, string>> = {
  lans,
  loss,
  'dead-hop': deadHop,
  steering,
  pmtu,
  'syn-flood': synFlood,
}
export const FIRST = 'lans'

const isFile = (name: string): boolean => name.includes('/') || name.endsWith('.toml')

/** The text of a scene: one of ours by its name, or a file's. */
export const sceneText = (name: string): string => {
  if (Object.hasOwn(SCENES, name)) return SCENES[name]!
  if (!isFile(name))
    throw new Refused(`softnet: there is no scene "${name}", try "softnet demo --list"`)
  try {
    return readFileSync(name, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Refused(
      `softnet: ${name}: ${code === 'ENOENT' ? 'No such file or directory' : (error as Error).message}`
    )
  }
}

export const readScene = (name: string): Scene => {
  const text = sceneText(name)
  try {
    return check(sceneSchema, Bun.TOML.parse(text))
  } catch (error) {
    const { message } = error as Error
    throw error instanceof Problem || error instanceof SyntaxError
      ? new Refused(`softnet: ${name}: ${message}`)
      : error
  }
}

/** A line each. */
export const listScenes = (): string =>
  Object.keys(SCENES)
    .map((name) => `${name.padEnd(12)} ${readScene(name).title}\n`)
    .join('')
