/** Configuration as TOML: what `softnet up -c` reads, written by smol-toml, since Bun only reads it. */
import { stringify } from 'smol-toml'
import type { StackConfig } from '../core/control/text/messages.ts'

/** Links by the name that one types. */
const named = ({ link, ...rest }: StackConfig): object => {
  const links = link?.map(({ ifname, ...more }) => ({ name: ifname, ...more }))
  return { ...(links && { link: links }), ...rest }
}
/** Nothing that is not there; the namespaces at the end, since what is in them has the same names. */
export const configToml = ({ netns, ...config }: StackConfig, others: object = {}): string => {
  const nets = netns?.map(({ name, ...rest }) => ({ name, ...named(rest) }))
  const whole = { ...others, ...named(config), ...(nets && { netns: nets }) }
  return stringify(JSON.parse(JSON.stringify(whole)))
}
