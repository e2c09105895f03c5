/**
 * Sysctls of a configuration: those that are not what they are by default, or by another of them. Control thread.
 */
import { sysctlDefaults } from '../../sysctls.ts'
import type { ConfigStep, StackConfig } from '../messages.ts'
import { type Dump, change, drain } from './config-steps.ts'

/** The name of a device's own setting: the row of `default` has what it is when nobody sets it. */
const DEVICE_SETTING = /^(net\.ipv[46]\.(?:conf|neigh))\.(?!(?:all|default)\.)(.+)\.(\w+)$/
/** These are what another makes of them. */
const FOLLOWS: Readonly<Record<string, string>> = {
  'net.ipv4.conf.all.forwarding': 'net.ipv4.ip_forward',
  'net.ipv4.conf.default.forwarding': 'net.ipv4.ip_forward',
  'net.ipv6.conf.default.forwarding': 'net.ipv6.conf.all.forwarding',
}

/** The opposite of it. */
const ROUTER_LISTENS = 'net.ipv4.conf.all.accept_redirects'
/** Switches that turn others come before them. */
const TURNS_OTHERS = /(forward(ing)?|stable_secret)$/

export const createSysctlConfig = (dump: Dump) => {
  const all = (): Record<string, number | string> =>
    Object.fromEntries(drain(dump({ type: 'SYSCTL' })).map(({ name, value }) => [name, value]))
  /** IPv6's MTU of a device is the device's own. */
  const ownMtus = (): Map<string, number> =>
    new Map(
      drain(dump({ type: 'RTM_GETLINK' })).map(({ ifname, mtu }) => [
        `net.ipv6.conf.${ifname}.mtu`,
        mtu,
      ])
    )
  /** What is not the default. */
  const get = (): Record<string, number | string> => {
    const [defaults, now, mtus] = [sysctlDefaults(), all(), ownMtus()]
    const otherwise = (name: string): number | string | undefined =>
      now[FOLLOWS[name] ?? ''] ??
      (name === ROUTER_LISTENS ? 1 - Number(now['net.ipv4.ip_forward']) : undefined) ??
      defaults.get(name) ??
      mtus.get(name) ??
      now[name.replace(DEVICE_SETTING, '$1.default.$3')]
    return Object.fromEntries(
      Object.entries(now).filter(([name, value]) => otherwise(name) !== value)
    )
  }

  /** Those of a device come after it. */
  const steps = (
    wanted: NonNullable<StackConfig['sysctl']>
  ): { ofAll: ConfigStep[]; ofDevices: ConfigStep[] } => {
    const now = all()
    const set = Object.entries(wanted)
      .filter(([name, value]) => String(now[name]) !== String(value))
      .sort(([a], [b]) => Number(TURNS_OTHERS.test(b)) - Number(TURNS_OTHERS.test(a)))
    const stepsOf = (entries: typeof set): ConfigStep[] =>
      entries.map(([name, value]) =>
        change({ type: 'SYSCTL_SET', name, value }, `sysctl["${name}"]`)
      )
    return {
      ofAll: stepsOf(set.filter(([name]) => !DEVICE_SETTING.test(name))),
      ofDevices: stepsOf(set.filter(([name]) => DEVICE_SETTING.test(name))),
    }
  }

  return { all, get, steps }
}
