// The programs of the Linux world that the e2e tests use as peers, with the Debian package of each.
// test/run.ts installs what is missing when it may; an e2e test asks requireTool() and never skips.

import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter } from 'node:path'

const PACKAGE_OF = {
  arping: 'iputils-arping',
  chromium: 'chromium',
  curl: 'curl',
  dnsmasq: 'dnsmasq-base',
  ethtool: 'ethtool',
  ip: 'iproute2',
  iperf3: 'iperf3',
  mount: 'mount',
  mtr: 'mtr-tiny',
  ndisc6: 'ndisc6',
  ping: 'iputils-ping',
  radvd: 'radvd',
  rdisc6: 'ndisc6',
  'redis-server': 'redis-server',

  socat: 'socat',
  ss: 'iproute2',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  sshd: 'openssh-server',
  tcpdump: 'tcpdump',
  tracepath: 'iputils-tracepath',
  traceroute: 'traceroute',
  tshark: 'tshark',
  unshare: 'util-linux',
} as const

export type Tool = keyof typeof PACKAGE_OF

/** PATH with the folders that Debian keeps from ordinary users, where ip and ethtool live. */
export const toolPath = (): string =>
  [process.env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter)

export const findTool = (tool: Tool): string | null => Bun.which(tool, { PATH: toolPath() })

export const requireTool = (tool: Tool): string => {
  const path = findTool(tool)
  if (path === null) throw new Error(`${tool} is needed: apt-get install ${PACKAGE_OF[tool]}`)
  return path
}

export const missingTools = (): Tool[] =>
  (Object.keys(PACKAGE_OF) as Tool[]).filter((tool) => findTool(tool) === null)

const aptGet = (args: string[]): string | null => {
  const { exitCode, stdout, stderr } = Bun.spawnSync(['apt-get', '-qq', ...args], {
    env: { ...process.env, PATH: toolPath(), DEBIAN_FRONTEND: 'noninteractive' },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  return exitCode === 0 ? null : `apt-get ${args.join(' ')} failed:\n${stdout}${stderr}`
}

const POLICY = '/usr/sbin/policy-rc.d'
/** Does `work` while no service that is installed may start: the tests start their own (Debian's invoke-rc.d). */
const withoutServices = <T>(work: () => T): T => {
  if (existsSync(POLICY)) return work()
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return work()
  } finally {
    rmSync(POLICY)
  }
}

/** Installs the missing tools where that is possible; null when all are there, else what to do. */
export const ensureTools = (): string | null => {
  const missing = missingTools()
  if (missing.length === 0) return null
  const packages = missing.map((tool) => PACKAGE_OF[tool])
  const what = `missing: ${missing.join(', ')} (apt-get install ${packages.join(' ')})`
  if (process.getuid?.() !== 0) return `${what}; only root can install them`
  if (!Bun.which('apt-get', { PATH: toolPath() })) return `${what}; no apt-get here to install them`
  console.log(`installing ${packages.join(' ')}`)
  // An index that does not refresh may still know the packages: only the installation decides.
  const updateError = aptGet(['update'])
  const install = ['install', '-y', '--no-install-recommends', ...packages]
  const installError = withoutServices(() => aptGet(install))
  const still = missingTools()
  if (still.length === 0) return null
  return [`missing: ${still.join(', ')}`, updateError, installError].filter(Boolean).join('\n')
}
