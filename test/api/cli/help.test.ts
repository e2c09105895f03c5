// What commands say of themselves, and what is made of it: every help is text and no error, completions know the words that
// each command takes, the manual's pages are well made.

import { describe, expect, test } from 'bun:test'
import { COMMANDS } from '../../../api/cli/commands.ts'
import { root } from '../../../bin/bootstrap.mjs'
import { createSoftnet } from '../support/softnet.ts'

const entries = Object.entries(COMMANDS)
const { cli } = createSoftnet()

const isHelp = ({ status, out, err }: Awaited<ReturnType<typeof cli>>, of: string): void => {
  expect([of, status, err]).toEqual([of, 0, ''])
  expect(out).toStartWith('Usage: softnet ')
  expect(out).toEndWith('\n')
}

describe('every help is text, and exit status 0', () => {
  const here = entries.filter(([, { isProgram }]) => !isProgram).map(([name]) => name)
  test.each(here)('%s --help, -h, help %s', async (name) => {
    isHelp(await cli(`${name} --help`), name)
    isHelp(await cli(`help ${name}`), name)
    if (name !== 'ip') isHelp(await cli(`${name} -h`), name)
  })
  const objects = entries.flatMap(([name, { objects = [] }]) =>
    objects.map((one) => `${name} ${one}`)
  )
  test.each(objects)('%s help, --help', async (line) => {
    isHelp(await cli(`${line} help`), line)
    isHelp(await cli(`${line} --help`), line)
  })
  test('help, and its list has every command', async () => {
    const { out } = await cli('help')
    for (const [name, { does }] of entries) {
      expect(out).toContain(`  ${name}`)
      expect(out).toContain(does)
    }
  })
  const programs = entries.filter(([, { isProgram }]) => isProgram).map(([name]) => name)
  test.each(programs)('%s --help, which is a program of its own', async (name) => {
    const child = Bun.spawn([process.execPath, `${root}/api/cli/main.ts`, name, '--help'], {
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [out, err] = [
      await new Response(child.stdout).text(),
      await new Response(child.stderr).text(),
    ]
    isHelp({ status: await child.exited, out, err }, name)
  })
})

test('-V says the version, as each tool does', async () => {
  for (const line of ['ip -V', 'ss -V', 'ethtool --version', 'nstat -V']) {
    const { status, out } = await cli(line)
    expect([line, status, out]).toEqual([line, 0, expect.stringMatching(/softnet \d+\.\d+/)])
  }
})

/** What bash offers behind a line. */
const offered = (script: string, line: string): string[] => {
  const words = line.split(' ')
  const { exitCode, stdout, stderr } = Bun.spawnSync([
    'bash',
    '-c',
    `${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
softnet() { [ "$*" = 'ip -br link' ] && printf 'lo  UNKNOWN\\nveth0@veth1  UP\\n'; }
_softnet; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ])
  expect([line, exitCode, stderr.toString()]).toEqual([line, 0, ''])
  return stdout.toString().trim().split('\n')
}

describe('completion', () => {
  test.each([
    ['softnet ', ['up', 'ip', 'ss', 'completion', '--api']],
    ['softnet d', ['demo', 'dropwatch']],
    ['softnet ip ', ['route', 'link', 'neighbour', '-batch', '-json']],
    ['softnet ip rule ', ['fwmark', 'sport', 'suppress_prefixlength']],
    ['softnet ip route ', ['add', 'replace', 'get', 'via', 'dev', 'table']],
    ['softnet -j ip -s route ad', ['add']],
    ['softnet ip route add 10.0.0.0/8 dev ', ['lo', 'veth0']],
    ['softnet ethtool -S ve', ['veth0']],
    ['softnet ss -', ['-t', '-i', '-K']],
    ['softnet up --', ['--workers', '--steering', '--state']],
    ['softnet config ', ['diff', 'load', 'save']],
  ])('bash offers behind "%s" %j', async (line, words) => {
    const { out } = await cli('completion bash')
    expect(offered(out, line)).toEqual(expect.arrayContaining(words))
  })

  test('nothing is offered that is no word of the command line', async () => {
    const { out } = await cli('completion bash')
    const words = [...out.matchAll(/words='([^']*)'/g)].flatMap(([, list]) =>
      list === '' ? [] : list!.split(' ')
    )
    expect(words.filter((word) => !/^-{0,2}[a-zA-Z0-9][\w.-]*$/.test(word))).toEqual([])
    for (const word of ['octets', 'the', 'of', 'usage', 'softnet', 'and', 'then', 'joined', 'by'])
      expect([word, words.includes(word)]).toEqual([word, false])
  })

  test('zsh and fish have theirs; another shell has none', async () => {
    expect((await cli('completion zsh')).out).toContain('bashcompinit')
    expect((await cli('completion fish')).out).toContain(
      "complete -c softnet -f -n '__fish_seen_subcommand_from ip; and __fish_seen_subcommand_from route'"
    )
    expect(await cli('completion csh')).toMatchObject({ status: 2 })
  })
})

test.each(['', ...entries.map(([name]) => name)])(
  'the manual page of "%s" is well made',
  async (name) => {
    const { status, out } = await cli(`man ${name}`)
    expect(status).toBe(0)
    const macros = out.split('\n').filter((line) => /^[.']/.test(line))
    for (const macro of macros) expect(macro).toMatch(/^\.(TH|SH|SS|TP|B|BR|nf|fi)( |$)/)
    expect(out).toStartWith(`.TH SOFTNET${name === '' ? '' : `-${name.toUpperCase()}`} 1 `)
    for (const section of ['NAME', 'SYNOPSIS']) expect(out).toContain(`.SH ${section}\n`)
    // a hyphen that is not escaped cannot be typed from the page
    const text = out.split('\n').filter((line) => !line.startsWith('.TH'))
    expect(text.filter((line) => /(?<!\\)-/.test(line.replace(/^\.SH .*/, '')))).toEqual([])
  }
)
