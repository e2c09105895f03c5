// What the twin test needs of a router: the kernel's (kernel-side.ts) and softnet's (softnet-side.ts) are two of these,
// set up by the same lines, and given the same frames.

/** A router's links, and the lines that set the rest up. */
export type SetUp = {
  links: readonly { mac: string; mtu: number }[]
  /** Set before there are links. */
  before: readonly string[]
  lines: readonly string[]
  /** Where something listens, in TCP and UDP, and says nothing (the discard service's, as softnet has that). */
  port: number
  /** What it listens at; the wildcard of IPv4 when it is not said. */
  hostname?: string
  /** Frames that are not compared. */
  ignores?: (frame: Uint8Array) => boolean
}

export type Side = {
  name: string
  /** Runs a line of `ip` or `sysctl NAME=VALUE`; what it says, which is nothing when all went well. */
  run: (line: string) => Promise<string>
  /** A frame comes in on a link, from 1 on. */
  inject: (link: number, frame: Uint8Array) => void
  /** Lets everything come to rest: the frames that came out of each link since the last time. */
  drain: () => Uint8Array[][]
  /** Counters by nstat's names. */
  counters: () => Map<string, number>
  /** Forgets neighbours that nobody has configured, in the order of their addresses as text. */
  forget: () => Promise<void>
  close: () => void
}
