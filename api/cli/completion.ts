/**
 * `softnet completion bash|zsh|fish`: a script for a shell, made of the commands' own helps: the words of their usage, and
 * names of devices where one follows.
 */
import type { Cli, Commands } from './cli.ts'
import { UsageError } from './cli.ts'
import { helpOf } from './help.ts'

/** What stands in brackets, of a line that explains them; a usage's line all of it, but for what stands far to the right. */
const typedPart = (line: string): string => {
  if (/^Usage:|^ +softnet /.test(line)) return line.replace(/(\S) {3,}.*/, '$1')
  return /^ *([A-Z_]+ := *)?[[{].*[\]}]/.exec(line)?.[0] ?? ''
}

/** The words that one types, as a command's help has them: options, and what of its usage is in small letters. */
const typedWords = (help: string, words: number): string[] => {
  // -b[atch] may be typed in full
  const plain = help.replace(/"[^"]*"/g, ' ').replace(/(-\w+)\[(\w+)\]/g, '$1$2')
  const options = plain.match(/(?<![\w[-])--?[a-zA-Z0-9][\w-]*/g)
  const own = new RegExp(`softnet${' [\\w-]+'.repeat(words)}|(?<!\\w)-[\\w-]+|\\([^)]*\\)`, 'g')
  const usage = plain.split('\n').map(typedPart).join('\n').replace(own, ' ')
  const keywords = usage.match(/(?<![\w/.])[a-z][a-z0-9_-]+(?![\w/])/g)
  const found = [...(options ?? []), ...(keywords ?? [])]
  return [...new Set(found)].filter((word) => word !== 'help' && word !== 'where')
}

const OPTIONS = ['--api', '--token', '--netns', '--show-curl', '-j', '-V', '--help']

/** Each beginning of a line, and what may follow it. */
const follows = async (commands: Commands, cli: Cli): Promise<Map<string, string[]>> => {
  const found = new Map<string, string[]>([['', [...Object.keys(commands), ...OPTIONS]]])
  for (const [name, { objects }] of Object.entries(commands)) {
    const words = typedWords(await helpOf(name, undefined, commands, cli), 1)
    found.set(name, [...new Set([...(objects ?? []), ...words])])
    for (const object of objects ?? [])
      found.set(`${name} ${object}`, typedWords(await helpOf(name, object, commands, cli), 2))
  }
  for (const [line, words] of found) if (words.length === 0) found.delete(line)
  return found
}

const BEFORE_DEVICE = 'dev|iif|oif|link|-i|-x|-X|-l|-L|-k|-K|-g|-G|-S|-n|-N'
const DEVICES = "softnet ip -br link 2>/dev/null | cut -d' ' -f1 | cut -d@ -f1"

/** bash's function, which zsh runs as well: the first words that are no options say what follows. */
const shellScript = (found: Map<string, string[]>): string => {
  const cases = [...found].map(([line, words]) => `    '${line}') words='${words.join(' ')}' ;;`)
  return `_softnet() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" line='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    [ "\${#line}" -eq 0 ] && line="$word" && continue
    case "$line" in *' '*) ;; *) line="$line $word" ;; esac
  done
  case "$line" in
${cases.join('\n')}
    *) case "\${line%% *}" in
${[...found]
  .filter(([line]) => line !== '' && !line.includes(' '))
  .map(([line, words]) => `      '${line}') words='${words.join(' ')}' ;;`)
  .join('\n')}
    esac ;;
  esac
  case "$prev" in ${BEFORE_DEVICE}) words="$words $(${DEVICES})" ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _softnet softnet
`
}

const fishScript = (found: Map<string, string[]>): string =>
  [...found]
    .map(([line, words]) => {
      const [name = '', object] = line.split(' ')
      const when =
        name === ''
          ? '__fish_use_subcommand'
          : `__fish_seen_subcommand_from ${name}${object === undefined ? '' : `; and __fish_seen_subcommand_from ${object}`}`
      return `complete -c softnet -f -n '${when}' -a '${words.join(' ')}'`
    })
    .concat(
      `complete -c softnet -f -n 'string match -qr "^(${BEFORE_DEVICE})\\$" -- (commandline -opc)[-1]' -a "(${DEVICES})"`
    )
    .join('\n')
    .concat('\n')

export const completion = async (
  [shell]: readonly string[],
  cli: Cli,
  commands: Commands
): Promise<number> => {
  if (shell !== 'bash' && shell !== 'zsh' && shell !== 'fish')
    throw new UsageError('softnet completion: for bash, zsh or fish?')
  const found = await follows(commands, cli)
  if (shell === 'fish') cli.out(fishScript(found))
  else if (shell === 'bash') cli.out(shellScript(found))
  else cli.out(`autoload -U +X bashcompinit && bashcompinit\n${shellScript(found)}`)
  return 0
}
