/** The frames that generators send: 60-byte UDP of many flows, from 10.1.0.0/16 to eight hosts of 10.2.0.0/16. */
import * as ethernet from '../../core/wire/ethernet.ts'
import { IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as udp from '../../core/wire/udp.ts'

export const FRAME = 60
export const FLOWS = 1024
export const HOSTS = 8
/** 10.2.0.10 and the seven behind it. */
const FIRST_HOST = (10 << 24) | (2 << 16) | 10
const FIRST_SOURCE = (10 << 24) | (1 << 16) | 256

/** A frame of each flow, for a device whose link address is the six bytes `to`. */
export const makeFrames = (to: Uint8Array): Uint8Array[] =>
  Array.from({ length: FLOWS }, (_, k) => {
    const frame = new Uint8Array(FRAME)
    frame.set(to)
    ethernet.putMac(frame, 6, 0x0201, k)
    ethernet.setType(frame, 0, ethernet.ETH_P_IP)
    const len = FRAME - ethernet.ETH_HLEN
    ipv4.init(frame, 14, IPPROTO_UDP, FIRST_SOURCE + k, FIRST_HOST + (k % HOSTS), len, 64)
    ipv4.setChecksum(frame, 14)
    udp.setSrcPort(frame, 34, 1024 + k)
    udp.setDstPort(frame, 34, 9)
    udp.setLength(frame, 34, FRAME - 34)
    return frame
  })
