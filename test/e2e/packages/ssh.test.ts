// SSH by the package ssh2, which knows nothing of softnet: its client at an OpenSSH server of the kernel's side, and its
// server with OpenSSH's client.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { buffer } from 'node:stream/consumers'
import { Client, type ClientChannel, type SFTPWrapper, Server } from 'ssh2'
import { randomBytes, seeded } from '../../support/random.ts'
import { requireTool } from '../../support/tools.ts'
import {
  KERNEL,
  OURS,
  run,
  type Stack,
  spawn,
  startBesideKernel,
} from '../support/beside-kernel.ts'
import { untilBound } from '../support/commands.ts'
import { describeE2e } from '../support/inside.ts'

const PORT = 2222
const USER = 'softnet'
const UID = '1000'

describeE2e(import.meta.path, 'SSH by ssh2', () => {
  let stack: Stack
  let folder: string
  let server: ReturnType<typeof spawn>
  const path = (name: string): string => `${folder}/${name}`

  /** An OpenSSH server that needs no privilege and knows one user, in a file of ours over the machine's. */
  const startServer = async (): Promise<void> => {
    writeFileSync(
      path('passwd'),
      `root:x:0:0::/:/bin/sh\n${USER}:x:${UID}:${UID}::${folder}:/bin/sh\n`
    )
    await run('mount', '--make-rprivate', '/')
    await run('mount', '--bind', path('passwd'), '/etc/passwd')
    const config = [
      `ListenAddress ${KERNEL}:${PORT}`,
      `HostKey ${path('host')}`,
      `AuthorizedKeysFile ${path('user.pub')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'Subsystem sftp internal-sftp',
    ]
    writeFileSync(path('config'), `${config.join('\n')}\n`)
    const asUser = ['--user', `--map-user=${UID}`, `--map-group=${UID}`]
    server = spawn('unshare', [...asUser, requireTool('sshd'), '-D', '-e', '-f', path('config')])
    await untilBound(process, 'tcp', PORT)
  }
  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/softnet-ssh-`)
    chmodSync(folder, 0o755)
    for (const name of ['host', 'user'])
      await run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', path(name))
    stack = await startBesideKernel()
    await startServer()
  })
  afterAll(async () => {
    server?.kill()
    await stack?.close()
    rmSync(folder, { recursive: true })
  })

  const connect = async (): Promise<Client> => {
    const client = new Client()
    const ready = new Promise<void>((resolve, reject) => {
      client.once('ready', resolve)
      client.once('error', reject)
    })
    const sock = stack.net.connect({ port: PORT, host: KERNEL })
    client.connect({ sock, username: USER, privateKey: readFileSync(path('user')) })
    await ready
    return client
  }
  const ended = (client: Client): Promise<void> => {
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
    client.end()
    return closed
  }

  test('a command has its input, its output and its status', async () => {
    const client = await connect()
    const channel = await new Promise<ClientChannel>((resolve, reject) =>
      client.exec('tr a-z A-Z; id -un >&2; exit 7', (error, opened) =>
        error ? reject(error) : resolve(opened)
      )
    )
    const status = new Promise((resolve) => channel.once('exit', resolve))
    channel.end('hello\n'.repeat(100_000))
    const [out, err] = await Promise.all([buffer(channel), buffer(channel.stderr)])
    expect(String(out)).toBe('HELLO\n'.repeat(100_000))
    expect(String(err)).toBe(`${USER}\n`)
    expect(await status).toBe(7)
    await ended(client)
  })

  test('a file is put and fetched by SFTP', async () => {
    const client = await connect()
    const sftp = await new Promise<SFTPWrapper>((resolve, reject) =>
      client.sftp((error, opened) => (error ? reject(error) : resolve(opened)))
    )
    const bytes = Buffer.from(randomBytes(seeded(3), 4 << 20))
    const there = path('there')
    await new Promise<void>((resolve, reject) =>
      sftp.writeFile(there, bytes, (error) => (error ? reject(error) : resolve()))
    )
    const stream = sftp.createReadStream(there)
    const closed = new Promise((resolve) => stream.once('close', resolve))
    const again = await buffer(stream)
    await closed
    expect(again.equals(bytes)).toBe(true)
    await ended(client)
  })

  test('a server answers OpenSSH’s client', async () => {
    const ssh = new Server({ hostKeys: [readFileSync(path('host'))] }, (client) => {
      client.on('error', () => {})
      client.on('authentication', (asked) => asked.accept())
      client.on('session', (accept) =>
        accept().on('exec', (accepted, _reject, { command }) => {
          const channel = accepted()
          channel.write(`you said ${command}\n`)
          channel.exit(3)
          channel.end()
        })
      )
    })
    const listener = stack.net.createServer((socket) => ssh.injectSocket(socket))
    await new Promise<void>((resolve) => listener.listen(22, resolve))
    const strangers = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null']
    const { exited, out } = spawn('ssh', [
      '-i',
      path('user'),
      ...strangers,
      `${USER}@${OURS}`,
      'hello',
    ])
    expect([await exited, await out]).toEqual([3, 'you said hello\n'])
    await new Promise<void>((resolve) => listener.close(() => resolve()))
  })
})
