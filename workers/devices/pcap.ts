/**
 * `kind: pcap`: a wire made of files. `data.replay` names a pcap or pcapng file whose frames are received, as fast as
 * they are taken or (`data.paced`) at their recorded times; `data.record` one to which frames sent are appended.
 * Control thread; workers/drivers/pcap.ts moves the frames.
 */
import type { LinkDriver } from '../../core/control/links.ts'
import { DEV_KIND, DevKind, deviceFds } from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import {
  openPcapRecord,
  openPcapReplay,
  PCAP_FAST,
  PCAP_PACE,
  PCAP_RECORD,
  PCAP_REPLAY,
  PCAP_TIMED,
} from '../drivers/pcap.ts'
import { refusal } from './answers.ts'
import { closeAll } from './fd-device.ts'

export const createPcapDriver = ({ arena }: { arena: Arena }): LinkDriver => {
  const { i32 } = arena
  const opened = new Map<number, readonly number[]>()
  return {
    create({ ifindex, row, spec }) {
      const { replay, record, paced } = spec.data ?? {}
      const fds: number[] = []
      try {
        const input = typeof replay === 'string' ? openPcapReplay(replay) : 0
        if (input !== 0) fds.push(input)
        const output = typeof record === 'string' ? openPcapRecord(record) : 0
        if (output !== 0) fds.push(output)
        i32[row + DEV_KIND] = DevKind.pcap
        i32[deviceFds(arena, ifindex) + PCAP_REPLAY] = input
        i32[deviceFds(arena, ifindex) + PCAP_RECORD] = output
        i32[row + PCAP_PACE] = paced === true ? PCAP_TIMED : PCAP_FAST
        opened.set(ifindex, fds)
        return { error: 0, data: { ...spec.data } }
      } catch (error) {
        closeAll(fds)
        return refusal(error, 'EIO', 'data')
      }
    },
    destroy(ifindex) {
      closeAll(opened.get(ifindex) ?? [])
      opened.delete(ifindex)
    },
  }
}
