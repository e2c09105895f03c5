/**
 * Live traffic of the demo: the hosts use each other's services through the router, a little all the time: enough to see
 * flows on every worker, not so much that the machine notices. Lab thread.
 */
import type { LabHost } from './host.ts'
import type { LanSpec } from './lab-data.ts'

const ECHO_PORT = 7
const HTTP_PORT = 80
/** How often each host does something, in milliseconds. */
const DATAGRAM_EVERY = 200
const DOWNLOAD_EVERY = 1000
const DOWNLOAD_BYTES = 100_000

const addressOf = (address: string): string => address.split('/')[0]

/** Every host talks to the hosts of the other LANs. */
export const startTraffic = (hosts: readonly LabHost[], lans: readonly LanSpec[]): void => {
  const specs = lans.flatMap((lan, at) => lan.hosts.map((spec) => ({ ...spec, lan: at })))
  hosts.forEach((host, k) => {
    const own = specs[k]
    const peers = specs
      .filter(({ lan }) => lan !== own.lan)
      .map(({ address }) => addressOf(address))
    let turn = k
    const next = (): string => peers[turn++ % peers.length]
    sendDatagrams(host, next)
    setInterval(() => download(host, next()), DOWNLOAD_EVERY)
  })
}

/** A UDP socket that has its words echoed. */
const sendDatagrams = (host: LabHost, next: () => string): void => {
  const socket = host.app.dgram.createSocket('udp4')
  socket.on('error', () => {})
  setInterval(() => socket.send(`hello from ${host.name}`, ECHO_PORT, next()), DATAGRAM_EVERY)
}

/** One HTTP download over a connection of its own. */
const download = (host: LabHost, peer: string): void => {
  const socket = host.app.net.connect({ host: peer, port: HTTP_PORT }, () => {
    socket.write(
      `GET /bytes/${DOWNLOAD_BYTES} HTTP/1.1\r\nHost: ${peer}\r\nConnection: close\r\n\r\n`
    )
  })
  socket.on('data', () => {})
  socket.on('error', () => socket.destroy())
}
