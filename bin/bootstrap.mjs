// Gets a fresh clone to the point where Bun can run it, then runs it. Plain Node (>= 18), no
// dependencies, because it runs before there are any: `npm start`, `npm test`, `npx softnet` and the
// other scripts of package.json all come through here. Bun is the npm package `bun`, so a machine with
// only Node and npm has everything. Also works when Bun itself is the one running this file, and is
// imported by the tests' preload for `bun test` in a fresh clone.

import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { constants as os } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
// As a package it has been installed with what it needs, beside it or in it; a checkout installs that itself.
const beside = dirname(join(root, '.'))
const isPackage = basename(beside) === 'node_modules'
const modules = [join(root, 'node_modules'), ...(isPackage ? [beside] : [])]

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))

const installedVersion = (name) => {
  for (const folder of modules) {
    try {
      return readJson(join(folder, name, 'package.json')).version
    } catch {
      // in the next one, or nowhere
    }
  }
  return undefined
}

// Versions in package.json are exact, so "installed" is a comparison of strings.
const missingPackages = () => {
  const { dependencies, devDependencies } = readJson(join(root, 'package.json'))
  return Object.entries({ ...dependencies, ...(isPackage ? {} : devDependencies) })
    .filter(([name, version]) => installedVersion(name) !== version)
    .map(([name]) => name)
}

const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

const onPath = (name) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable)

// bun's own install script moves the platform's binary over a placeholder (a small shell script).
// When install scripts did not run, the binary is still in its @oven/bun-* package; which of those
// exist depends on system, CPU, libc and baseline, so each candidate is simply asked for its version.
const bunCandidates = () => {
  const found = modules.map((folder) => join(folder, 'bun', 'bin', 'bun.exe'))
  for (const oven of modules.map((folder) => join(folder, '@oven')).filter(existsSync)) {
    const names = readdirSync(oven).filter((name) => name.startsWith('bun-'))
    for (const name of names.sort()) found.push(join(oven, name, 'bin', 'bun'))
  }
  const isBinary = (path) => isExecutable(path) && statSync(path).size > 1024 * 1024
  return found.filter(isBinary)
}

const findBun = () => {
  const wanted = installedVersion('bun')
  const works = (path) =>
    spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout?.trim() === wanted
  return bunCandidates().find(works)
}

export const fail = (message) => {
  process.stderr.write(`softnet: ${message}\n`)
  process.exit(1)
}

const installPackages = () => {
  const npm = onPath('npm')
  // A machine with Bun and no npm reads the same lock file.
  const [command, args] = npm
    ? [npm, ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund']]
    : process.versions.bun
      ? [process.execPath, ['install', '--no-save', '--ignore-scripts']]
      : fail('npm is needed to install the dependencies, and is not on the PATH')
  const shown = `${npm ? 'npm ci' : 'bun install'} in ${root}`
  process.stderr.write(`softnet: installing dependencies (${shown}), once\n`)
  const startedMs = Date.now()
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, npm_config_loglevel: 'error' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (result.status !== 0) {
    process.stderr.write(result.stdout ?? '')
    process.stderr.write(result.stderr ?? '')
    fail(`${shown} failed (${result.error?.message ?? `exit status ${result.status}`})`)
  }
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1)
  process.stderr.write(`softnet: dependencies installed in ${seconds} s\n`)
}

/** Installs what package.json asks for, unless it is all there; true when it had to. */
export const ensureInstalled = () => {
  const needed = missingPackages()
  if (needed.length === 0) return false
  if (isPackage) fail(`not there: ${needed.join(', ')}; install softnet again`)
  installPackages()
  const missing = missingPackages()
  if (missing.length > 0) fail(`still missing after the installation: ${missing.join(', ')}`)
  return true
}

// `--ready-fd N` names a descriptor of our caller's; Node passes on only what it is told to.
const inheritedFds = (args) => {
  const fds = ['inherit', 'inherit', 'inherit']
  const at = args.findIndex((arg) => arg === '--ready-fd' || arg.startsWith('--ready-fd='))
  if (at < 0) return fds
  const fd = Number(args[at].split('=')[1] ?? args[at + 1])
  if (!Number.isInteger(fd) || fd < 3 || fd > 1023) return fds
  while (fds.length < fd) fds.push('ignore')
  fds[fd] = fd
  return fds
}

const processOf = (pid) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = stat.lastIndexOf(')')
    const name = stat.slice(stat.indexOf('(') + 1, end)
    return { name, parent: Number(stat.slice(end + 2).split(' ')[1]) }
  } catch {
    return undefined
  }
}

const SHELLS = ['sh', 'dash', 'bash', 'ash', 'busybox', 'zsh', 'ksh']

/** Our parent, and its when a shell stands between, if that is npm or npx: who started us, nearest first. */
const npmAncestors = () => {
  if (!process.env.npm_execpath) return []
  const parent = processOf(process.ppid)
  const isNpm = (its) => its !== undefined && /^np[mx]\b/.test(its.name)
  if (isNpm(parent)) return [process.ppid]
  const isBetween = SHELLS.includes(parent?.name) && isNpm(processOf(parent.parent))
  return isBetween ? [process.ppid, parent.parent] : []
}

const LOOK_MS = 250

/**
 * npm and npx do not pass every way of ending on: killed, they leave what they started to init. A process started by
 * them ends with them; one that a shell started does not, as usual.
 */
const whenNpmEnds = (end) => {
  const ancestors = npmAncestors()
  if (ancestors.length === 0) return
  const [parent, above] = ancestors
  const isThere = () =>
    process.ppid === parent && (above === undefined || processOf(parent)?.parent === above)
  const timer = setInterval(() => {
    if (isThere()) return
    clearInterval(timer)
    end()
  }, LOOK_MS)
}

/**
 * Runs a TypeScript entry of this checkout under its own Bun, in the caller's folder. The scripts of
 * package.json say `exec` so that a signal for npm reaches this process and not a shell before it.
 * `env` is what the entry gets besides our own environment.
 */
export const runBun = (entry, args, env = {}) => {
  ensureInstalled()
  const bun = findBun()
  if (!bun) {
    const platform = `${process.platform}-${process.arch}`
    fail(`no Bun in node_modules runs on this machine (${platform}); try: npm ci`)
  }
  const child = spawn(bun, [join(root, entry), ...args], {
    stdio: inheritedFds(args),
    env: { ...process.env, ...env },
  })
  whenNpmEnds(() => child.kill('SIGTERM'))
  // A terminal's Ctrl-C reaches the whole foreground group, the child included; passing it on
  // would deliver it twice.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
    process.on(signal, () => child.kill(signal))
  }
  child.on('error', (error) => fail(`cannot run ${bun}: ${error.message}`))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + os.signals[signal]))
}
