/** `softnet man [COMMAND]`: manual pages in man(7)'s macros, made of the table of commands and of what each says of itself. */
import type { Cli, Commands } from './cli.ts'
import { UsageError } from './cli.ts'
import { USAGE, WHERE } from './usage.ts'
import { helpOf } from './help.ts'
import { VERSION } from './version.ts'

/** No line begins with a macro, and a hyphen is one that can be typed. */
const escapeRoff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')

/** Kept line by line. */
const asTyped = (text: string): string => `.nf\n${escapeRoff(text.trimEnd())}\n.fi\n`

const head = (page: string, does: string): string =>
  `.TH ${page.toUpperCase()} 1 "" "softnet ${VERSION}" "softnet"\n.SH NAME\n${escapeRoff(page)} \\- ${escapeRoff(does)}\n.SH SYNOPSIS\n`

const FILES = `.SH ENVIRONMENT
.TP
.B SOFTNET_API
where the daemon is: unix:PATH or HOST:PORT
.TP
.B SOFTNET_TOKEN
the bearer token for changes over TCP
.SH "EXIT STATUS"
0 done, 1 refused, 2 the command line makes no sense
`

const commandPage = async (name: string, commands: Commands, cli: Cli): Promise<string> => {
  const { does, objects = [] } = commands[name]!
  const own = (await helpOf(name, undefined, commands, cli)) || `softnet ${name} --help`
  const parts = await Promise.all(
    objects.map(async (object) => {
      const help = await helpOf(name, object, commands, cli)
      return `.SS ${escapeRoff(`${name} ${object}`)}\n${asTyped(help)}`
    })
  )
  const about = parts.length === 0 ? '' : `.SH OBJECTS\n${parts.join('')}`
  return `${head(`softnet-${name}`, does)}${asTyped(own)}${about}${FILES}.SH "SEE ALSO"\n.BR softnet (1)\n`
}

const wholePage = (commands: Commands): string => {
  const list = Object.entries(commands).map(
    ([name, { does }]) => `.TP\n.B ${escapeRoff(name)}\n${escapeRoff(does)}\n`
  )
  return `${head('softnet', 'a TCP/IP stack that runs as a router and host daemon')}${asTyped(USAGE)}.SH DESCRIPTION\n${escapeRoff(WHERE)}\n.SH COMMANDS\n${list.join('')}${FILES}`
}

export const man = async (
  [name]: readonly string[],
  cli: Cli,
  commands: Commands
): Promise<number> => {
  if (name !== undefined && !Object.hasOwn(commands, name))
    throw new UsageError(`softnet man: "${name}" is no command`)
  cli.out(name === undefined ? wholePage(commands) : await commandPage(name, commands, cli))
  return 0
}
