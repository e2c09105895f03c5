/**
 * `kind: pcap`: a wire made of files. `data.replay` names a pcap or pcapng file whose frames are received, as fast as
 * they are taken or (`data.paced`) at their recorded times; `data.record` one to which frames sent are appended; both lie
 * in the folder that the configuration names. The link has carrier while it records, or else while there is something left to replay. Control thread;
 * workers/drivers/pcap.ts and pcap-replay.ts move the frames.
 */
import type { KindEnv, LinkOps } from '../../core/dev/kinds/link-kind.ts'
import { deviceFds } from '../../core/netdev/netdev.ts'
import { openPcapRecord, openPcapReplay } from '../drivers/capture-file.ts'
import {
  createPcapXmit,
  PCAP_FAST,
  PCAP_PACE,
  PCAP_RECORD,
  PCAP_REPLAY,
  PCAP_TIMED,
} from '../drivers/pcap.ts'
import { type OpenFile, openBelow } from '../os/folder.ts'
import { Errno, errnoText } from '../os/libc.ts'
import { refusal } from './answers.ts'
import { closeAll } from './fd-device.ts'
import type { HostEnv, HostKind } from './host-kind.ts'

/** What the threads have told of a device; a file that it does not have is undefined. */
type Files = {
  name: string
  fds: readonly number[]
  replay?: 'playing' | 'ended' | 'malformed'
  record?: string
  unread?: string
}
const RECORDING = 'recording'
const UNREAD =
  'has packets that are neither Ethernet II nor IP (802.3, other links): nobody gets them'

const linkOps = ({ arena, files, log }: KindEnv & HostEnv): LinkOps => {
  const { i32 } = arena
  const opened = new Map<number, Files>()
  const below = openBelow(files)
  const open = async (
    path: unknown,
    fds: number[],
    how: (path: string, open: OpenFile) => number | Promise<number>
  ) => {
    if (typeof path !== 'string') return 0
    const fd = await how(path, below)
    fds.push(fd)
    return fd
  }
  return {
    async newlink({ ifindex, row, spec }) {
      const { replay, record, paced } = spec.data ?? {}
      const fds: number[] = []
      let field = 'data.replay'
      try {
        const input = await open(replay, fds, openPcapReplay)
        field = 'data.record'
        const output = await open(record, fds, openPcapRecord)
        i32[deviceFds(arena, ifindex) + PCAP_REPLAY] = input
        i32[deviceFds(arena, ifindex) + PCAP_RECORD] = output
        i32[row + PCAP_PACE] = paced === true ? PCAP_TIMED : PCAP_FAST
        opened.set(ifindex, {
          name: spec.ifname,
          fds,
          ...(input !== 0 && { replay: 'playing' }),
          ...(output !== 0 && { record: RECORDING }),
        })
        return { error: 0, data: { ...spec.data } }
      } catch (error) {
        closeAll(fds)
        return refusal(error, 'EIO', field)
      }
    },
    dellink(ifindex) {
      closeAll(opened.get(ifindex)?.fds ?? [])
      opened.delete(ifindex)
    },
    carrier(ifindex) {
      const { replay, record } = opened.get(ifindex)!
      if (record !== undefined) return record === RECORDING ? 'up' : 'down'
      return replay === undefined || replay === 'playing' ? 'up' : 'down'
    },
    failed(ifindex, errno) {
      const files = opened.get(ifindex)!
      if (errno === Errno.ENODATA) files.replay = 'ended'
      else if (errno === Errno.EBADMSG) files.replay = 'malformed'
      else if (errno === Errno.EPROTONOSUPPORT) files.unread = UNREAD
      else files.record = errnoText(errno)
      if (errno === Errno.EBADMSG)
        log('warning', `${files.name}: the capture is cut short or malformed`)
      else if (errno === Errno.EPROTONOSUPPORT)
        log('warning', `${files.name}: the capture ${UNREAD}`)
      else if (errno !== Errno.ENODATA) log('warning', `${files.name}: recording: ${files.record}`)
    },
    xstats(ifindex) {
      const files = opened.get(ifindex)
      if (files === undefined) return undefined
      const { replay, record, unread } = files
      return { ...(replay && { replay }), ...(record && { record }), ...(unread && { unread }) }
    },
  }
}

export const pcap: HostKind<'pcap'> = {
  name: 'pcap',
  data: ['replay', 'record', 'paced'],
  linkOps,
  startXmit: createPcapXmit,
}
