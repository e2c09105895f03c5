// A case of TCP's twin test: socket calls, segments of the peer, ICMP errors and waiting, in order, after the settings of
// the world that it happens in. Written as one line of text, so that a failure can be played again: steps apart by ";".
// Numbers of sequence are relative to the first ones of their side, so they mean the same to the kernel and to softnet.

/** A segment of the peer. `ack`, `sack` and the echo of a time stamp count from what the host under test has sent. */
export type Segment = {
  flags: string
  seq: number
  len: number
  ack: number
  win: number
  urg: number
  /** In their order, each as text: `mss 1460`, `ts 100 0`. */
  options: readonly string[]
  tos: number
  ttl: number
  /** The header's length as it says, or 0 for the true one; what is added to the checksum; octets that the end lacks. */
  doff: number
  sum: number
  cut: number
}
/** An error about a segment that the host under test has sent with this sequence number; so much of its header is quoted. */
export type IcmpError = { type: number; code: number; info: number; seq: number; quote: number }
/** A datagram of the peer, of so many octets: ports counted from the case's, and what is added to the length that it says. */
export type Datagram = {
  len: number
  from: number
  to: number
  sum: 'good' | 'bad' | 'none'
  size: number
}
export type Step =
  | { do: 'call'; slot: number; name: string; args: readonly string[] }
  | { do: 'segment'; segment: Segment }
  | { do: 'icmp'; error: IcmpError }
  | { do: 'datagram'; datagram: Datagram }
  | { do: 'wait'; ms: number }

export type World = { family: 'ipv4' | 'ipv6'; sysctls: readonly string[] }
/** `isn` is the peer's. */
export type Case = { world: World; isn: number; steps: readonly Step[] }

export const FLAGS: readonly (readonly [letter: string, bit: number])[] = [
  ['S', 0x02],
  ['F', 0x01],
  ['R', 0x04],
  ['P', 0x08],
  ['.', 0x10],
  ['U', 0x20],
  ['E', 0x40],
  ['W', 0x80],
]
export const flagBits = (flags: string): number =>
  FLAGS.reduce((bits, [letter, bit]) => (flags.includes(letter) ? bits | bit : bits), 0)
export const flagText = (bits: number): string =>
  FLAGS.map(([letter, bit]) => ((bits & bit) !== 0 ? letter : '')).join('') || '-'

export const PLAIN: Segment = {
  flags: '.',
  seq: 1,
  len: 0,
  ack: 0,
  win: 65535,
  urg: 0,
  options: [],
  tos: 0,
  ttl: 64,
  doff: 0,
  sum: 0,
  cut: 0,
}
/** The numbers of a segment that are written only where they are others than PLAIN's. */
const NUMBERS = ['len', 'ack', 'win', 'urg', 'tos', 'ttl', 'doff', 'sum', 'cut'] as const

const encodeSegment = (segment: Segment): string => {
  const words = [`< ${segment.flags} ${segment.seq}`]
  for (const name of NUMBERS)
    if (segment[name] !== PLAIN[name]) words.push(`${name} ${segment[name]}`)
  if (segment.options.length > 0) words.push(`[${segment.options.join(', ')}]`)
  return words.join(' ')
}
const encodeError = ({ type, code, info, seq, quote }: IcmpError): string =>
  `< icmp ${type} ${code} ${info} seq ${seq} quote ${quote}`
const encodeDatagram = ({ len, from, to, sum, size }: Datagram): string =>
  `< udp ${len} from ${from} to ${to} sum ${sum} size ${size}`
export const encodeStep = (step: Step): string => {
  switch (step.do) {
    case 'call':
      return [`${step.slot}`, step.name, ...step.args].join(' ')
    case 'segment':
      return encodeSegment(step.segment)
    case 'icmp':
      return encodeError(step.error)
    case 'datagram':
      return encodeDatagram(step.datagram)
    case 'wait':
      return `wait ${step.ms}`
  }
}
export const encodeCase = ({ world, isn, steps }: Case): string =>
  [`${world.family} isn ${isn}`, ...world.sysctls, ...steps.map(encodeStep)].join('; ')

const decodeSegment = (text: string): Step => {
  const [, head = '', options = ''] = /^< ([^[]*)(?:\[(.*)\])?$/.exec(text) ?? []
  const [flags = '.', seq = '0', ...words] = head.trim().split(/\s+/)
  const segment = { ...PLAIN, flags, seq: Number(seq) }
  for (let k = 0; k + 1 < words.length; k += 2)
    Object.assign(segment, { [words[k]!]: Number(words[k + 1]) })
  const list = options.split(',').map((option) => option.trim())
  return { do: 'segment', segment: { ...segment, options: list.filter((one) => one !== '') } }
}
const decodeDatagram = (words: readonly string[]): Step => {
  const [len, , from, , to, , sum, , size] = words
  if (sum !== 'good' && sum !== 'bad' && sum !== 'none') throw new Error(`the checksum ${sum}`)
  return {
    do: 'datagram',
    datagram: { len: Number(len), from: Number(from), to: Number(to), sum, size: Number(size) },
  }
}
const decodeError = (words: readonly string[]): Step => {
  const [type, code, info, , seq, , quote] = words.map(Number)
  return { do: 'icmp', error: { type: type!, code: code!, info: info!, seq: seq!, quote: quote! } }
}
const decodeStep = (text: string): Step => {
  const words = text.split(/\s+/)
  if (words[0] === 'wait') return { do: 'wait', ms: Number(words[1]) }
  if (words[0] !== '<') {
    const [slot, name = '', ...args] = words
    return { do: 'call', slot: Number(slot), name, args }
  }
  if (words[1] === 'udp') return decodeDatagram(words.slice(2))
  return words[1] === 'icmp' ? decodeError(words.slice(2)) : decodeSegment(text)
}
export const decodeCase = (text: string): Case => {
  const [head = '', ...parts] = text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  const [family, , isn] = head.split(' ')
  if (family !== 'ipv4' && family !== 'ipv6')
    throw new Error(`a case begins with its family: ${head}`)
  const isSysctl = (part: string): boolean => /^[\w.]+=/.test(part)
  return {
    world: { family, sysctls: parts.filter(isSysctl) },
    isn: Number(isn),
    steps: parts.filter((part) => !isSysctl(part)).map(decodeStep),
  }
}
