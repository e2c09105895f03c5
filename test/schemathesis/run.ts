// Every operation of /openapi.json under schemathesis (PyPI), at a running daemon: npm run schemathesis -- [options of
// `schemathesis run`, as -n 100 --seed 7]. No answer is 500, each is of a status, a type and a shape that the document
// names, and afterwards the daemon is as ready as before. Runs itself again as root of fresh namespaces: what it makes
// up may name devices.

import { existsSync } from 'node:fs'
import { root } from '../../bin/bootstrap.mjs'
import { runInNewNamespace } from '../../workers/os/exec.ts'
import { startDaemon } from '../e2e/support/daemon.ts'
import { toolPath } from '../support/tools.ts'

const VERSION = '4.32.5'
const VENV = `${root}out/schemathesis-${VERSION}`
const API = '127.0.0.1:7799'
const TOKEN = 'schemathesis'
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
]
/** They end when their reader goes, which schemathesis does not. */
const STREAMS = '^/v1/(watch|capture|trace)$'
const CONFIG = `
[api]
token = "${TOKEN}"
[services]
echo = true
http = true
[[link]]
name = "veth1"
kind = "veth"
data = { peer = "veth0" }
[[link]]
name = "veth0"
addresses = ["10.1.0.254/24", "fd00:1::1/64"]
[[route]]
dst = "10.5.0.0/16"
dev = "veth0"
[[neigh]]
dev = "veth0"
dst = "10.1.0.5"
lladdr = "02:00:00:00:00:05"
`

const runOrFail = (argv: string[]): void => {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv, { stdin: 'ignore' })
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}:\n${stdout}${stderr}`)
}

const install = (): void => {
  if (existsSync(`${VENV}/bin/schemathesis`)) return
  console.log(`installing schemathesis ${VERSION} into ${VENV}`)
  runOrFail(['python3', '-m', 'venv', VENV])
  runOrFail([`${VENV}/bin/pip`, 'install', '--quiet', `schemathesis==${VERSION}`])
}

const main = async (args: string[]): Promise<number> => {
  runOrFail(['ip', 'link', 'set', 'lo', 'up'])
  const daemon = await startDaemon({ config: CONFIG, args: ['--api', API] })
  const argv = [`${VENV}/bin/schemathesis`, 'run', `http://${API}/openapi.json`]
  argv.push('--header', `Authorization: Bearer ${TOKEN}`, '--checks', CHECKS.join(','))
  argv.push('--exclude-path-regex', STREAMS, '--continue-on-failure', '--warnings', 'off', ...args)
  const child = Bun.spawn(argv, {
    cwd: daemon.folder,
    env: { ...process.env, SCHEMATHESIS_HOOKS: `${import.meta.dir}/hooks.py` },
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
  })
  const status = await child.exited
  const { status: ready, body } = await daemon.call('GET', '/readyz')
  const { status: ended, said } = await daemon.stop()
  const isWell = ready === 200 && ended === 0
  if (!isWell) console.error(`the daemon: ${ready} ${JSON.stringify(body)}, exit ${ended}\n${said}`)
  return isWell ? status : 1
}

const INSIDE = 'SOFTNET_SCHEMATHESIS_INSIDE'
const args = process.argv.slice(2)
if (process.env[INSIDE] === '1') process.exit(await main(args))
install()
const env = { ...process.env, PATH: toolPath(), [INSIDE]: '1' }
process.exit(await runInNewNamespace([process.execPath, import.meta.path, ...args], { env }))
