/**
 * Live traffic of the demo: the hosts use each other's services through the router, as the scene says (docs/scenes.md). Thread
 * of the namespaces.
 */
import { madePacket } from '../../core/control/text/made-packet.ts'
import { RX_HEADROOM } from '../../core/skb/skb.ts'
import { parseMac } from '../../core/wire/text.ts'
import type { Net } from '../netns/nets.ts'
import type { Traffic } from './lab-data.ts'

const ECHO_PORT = 7
const DISCARD_PORT = 9
const HTTP_PORT = 80
const AGAIN_MS = 1000

/** Where a host is: the router's address there, and how its frames get onto the wire. */
export type Place = { host: Net; mac: string; send: (skb: number) => void }

export const startTraffic = (places: readonly Place[], flows: readonly Traffic[]): void => {
  for (const flow of flows)
    for (const place of places.filter(({ host }) => flow.from.includes(host.name))) {
      if (flow.kind === 'packets') sendPackets(place, flow.packet, flow.every_ms)
      else if (flow.kind === 'datagrams') sendDatagrams(place.host, flow.to, flow.every_ms)
      else if (flow.kind === 'stream') startStreams(place.host, flow.to, flow.bytes, flow.every_ms)
      else startDownloads(place.host, flow.to, flow.bytes, flow.every_ms)
    }
}

const inTurn = (list: readonly string[]): (() => string) => {
  let turn = 0
  return () => list[turn++ % list.length]
}

/** A UDP socket that has its words echoed. */
const sendDatagrams = (host: Net, to: readonly string[], everyMs: number): void => {
  const next = inTurn(to)
  const socket = host.app.dgram.createSocket(to[0].includes(':') ? 'udp6' : 'udp4')
  socket.on('error', () => {})
  host.every(everyMs, () => socket.send(`hello from ${host.name}`, ECHO_PORT, next()))
}

/** HTTP downloads, each over a connection of its own. */
const startDownloads = (host: Net, to: readonly string[], bytes: number, everyMs: number): void => {
  const next = inTurn(to)
  host.every(everyMs, () => {
    const peer = next()
    const socket = host.app.net.connect({ host: peer, port: HTTP_PORT }, () => {
      socket.write(`GET /bytes/${bytes} HTTP/1.1\r\nHost: softnet\r\nConnection: close\r\n\r\n`)
    })
    socket.on('data', () => {})
    socket.on('error', () => socket.destroy())
  })
}

/** A connection to each that stays, and says so much more every time, unless what was said is not gone yet. */
const startStreams = (host: Net, to: readonly string[], bytes: number, everyMs: number): void => {
  const words = new Uint8Array(bytes)
  for (const peer of to) {
    const connect = (): void => {
      if (host.isOver()) return
      let timer: Timer | undefined
      const socket = host.app.net.connect({ host: peer, port: DISCARD_PORT }, () => {
        timer = setInterval(() => {
          if (!socket.writableNeedDrain) socket.write(words)
        }, everyMs)
      })
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        clearInterval(timer)
        setTimeout(connect, AGAIN_MS)
      })
    }
    connect()
  }
}

/** Each * is a number by chance. */
const withChance = (words: string): string =>
  words.replaceAll('*', () => String(1 + Math.floor(Math.random() * 254)))

/** Packets in words, sent to the router as the host's own would be: from whoever they say. */
const sendPackets = (place: Place, words: string, everyMs: number): void => {
  const { host, mac } = place
  const router = parseMac(mac)!
  const send = (): void => {
    const frame = madePacket(withChance(words), router)
    if ('mistake' in frame) throw new Error(`scene: packet: ${frame.mistake}`)
    const skb = host.skbs.alloc(frame.length, RX_HEADROOM)
    if (skb === 0) return
    host.arena.u8.set(frame, host.skbs.put(skb, frame.length))
    place.send(skb)
    host.skbs.free(skb)
  }
  send()
  host.every(everyMs, send)
}
