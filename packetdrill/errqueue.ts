/** recvmsg of scripts with MSG_ERRQUEUE: what the error queue has brought, beside the control messages that a script expects. */
import { AF_INET } from '../core/base/family.ts'
import { TIME_US } from '../core/base/time.ts'
import * as errqueue from '../core/socket/msg/errqueue.ts'
import {
  IPPROTO_IP,
  IPPROTO_IPV6,
  MSG_ERRQUEUE,
  SO_EE_ORIGIN_TIMESTAMPING,
  SO_TIMESTAMPING,
  SOF_TIMESTAMPING_SOFTWARE,
  SOL_SOCKET,
} from '../core/socket/socket-constants.ts'
import type { Host } from './host.ts'
import { Mismatch, type Value } from './script.ts'

const IP_RECVERR = 11
const IPV6_RECVERR = 25

type Fields = Record<string, number>
const text = (fields: Fields): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')

/** Takes the oldest of a socket's error queue and compares it: 0, or -errno. */
export const receiveError = (
  host: Host,
  sk: number,
  message: Map<string, Value>,
  toNumber: (value: Value | undefined) => number,
  toleranceUs: number
): number => {
  const { sockets, time } = host.stack
  const words = new Int32Array(errqueue.EE_WORDS)
  const result = sockets.recvErr(sk, words, 0)
  if (result < 0) return result

  const isV4 = host.socketFamily === AF_INET
  const extended: Fields = {
    cmsg_level: isV4 ? IPPROTO_IP : IPPROTO_IPV6,
    cmsg_type: isV4 ? IP_RECVERR : IPV6_RECVERR,
    ee_errno: words[errqueue.EE_ERRNO]!,
    ee_origin: words[errqueue.EE_ORIGIN]!,
    ee_type: 0,
    ee_code: words[errqueue.EE_CODE]!,
    ee_info: words[errqueue.EE_INFO]!,
    ee_data: words[errqueue.EE_DATA]!,
  }
  // of the script's clock
  const us = host.now() - ((time[TIME_US]! - words[errqueue.EE_TIME_US]!) | 0)
  const stamp: Fields = { cmsg_level: SOL_SOCKET, cmsg_type: SO_TIMESTAMPING, us }
  const isStamped =
    words[errqueue.EE_ORIGIN] === SO_EE_ORIGIN_TIMESTAMPING &&
    (sockets.getsockopt(sk, SOL_SOCKET, SO_TIMESTAMPING) & SOF_TIMESTAMPING_SOFTWARE) !== 0
  const live = isStamped ? [stamp, extended] : [extended]

  const fieldsOf = (value: Value): Fields => {
    if (value.is !== 'struct') throw new Mismatch('a control message is a struct')
    const { cmsg_data: data, ...rest } = Object.fromEntries(value.fields)
    const all = data?.is === 'struct' ? { ...rest, ...Object.fromEntries(data.fields) } : rest
    const {
      scm_sec: sec,
      scm_nsec: nsec,
      ...plain
    } = Object.fromEntries(Object.entries(all).map(([name, each]) => [name, toNumber(each)]))
    return sec === undefined ? plain : { ...plain, us: sec * 1e6 + nsec! / 1000 }
  }
  const isSame = (a: Fields, b: Fields): boolean =>
    Object.keys(a).length === Object.keys(b).length &&
    Object.entries(a).every(([name, value]) =>
      name === 'us' ? Math.abs(value - b[name]!) <= toleranceUs : value === b[name]
    )
  const control = message.get('msg_control')
  const expected = control?.is === 'list' ? control.items.map(fieldsOf) : []
  const flags = MSG_ERRQUEUE | words[errqueue.EE_FLAGS]!
  if (toNumber(message.get('msg_flags')) !== flags)
    throw new Mismatch(`the flags are 0x${flags.toString(16)}`)
  if (expected.length !== live.length || !expected.every((each, n) => isSame(each, live[n]!)))
    throw new Mismatch(`the error queue has {${live.map(text).join('}, {')}}`)
  return 0
}
