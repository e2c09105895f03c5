// The calls of socketcall(2) as a table's rows make them: descriptors have names, addresses are text, an answer is a count, an
// address or -errno.

export type Answer = number | string
/** A control message: level, type, and its octets in hexadecimal. */
export type Control = readonly [level: number, type: number, octets: string]
/** What a side does for a row; every file is non-blocking. */
/** At once, or by a promise. */
type Answered = Answer | Promise<Answer>
export type Calls = {
  socket: (file: string, family: number, type: number, protocol: number) => Answered
  socketpair: (family: number, type: number, protocol: number) => Answered
  bind: (file: string, address: string, port: number) => Answered
  /** `flowinfo` is sin6_flowinfo. */
  connect: (file: string, address: string, port: number, flowinfo?: number) => Answered
  listen: (file: string, backlog: number) => Answered
  accept: (file: string, child: string) => Answered
  getsockname: (file: string) => Answered
  getpeername: (file: string) => Answered
  send: (file: string, length: number, flags?: number) => Answered
  recv: (file: string, length: number, flags?: number) => Answered
  sendto: (
    file: string,
    length: number,
    address: string,
    port: number,
    flags?: number,
    flowinfo?: number
  ) => Answered
  /** The count, and who it is from. */
  recvfrom: (file: string, length: number, flags?: number) => Answered
  sendmsg: (file: string, length: number, flags?: number) => Answered
  /** sendmsg to an address with control messages. */
  sendcmsg: (
    file: string,
    length: number,
    address: string,
    port: number,
    ...control: Control[]
  ) => Answered
  recvmsg: (file: string, length: number, flags?: number) => Answered
  /** recvmsg with all that it answers: the count, flags, whom it is from, and control messages. */
  recvcmsg: (file: string, length: number, flags?: number) => Answered
  shutdown: (file: string, how: number) => Answered
  setsockopt: (file: string, level: number, name: number, value: number) => Answered
  getsockopt: (file: string, level: number, name: number) => Answered
  /** Both of an option whose value is no number: octets in hexadecimal. */
  setbytes: (file: string, level: number, name: number, octets: string) => Answered
  getbytes: (file: string, level: number, name: number) => Answered
  /** getsockopt of an option whose value is control messages. */
  getcmsg: (file: string, level: number, name: number) => Answered
  /** TCP_INFO, of what is no time or size that follows from one. */
  getinfo: (file: string) => Answered
  /** POLL* bits that it is ready for. */
  poll: (file: string) => Answered
  close: (file: string) => Answered
}
export type Row = { [Name in keyof Calls]: [Name, ...Parameters<Calls[Name]>] }[keyof Calls]
/** Rows that follow one another, and what they are about. */
export type Program = { name: string; rows: Row[] }
export type Side = Calls & {
  name: string
  /** What was sent has come. */
  settle: () => void | Promise<void>
  /** Closes what a program has left open. */
  end: () => void | Promise<void>
}

/** The MTU of lo: small, so that there is something that it does not take. */
export const LO_MTU = 2000
/** Labels that programs say are small: another is one that was chosen. */
const shownFlowinfo = (octets: Uint8Array): string => {
  const flowinfo = new DataView(octets.buffer, octets.byteOffset).getUint32(0)
  const label = flowinfo & 0xfffff
  return `class ${flowinfo >>> 20} label ${label < 16 ? label : 'chosen'}`
}
/** A received control message as text: level, type, and its octets; of a time there is only that there is one. */
export const shownCmsg = (level: number, type: number, octets: Uint8Array): string => {
  if (level === 41 && type === 11) return `${level}.${type}=${shownFlowinfo(octets)}`
  const isTime = level === 1 && [29, 35, 37, 63, 64].includes(type)
  return `${level}.${type}=${isTime ? 'time' : Buffer.from(octets).toString('hex')}`
}
/** Where fields of struct tcp_info are. */
const INFO = {
  ca_state: 1,
  retransmits: 2,
  probes: 3,
  backoff: 4,
  options: 5,
  snd_mss: 16,
  unacked: 24,
  sacked: 28,
  lost: 32,
  retrans: 36,
  fackets: 40,
  pmtu: 60,
  snd_ssthresh: 76,
  snd_cwnd: 80,
  advmss: 84,
  reordering: 88,
  total_retrans: 100,
  max_pacing_rate: 112,
  bytes_acked: 120,
  bytes_received: 128,
  segs_out: 136,
  segs_in: 140,
  notsent_bytes: 144,
  data_segs_in: 152,
  data_segs_out: 156,
  delivered: 192,
  delivered_ce: 196,
  bytes_sent: 200,
  bytes_retrans: 208,
  dsack_dups: 216,
  reord_seen: 220,
  rcv_ooopack: 224,
}
/** struct tcp_info as text; the fields before 8 have an octet each. */
export const shownInfo = (octets: Uint8Array): string => {
  const { buffer, byteOffset, byteLength } = octets
  const view = new DataView(buffer, byteOffset, byteLength)
  const fields = Object.entries(INFO).map(([name, at]) => {
    const value = at < 8 ? octets[at]! : view.getInt32(at, true)
    return value === 0 ? '' : ` ${name}:${value}`
  })
  return `state:${octets[0]}${fields.join('')}`
}
/** MSG_* that calls answer, as text. */
export const shownFlags = (flags: number): string => (flags === 0 ? '' : ` flags ${flags}`)
/** Octets that rows send: an echo request's, so that a ping socket takes them as well. */
export const PAYLOAD = (family: number): number => (family === 10 ? 128 : 8)
/** A port that was chosen is any of them. */
export const shownPort = (port: number): string => (port >= 32768 ? 'chosen' : String(port))

/** The answers to a program's rows. */
export const play = async (side: Side, rows: readonly Row[]): Promise<Answer[]> => {
  const answers: Answer[] = []
  for (const [name, ...args] of rows) {
    answers.push(await (side[name] as (...given: unknown[]) => Answered)(...args))
    await side.settle()
  }
  await side.end()
  await side.settle()
  return answers
}
