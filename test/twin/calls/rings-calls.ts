// An application's side: the calls of sockets over the rings of a library's host, in virtual time.

import { Errno } from '../../../core/base/errno.ts'
import { MSG_DONTWAIT } from '../../../core/socket/socket-constants.ts'
import { createNetwork } from '../../../workers/library/network.ts'
import { virtualTime } from '../../../workers/library/time.ts'
import type { AppMessageSocket, ReceivedMessage } from '../../../workers/app/message-socket.ts'
import type { AppStreamSocket } from '../../../workers/app/stream-socket.ts'
import { readControl } from '../../../workers/app/message.ts'
import type { AddressInfo } from '../../../workers/app/address.ts'
import {
  type Answer,
  LO_MTU,
  PAYLOAD,
  type Program,
  type Side,
  shownCmsg,
  shownFlags,
  shownInfo,
  shownPort,
} from './calls.ts'
import type { Row } from './calls.ts'
import { IPPROTO_TCP } from '../../../core/wire/ipproto.ts'

const TCP_INFO = 11
const [INET6, STREAM, RAW, PACKET] = [10, 1, 3, 17]
const TYPES = [STREAM, 2, RAW]
/** What an application waits for is told by its promises. */
const NEVER = ['socketpair', 'poll']
const STREAMS = ['listen', 'accept']
const SETTLE_MS = 2
/** Has a program calls alone that applications have? Packet sockets are others' shape, datagrams have no connections to accept. */
export const isOfApplications = ({ rows }: Program): boolean => {
  const streams = new Set<unknown>()
  const isKnown = ([call, file, ...args]: Row): boolean => {
    if (call === 'socket') {
      const [family, type] = args as number[]
      if (type === STREAM) streams.add(file)
      return family !== PACKET && TYPES.includes(type!)
    }
    if (call === 'accept') streams.add(args[0])
    return !NEVER.includes(call) && (!STREAMS.includes(call) || streams.has(file))
  }
  return rows.every(isKnown)
}

export const createRingsCalls = async (): Promise<Side> => {
  const time = virtualTime()
  const network = createNetwork({ time })
  const host = await network.host('softnet', {
    link: [{ ifname: 'lo', kind: 'lo', up: true, mtu: LO_MTU }],
  })
  await time.run(3000)
  const files = new Map<string, { file: AppMessageSocket; family: number }>()

  const failed = (error: unknown): number => (error as { errno: number }).errno
  const on = async (
    name: string,
    call: (file: AppMessageSocket, family: number) => Promise<unknown>
  ): Promise<Answer> => {
    const found = files.get(name)
    if (found === undefined) return -Errno.EBADF
    // what is refused before it is asked throws at once
    const answer = async () => ((await call(found.file, found.family)) as Answer | undefined) ?? 0
    return answer().catch(failed)
  }
  const payload = (length: number, family: number): Uint8Array => {
    const data = new Uint8Array(length)
    data[0] = PAYLOAD(family)
    return data
  }
  const shown = ({ address, port }: AddressInfo): string => `${address} ${shownPort(port)}`
  const from = ({ from }: ReceivedMessage): string =>
    from.address === '::' && from.port === 0 ? '' : ` from ${shown(from)}`
  const receive = (
    name: string,
    length: number,
    flags: number,
    show: (message: ReceivedMessage) => Answer
  ): Promise<Answer> =>
    on(name, async (file) => show(await file.recvmsg(length, flags | MSG_DONTWAIT)))
  const send: Side['send'] = (name, length, flags = 0) =>
    on(name, (file, family) =>
      file.sendmsg(payload(length, family), { flags: flags | MSG_DONTWAIT })
    )
  const recv: Side['recv'] = (name, length, flags = 0) =>
    receive(name, length, flags, (message) => message.length)
  const none = (): Promise<Answer> => Promise.reject(new Error('of no socket'))
  const close: Side['close'] = (name) =>
    on(name, async (file) => {
      file.close()
      files.delete(name)
    })

  return {
    name: 'rings',
    settle: () => time.run(SETTLE_MS),
    end: async () => {
      for (const name of [...files.keys()]) {
        await close(name)
        await time.run(SETTLE_MS)
      }
    },
    socket: async (name, family, type, protocol) => {
      const options = { family: family === INET6 ? 'IPv6' : 'IPv4', protocol } as const
      const { createSocket, createStream } = host.message
      try {
        const file =
          type === STREAM
            ? createStream(options)
            : createSocket({ ...options, type: type === RAW ? 'raw' : 'dgram' })
        files.set(name, { file: await file, family })
        return 0
      } catch (error) {
        return failed(error)
      }
    },
    bind: (name, address, port) => on(name, (file) => file.bind(address, port)),
    connect: (name, address, port, flowinfo = 0) =>
      on(name, (file) => file.connect(address, port, { flags: MSG_DONTWAIT, flowinfo })),
    getsockname: (name) => on(name, async (file) => shown(await file.getsockname())),
    getpeername: (name) => on(name, async (file) => shown(await file.getpeername())),
    send,
    recv,
    sendmsg: send,
    recvmsg: recv,
    sendto: (name, length, address, port, flags = 0, flowinfo = 0) =>
      on(name, (file, family) =>
        file.sendmsg(payload(length, family), {
          to: { address, port, flowinfo },
          flags: flags | MSG_DONTWAIT,
        })
      ),
    sendcmsg: (name, length, address, port, ...messages) =>
      on(name, (file, family) => {
        const control = messages.map(([level, type, text]) => ({
          level,
          type,
          data: Buffer.from(text, 'hex'),
        }))
        return file.sendmsg(payload(length, family), { to: { address, port }, control })
      }),
    recvfrom: (name, length, flags = 0) =>
      receive(name, length, flags, (message) => `${message.length}${from(message)}`),
    recvcmsg: (name, length, flags = 0) =>
      receive(name, length, flags, (message) => {
        const control = message.control.map(
          (each) => ` ${shownCmsg(each.level, each.type, each.data)}`
        )
        return `${message.length}${shownFlags(message.flags)}${from(message)}${control.join('')}`
      }),
    shutdown: (name, how) => on(name, (file) => file.shutdown(how)),
    setsockopt: (name, level, option, value) =>
      on(name, (file) => file.setOption(level, option, value)),
    getsockopt: (name, level, option) => on(name, (file) => file.getOption(level, option)),
    setbytes: (name, level, option, octets) =>
      on(name, (file) => file.setOptionBytes(level, option, Buffer.from(octets, 'hex'))),
    getbytes: (name, level, option) =>
      on(name, async (file) => (await file.getOptionBytes(level, option)).toString('hex')),
    close,
    getcmsg: (name, level, option) =>
      on(name, async (file) => {
        const octets = await file.getOptionBytes(level, option)
        const control = readControl(octets)
        return `told${control.map((each) => ` ${shownCmsg(each.level, each.type, each.data)}`).join('')}`
      }),
    listen: (name, backlog) => on(name, (file) => (file as AppStreamSocket).listen(backlog)),
    accept: (name, child) =>
      on(name, async (file, family) => {
        files.set(child, { file: await (file as AppStreamSocket).accept(MSG_DONTWAIT), family })
      }),
    getinfo: (name) =>
      on(name, async (file) => shownInfo(await file.getOptionBytes(IPPROTO_TCP, TCP_INFO))),
    socketpair: none,
    poll: none,
  }
}
