// The calls of socketcall(2) as a table's rows make them: descriptors have names, addresses are text, an answer is a count, an
// address or -errno.

export type Answer = number | string
/** A control message: level, type, and its octets in hexadecimal. */
export type Control = readonly [level: number, type: number, octets: string]
/** What a side does for a row; every file is non-blocking. */
export type Calls = {
  socket: (file: string, family: number, type: number, protocol: number) => Answer
  socketpair: (family: number, type: number, protocol: number) => Answer
  bind: (file: string, address: string, port: number) => Answer
  connect: (file: string, address: string, port: number) => Answer
  listen: (file: string, backlog: number) => Answer
  accept: (file: string, child: string) => Answer
  getsockname: (file: string) => Answer
  getpeername: (file: string) => Answer
  send: (file: string, length: number, flags?: number) => Answer
  recv: (file: string, length: number, flags?: number) => Answer
  sendto: (file: string, length: number, address: string, port: number, flags?: number) => Answer
  /** The count, and who it is from. */
  recvfrom: (file: string, length: number, flags?: number) => Answer
  sendmsg: (file: string, length: number, flags?: number) => Answer
  /** sendmsg to an address with control messages. */
  sendcmsg: (
    file: string,
    length: number,
    address: string,
    port: number,
    ...control: Control[]
  ) => Answer
  recvmsg: (file: string, length: number, flags?: number) => Answer
  /** recvmsg with all that it answers: the count, flags, whom it is from, and control messages. */
  recvcmsg: (file: string, length: number, flags?: number) => Answer
  shutdown: (file: string, how: number) => Answer
  setsockopt: (file: string, level: number, name: number, value: number) => Answer
  getsockopt: (file: string, level: number, name: number) => Answer
  close: (file: string) => Answer
}
export type Row = { [Name in keyof Calls]: [Name, ...Parameters<Calls[Name]>] }[keyof Calls]
/** Rows that follow one another, and what they are about. */
export type Program = { name: string; rows: Row[] }
export type Side = Calls & {
  name: string
  /** What was sent has come. */
  settle: () => void
  /** Closes what a program has left open. */
  end: () => void
}

/** The MTU of lo: small, so that there is something that it does not take. */
export const LO_MTU = 2000
/** A received control message as text: level, type, and its octets; of a time there is only that there is one. */
export const shownCmsg = (level: number, type: number, octets: Uint8Array): string => {
  const isTime = level === 1 && [29, 35, 37].includes(type)
  return `${level}.${type}=${isTime ? 'time' : Buffer.from(octets).toString('hex')}`
}
/** MSG_* that calls answer, as text. */
export const shownFlags = (flags: number): string => (flags === 0 ? '' : ` flags ${flags}`)
/** Octets that rows send: an echo request's, so that a ping socket takes them as well. */
export const PAYLOAD = (family: number): number => (family === 10 ? 128 : 8)
/** A port that was chosen is any of them. */
export const shownPort = (port: number): string => (port >= 32768 ? 'chosen' : String(port))

/** The answers to a program's rows. */
export const play = (side: Side, rows: readonly Row[]): Answer[] => {
  const answers = rows.map(([name, ...args]) => {
    const answer = (side[name] as (...given: unknown[]) => Answer)(...args)
    side.settle()
    return answer
  })
  side.end()
  side.settle()
  return answers
}
