// Socket options by the names that cases have for them.

type Option = { level: number; number: number }
const [SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_IPV6] = [1, 0, 6, 41]
const of = (level: number, number: number): Option => ({ level, number })

const OPTIONS: Record<string, Option> = {
  SO_REUSEADDR: of(SOL_SOCKET, 2),
  SO_ERROR: of(SOL_SOCKET, 4),
  SO_SNDBUF: of(SOL_SOCKET, 7),
  SO_RCVBUF: of(SOL_SOCKET, 8),
  SO_KEEPALIVE: of(SOL_SOCKET, 9),
  SO_OOBINLINE: of(SOL_SOCKET, 10),
  SO_LINGER: of(SOL_SOCKET, 13),
  SO_RCVLOWAT: of(SOL_SOCKET, 18),
  TCP_NODELAY: of(IPPROTO_TCP, 1),
  TCP_MAXSEG: of(IPPROTO_TCP, 2),
  TCP_CORK: of(IPPROTO_TCP, 3),
  TCP_KEEPIDLE: of(IPPROTO_TCP, 4),
  TCP_KEEPINTVL: of(IPPROTO_TCP, 5),
  TCP_KEEPCNT: of(IPPROTO_TCP, 6),
  TCP_SYNCNT: of(IPPROTO_TCP, 7),
  TCP_LINGER2: of(IPPROTO_TCP, 8),
  TCP_DEFER_ACCEPT: of(IPPROTO_TCP, 9),
  TCP_WINDOW_CLAMP: of(IPPROTO_TCP, 10),
  TCP_QUICKACK: of(IPPROTO_TCP, 12),
  TCP_USER_TIMEOUT: of(IPPROTO_TCP, 18),
  TCP_NOTSENT_LOWAT: of(IPPROTO_TCP, 25),
}
/** Of each family its own. */
const BY_FAMILY: Record<string, { ipv4: Option; ipv6: Option }> = {
  TOS: { ipv4: of(IPPROTO_IP, 1), ipv6: of(IPPROTO_IPV6, 67) },
  TTL: { ipv4: of(IPPROTO_IP, 2), ipv6: of(IPPROTO_IPV6, 16) },
  MTU_DISCOVER: { ipv4: of(IPPROTO_IP, 10), ipv6: of(IPPROTO_IPV6, 23) },
  RECVERR: { ipv4: of(IPPROTO_IP, 11), ipv6: of(IPPROTO_IPV6, 25) },
  MINTTL: { ipv4: of(IPPROTO_IP, 21), ipv6: of(IPPROTO_IPV6, 73) },
}

export const OPTION_NAMES = [...Object.keys(OPTIONS), ...Object.keys(BY_FAMILY)]
export const optionOf = (family: 'ipv4' | 'ipv6', name: string): Option => {
  const found = OPTIONS[name] ?? BY_FAMILY[name]?.[family]
  if (found === undefined) throw new Error(`the option ${name}`)
  return found
}
