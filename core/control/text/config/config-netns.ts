/**
 * [[netns]] of a configuration: which namespaces there are, and in each a configuration like the whole's. They are made before the
 * links, whose pairs may lead there, and filled behind all else. Control thread.
 */
import { NLM_F_CREATE, NLM_F_EXCL } from '../../nlm-flags.ts'
import type { Outcome } from '../codecs.ts'
import type { ConfigStep, Message, NetnsConfig, Reply, StackConfig } from '../messages.ts'
import { isRefused } from '../names.ts'

/** A device that is to leave its net, and what it is joined to. */
export type Leaving = {
  readonly address: string
  readonly mtu: number
  readonly peer: { readonly name: string; readonly netns: string }
}

/** The other nets, as they are spoken to in words. */
export type OtherNets = {
  /** Those that requests have made, with what is in them at one moment. */
  configs: (isWhole: boolean) => Promise<NetnsConfig[]>
  request: (name: string, message: Message) => Promise<Reply>
  /**
   * A device of one of them becomes one of ours, which `make` makes: as soon as it is there the other is gone. null: it is not there,
   * or stays where it is.
   */
  bring: (
    name: string,
    ifname: string,
    make: (leaving: Leaving) => Promise<Outcome>
  ) => Promise<Outcome | null>
}
export type NetnsSteps = { gone: ConfigStep[]; come: ConfigStep[]; inside: ConfigStep[] }

export const NO_STEPS: NetnsSteps = { gone: [], come: [], inside: [] }

export const createNetnsConfig = (nets: OtherNets | undefined) => {
  const get = async (isWhole: boolean): Promise<Pick<StackConfig, 'netns'>> => {
    const netns = (await nets?.configs(isWhole)) ?? []
    return netns.length === 0 ? {} : { netns }
  }
  /** Is it so already? What one does not know yet is not. */
  const isSo = async ({ name, ...config }: NetnsConfig): Promise<boolean> => {
    const reply = await nets!.request(name, { type: 'CONFIG_SET', config, dry_run: true })
    return !isRefused(reply) && ((reply as { item: ConfigStep[] }).item ?? []).length === 0
  }
  const steps = async (wanted: readonly NetnsConfig[]): Promise<NetnsSteps> => {
    const now = new Set(((await nets?.configs(false)) ?? []).map(({ name }) => name))
    const then = new Set(wanted.map(({ name }) => name))
    const come: ConfigStep[] = []
    const inside: ConfigStep[] = []
    for (const [k, one] of wanted.entries()) {
      const { name, ...config } = one
      const at = `netns[${k}]`
      const flags = NLM_F_CREATE | NLM_F_EXCL
      if (!now.has(name)) come.push({ op: 'add', at, message: { type: 'NETNS_NEW', flags, name } })
      const isFilled = now.has(name) ? await isSo(one) : Object.keys(config).length === 0
      const message: Message = { type: 'NETNS', name, message: { type: 'CONFIG_SET', config } }
      if (!isFilled) inside.push({ op: 'change', at, message })
    }
    const gone = [...now]
      .filter((name) => !then.has(name))
      .map((name): ConfigStep => ({ op: 'del', message: { type: 'NETNS_DEL', name } }))
    return { gone, come, inside }
  }
  return { get, steps }
}
