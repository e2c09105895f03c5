/** Multicast addresses as `ip maddress` prints them. iproute2: ip/ipmaddr.c. */
import type { MaddrAddress, MaddrItem } from '../../core/control/text/messages.ts'

type Link = MaddrItem['links'][number]

const users = (count: number) => (count === 1 ? {} : { users: count })
const linkJson = ({ link, users: count, static: isStatic }: Link): object => ({
  link,
  ...users(count),
  ...(isStatic ? { features: 'static' } : {}),
})
const groupJson = ({ family, address, users: count }: MaddrAddress): object => ({
  family,
  address,
  ...users(count),
})
export const maddrJson = ({ ifindex, ifname, links, groups }: MaddrItem): object => ({
  ifindex,
  ifname,
  maddr: [...links.map(linkJson), ...groups.map(groupJson)],
})

const usersText = (count: number): string => (count === 1 ? '' : ` users ${count}`)
const linkText = ({ link, users: count, static: isStatic }: Link): string =>
  `link  ${link}${usersText(count)}${isStatic ? ' static' : ''}`
const groupText = ({ family, address, users: count }: MaddrAddress): string =>
  `${family.padEnd(5)} ${address}${usersText(count)}`
/** A line for the device and one for each address; or, `-o`, one line an address. */
export const maddrText = (
  { ifindex, ifname, links, groups }: MaddrItem,
  oneline: boolean
): string => {
  const lines = [...links.map(linkText), ...groups.map(groupText)]
  const head = `${ifindex}:\t${ifname}`
  return oneline
    ? lines.map((line) => `${head}\\\t${line}`).join('\n')
    : [head, ...lines.map((line) => `\t${line}`)].join('\n')
}
/** ip leaves out what has nothing. */
export const hasMaddrs = ({ links, groups }: MaddrItem): boolean => links.length + groups.length > 0
