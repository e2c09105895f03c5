/**
 * The files of /proc/net that tell of multicast, byte for byte as the kernel's seq_files print them: net/core/net-procfs.c
 * (dev_mcast), net/ipv4/igmp.c (igmp, mcfilter), net/ipv6/mcast.c (igmp6, mcfilter6).
 */
import type { FamilyName, MaddrAddress, MaddrItem } from '../../core/control/text/messages.ts'
import { parseAddr } from '../../core/wire/text.ts'

/** Link layer entry is there; the group is none to report. */
const MAF_LOADED = 4
const MAF_NOREPORT = 8
const ALL_NODES = 'ff02::1'

const hex = (n: number, width = 8): string => (n >>> 0).toString(16).padStart(width, '0')
const wordsOf = (text: string): readonly number[] => parseAddr(text)?.words ?? [0, 0, 0, 0]
const v4 = (text: string): number => wordsOf(text)[3]!
/** As a machine of the other byte order has the word. */
const swapped = (n: number): number =>
  ((n & 255) << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)
const v6 = (text: string): string =>
  wordsOf(text)
    .map((word) => hex(word))
    .join('')
const ofFamily = ({ groups }: MaddrItem, family: FamilyName): MaddrAddress[] =>
  groups.filter((group) => group.family === family)
/** Ticks of 10 ms. */
const ticks = ({ report_ms }: MaddrAddress): number => Math.round((report_ms ?? 0) / 10)
const isTimed = ({ report_ms }: MaddrAddress): boolean => report_ms !== undefined

export const igmp = (maddrs: readonly MaddrItem[]): string => {
  let text = 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n'
  for (const item of maddrs) {
    const groups = ofFamily(item, 'inet')
    if (groups.length === 0) continue
    const version = Math.min(3, ...groups.map((group) => group.version || 3))
    text += `${item.ifindex}\t${item.ifname.padEnd(10)}: ${String(groups.length).padStart(5)} ${`V${version}`.padStart(7)}\n`
    for (const group of groups) {
      const address = hex(swapped(v4(group.address))).toUpperCase()
      const timer = `${isTimed(group) ? 1 : 0}:${hex(ticks(group)).toUpperCase()}`
      text += `\t\t\t\t${address} ${String(group.users).padStart(5)} ${timer}\t\t${group.reporter ? 1 : 0}\n`
    }
  }
  return text
}

const flags6 = (group: MaddrAddress): number => {
  const scope = (wordsOf(group.address)[0]! >>> 16) & 15
  const isSilent = scope < 2 || group.address === ALL_NODES
  return (
    (isTimed(group) ? 1 : 0) |
    (group.reporter ? 2 : 0) |
    (scope < 2 ? 0 : MAF_LOADED) |
    (isSilent ? MAF_NOREPORT : 0)
  )
}
export const igmp6 = (maddrs: readonly MaddrItem[]): string =>
  maddrs
    .flatMap((item) =>
      ofFamily(item, 'inet6').map((group) =>
        [
          String(item.ifindex).padEnd(4),
          item.ifname.padEnd(15),
          v6(group.address),
          String(group.users).padStart(5),
          hex(flags6(group)).toUpperCase(),
          `${ticks(group)}\n`,
        ].join(' ')
      )
    )
    .join('')

export const devMcast = (maddrs: readonly MaddrItem[]): string =>
  maddrs
    .flatMap(({ ifindex, ifname, links }) =>
      links.map(({ link, users, static: isStatic }) =>
        [
          String(ifindex).padEnd(4),
          ifname.padEnd(15),
          String(users).padEnd(5),
          (isStatic ? '1' : '0').padEnd(5),
          `${link.replaceAll(':', '')}\n`,
        ].join(' ')
      )
    )
    .join('')

const filterLines = (
  maddrs: readonly MaddrItem[],
  family: FamilyName,
  show: (address: string) => string
): string =>
  maddrs
    .flatMap((item) =>
      ofFamily(item, family).flatMap(({ address, sources = [] }) =>
        sources.map((source) =>
          [
            String(item.ifindex).padStart(3),
            item.ifname.slice(0, 6).padStart(6),
            show(address),
            show(source.address),
            String(source.included).padStart(6),
            `${String(source.excluded).padStart(6)}\n`,
          ].join(' ')
        )
      )
    )
    .join('')
export const mcfilter = (maddrs: readonly MaddrItem[]): string =>
  `Idx Device        MCA        SRC    INC    EXC\n${filterLines(maddrs, 'inet', (text) => `0x${hex(v4(text))}`)}`
export const mcfilter6 = (maddrs: readonly MaddrItem[]): string =>
  `Idx Device                Multicast Address                   Source Address    INC    EXC\n${filterLines(maddrs, 'inet6', v6)}`
