/** Configuration as TOML: what `softnet up -c` reads, written by smol-toml, since Bun only reads it. */
import { stringify } from 'smol-toml'
import type { StackConfig } from '../core/control/text/messages.ts'

/** Links by the name that one types; nothing that is not there. */
export const configToml = (config: StackConfig, others: object = {}): string => {
  const { link, ...rest } = config
  const links = link?.map(({ ifname, ...more }) => ({ name: ifname, ...more }))
  const whole = { ...others, ...(links && { link: links }), ...rest }
  return stringify(JSON.parse(JSON.stringify(whole)))
}
