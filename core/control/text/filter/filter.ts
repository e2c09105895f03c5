/**
 * Filter expressions (pcap-filter(7)) become programs of classic BPF. What is read: host, net, port, portrange, proto with
 * their directions and protocols; ether host, ether proto; broadcast and multicast; vlan; less, greater; inbound, outbound;
 * arithmetic on octets of headers; and, or, not, parentheses. Names of hosts are not looked up.
 */
import { parseMac, parsePrefix } from '../../../wire/text.ts'
import type { Prefix } from '../../../wire/text.ts'
import { ETH_P_ARP, ETH_P_IP, ETH_P_IPV6 } from '../../../wire/ethernet.ts'
import { BPF_JGE, BPF_JGT, BPF_LD, BPF_LEN } from '../../../bpf/bpf-constants.ts'
import { createArithmetic } from './arithmetic.ts'
import { and, type Condition, not, or, programOf, test } from './condition.ts'
import { FilterError } from './lex.ts'
import { IP_PROTOCOLS, MORE_PROTOCOLS, SERVICES } from './names.ts'
import {
  anyProto,
  type Direction,
  ETH_P_RARP,
  etherBroadcast,
  etherHost,
  etherMulticast,
  etherProto,
  IPV4_AND_ARP,
  ipv4Multicast,
  ipv4Net,
  ipv4Proto,
  ipv6Multicast,
  ipv6Net,
  ipv6Proto,
  isOutbound,
  portRange,
  vlanTag,
} from './primitives.ts'
import { createWords } from './words.ts'

const ETHER_HLEN = 14
const TAG_LEN = 4
const ETHERTYPES: Readonly<Record<string, number>> = {
  ip: ETH_P_IP,
  ip6: ETH_P_IPV6,
  arp: ETH_P_ARP,
  rarp: ETH_P_RARP,
}
const TYPES = ['host', 'net', 'port', 'portrange', 'proto'] as const
type Type = (typeof TYPES)[number]
/** What stands in front of a value; one that is left out is said by the primitive before. */
type Qualifiers = { proto: string | null; direction: Direction; type: Type }

const isProto = (word: string): boolean =>
  word === 'ether' || Object.hasOwn(ETHERTYPES, word) || Object.hasOwn(IP_PROTOCOLS, word)
const numberOf = (word: string): number => {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(word)) throw new FilterError(`"${word}" is not a number`)
  return Number(word)
}

const parse = (text: string): Condition => {
  const words = createWords(text)
  let link = ETHER_HLEN
  let last: Qualifiers = { proto: null, direction: 'either', type: 'host' }
  const { relation } = createArithmetic(words, () => link)

  // ---- values

  const port = (word: string): number => {
    const value = SERVICES[word] ?? numberOf(word)
    if (value > 65535) throw new FilterError(`illegal port number ${value} > 65535`)
    return value
  }
  const ports = (word: string): [number, number] => {
    const [from, to = from] = word.split('-')
    const range: [number, number] = [port(from!), port(to!)]
    return range[0] <= range[1] ? range : [range[1], range[0]]
  }
  const host = (word: string): Prefix => {
    const found = word.includes('/') ? null : parsePrefix(word)
    if (found === null) throw new FilterError(`unknown host '${word}'`)
    return found
  }
  /** `10.1`, `10.1.0.0/16`, `10.1.0.0 mask 255.255.0.0`, `2001:db8::/32`. */
  const net = (word: string): Prefix => {
    const isShort = /^\d+(\.\d+){0,2}$/.test(word)
    const parts = word.split('.')
    const whole = isShort ? [...parts, '0', '0', '0'].slice(0, 4).join('.') : word
    const slash = words.take('/') ? `/${words.next()}` : ''
    const prefix = parsePrefix(
      isShort && slash === '' ? `${whole}/${8 * parts.length}` : `${whole}${slash}`
    )
    if (prefix === null) throw new FilterError(`unknown network '${word}${slash}'`)
    const prefixlen = words.take('mask') ? maskLen(words.next()) : prefix.prefixlen
    for (const [k, value] of prefix.words.entries()) {
      const bits = (prefix.family === 4 ? prefixlen + 96 : prefixlen) - 32 * k
      const host = bits >= 32 ? 0 : bits <= 0 ? -1 : 0xffffffff >>> bits
      if ((value & host) !== 0 && !(prefix.family === 4 && k < 3))
        throw new FilterError(`non-network bits set in "${word}${slash}"`)
    }
    return { ...prefix, prefixlen }
  }
  const maskLen = (word: string): number => {
    const mask = parsePrefix(word)?.words[3]
    const bits = mask === undefined ? -1 : Math.clz32(~mask)
    if (mask === undefined || (bits < 32 && mask << bits !== 0))
      throw new FilterError(`"${word}" is no mask`)
    return bits
  }
  const protocol = (word: string): number => {
    const name = word.replace(/^\\/, '')
    return IP_PROTOCOLS[name] ?? MORE_PROTOCOLS[name] ?? numberOf(name)
  }

  // ---- primitives

  const network = (prefix: Prefix, { proto, direction }: Qualifiers): Condition => {
    if (prefix.family === 6) {
      if (proto !== null && proto !== 'ip6')
        throw new FilterError(`'${proto}' modifier applied to ip6 host`)
      return ipv6Net(link, prefix, direction)
    }
    const types = proto === null ? IPV4_AND_ARP : [ETHERTYPES[proto]]
    if (proto === 'ip6' || types[0] === undefined)
      throw new FilterError(`'${proto}' modifier applied to host`)
    return ipv4Net(link, prefix, direction, types as number[])
  }
  const ofPorts = ([from, to]: [number, number], { proto, direction }: Qualifiers): Condition => {
    if (proto !== null && !['tcp', 'udp', 'sctp'].includes(proto))
      throw new FilterError("illegal qualifier of 'port'")
    return portRange(link, proto === null ? null : IP_PROTOCOLS[proto], direction, from, to)
  }
  const ofProto = (word: string, proto: string | null): Condition => {
    switch (proto) {
      case 'ether': {
        const name = word.replace(/^\\/, '')
        return etherProto(link, ETHERTYPES[name] ?? numberOf(name))
      }
      case 'ip':
        return ipv4Proto(link, protocol(word))
      case 'ip6':
        return ipv6Proto(link, protocol(word))
      case null:
        return anyProto(link, protocol(word))
    }
    throw new FilterError("illegal qualifier of 'proto'")
  }
  const value = (qualifiers: Qualifiers): Condition => {
    const { proto, type } = qualifiers
    const word = words.next()
    if (type === 'proto') return ofProto(word, proto)
    if (type === 'port' || type === 'portrange') return ofPorts(ports(word), qualifiers)
    if (type === 'net') return network(net(word), qualifiers)
    if (proto !== 'ether') return network(host(word), qualifiers)
    const mac = parseMac(word)
    if (mac === null) throw new FilterError(`"${word}" is no Ethernet address`)
    return etherHost(mac, qualifiers.direction)
  }
  /** A protocol alone. */
  const protocolAlone = (proto: string): Condition => {
    if (Object.hasOwn(ETHERTYPES, proto)) return etherProto(link, ETHERTYPES[proto])
    const number = IP_PROTOCOLS[proto]
    if (number === undefined) throw new FilterError(`syntax error at "${proto}"`)
    if (proto === 'icmp6') return ipv6Proto(link, number)
    const isOfBoth = !['icmp', 'igmp', 'igrp', 'vrrp'].includes(proto)
    return isOfBoth ? anyProto(link, number) : ipv4Proto(link, number)
  }
  const cast = (proto: string | null): Condition | null => {
    const isBroadcast = words.take('broadcast')
    if (!isBroadcast && !words.take('multicast')) return null
    if (proto === null || proto === 'ether')
      return isBroadcast ? etherBroadcast() : etherMulticast()
    if (isBroadcast) throw new FilterError("netmask not known, so 'ip broadcast' not supported")
    if (proto === 'ip') return ipv4Multicast(link)
    if (proto === 'ip6') return ipv6Multicast(link)
    throw new FilterError(`'${proto} multicast' is nothing`)
  }
  const direction = (): Direction | null => {
    const first = words.peek()
    if (first !== 'src' && first !== 'dst') return null
    words.next()
    const [joint, other] = [words.peek(), words.peek(1)]
    const isPair = (joint === 'or' || joint === 'and') && ['src', 'dst'].includes(other)
    if (!isPair || other === first) return first
    words.next()
    words.next()
    return joint === 'and' ? 'both' : 'either'
  }
  const vlan = (): Condition => {
    const vid = /^\d+$/.test(words.peek()) ? numberOf(words.next()) : null
    const is = vlanTag(link, vid)
    link += TAG_LEN
    return is
  }
  /** One without a value of its own, by its first word. */
  const special = (): Condition | null => {
    if (words.take('vlan')) return vlan()
    if (words.take('inbound')) return not(isOutbound())
    if (words.take('outbound')) return isOutbound()
    const length = [[BPF_LD | BPF_LEN, 0]] as const
    if (words.take('less')) return not(test(length, BPF_JGT, numberOf(words.next())))
    if (words.take('greater')) return test(length, BPF_JGE, numberOf(words.next()))
    return null
  }
  const primitive = (): Condition => {
    const alone = special()
    if (alone !== null) return alone
    const proto = isProto(words.peek()) && words.peek() !== 'proto' ? words.next() : null
    const many = cast(proto)
    if (many !== null) return many
    const way = direction()
    const type = TYPES.find((one) => words.take(one)) ?? null
    if (proto === null && way === null && type === null) return inherited()
    if (proto !== null && way === null && type === null && !isValue()) return protocolAlone(proto)
    last = { proto, direction: way ?? 'either', type: type ?? 'host' }
    return values(last)
  }
  const isValue = (): boolean =>
    /^[0-9a-f:.]+(\/\d+)?$/i.test(words.peek()) && !isProto(words.peek())
  /** A value alone is asked as the one before was. */
  const inherited = (): Condition => {
    if (words.isEmpty() || !/^[\w\\:]/.test(words.peek()))
      throw new FilterError(words.isEmpty() ? 'syntax error' : `syntax error at "${words.peek()}"`)
    return values(last)
  }
  /** One value, or several in parentheses. */
  const values = (qualifiers: Qualifiers): Condition => {
    if (!words.take('(')) return value(qualifiers)
    const inner = chain(() =>
      words.take('not', '!') ? not(values(qualifiers)) : values(qualifiers)
    )
    words.expect(')')
    return inner
  }

  // ---- and, or, not: the first two bind alike, from the left

  const chain = (one: () => Condition): Condition => {
    let left = one()
    for (;;) {
      if (words.take('and', '&&')) left = and(left, one())
      else if (words.take('or', '||')) left = or(left, one())
      else return left
    }
  }
  const term = (): Condition => {
    if (words.take('not', '!')) return not(term())
    const compared = words.attempt(relation)
    if (compared !== null) return compared
    if (!words.take('(')) return primitive()
    const inner = chain(term)
    words.expect(')')
    return inner
  }
  const whole = chain(term)
  if (!words.isEmpty()) throw new FilterError(`syntax error at "${words.peek()}"`)
  return whole
}

/** The program, or what is wrong with the expression. An empty one takes everything. */
export const compileFilter = (text: string): Int32Array | string => {
  try {
    return programOf(text.trim() === '' ? null : parse(text))
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    return error.message
  }
}
