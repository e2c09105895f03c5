/**
 * Where modules lie that are named rather than imported: those of threads, and those that are programs of their own. In the
 * one-file executable (bin/build.ts) they lie in it, and a program is the executable again, told which. Any thread; cold.
 */
import { fileURLToPath } from 'node:url'

const INSIDE = 'file:///$bunfs/root/'
export const isOneFile = import.meta.url.startsWith(INSIDE)

/** Its address, by its path from the repository's root. */
export const moduleUrl = (path: string): string =>
  isOneFile ? INSIDE + path.replace(/\.ts$/, '.js') : new URL(`../${path}`, import.meta.url).href

/** What the executable's command line begins with when it is to be one of its other programs. */
export const PROGRAM = '--program'

/** The command line of a module that is a program; Bun's own options it has only where Bun is one. */
export const programArgv = (path: string, bunOptions: readonly string[] = []): string[] =>
  isOneFile
    ? [process.execPath, PROGRAM, path]
    : [process.execPath, ...bunOptions, fileURLToPath(moduleUrl(path))]
