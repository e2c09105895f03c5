// Switches a kernel interface's offloads by SIOCETHTOOL. Called by the namespace holder, for tests
// and benchmarks that compare with and without offload. Linux counterpart: ethtool -K;
// include/uapi/linux/ethtool.h.

import { AF_INET } from '../../core/base/family.ts'
import { block, check, libc, putAddress } from './libc.ts'

const SOCK_DGRAM_CLOEXEC = 0x80002
const SIOCETHTOOL = 0x8946
const IFREQ_SIZE = 40
const IFREQ_DATA = 16

/** ETHTOOL_STXCSUM, ETHTOOL_SSG, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO. */
const setCommand = { tx: 0x17, sg: 0x19, tso: 0x1f, gso: 0x24, gro: 0x2c } as const

export type EthtoolFeature = keyof typeof setCommand

export const setFeature = (ifname: string, feature: EthtoolFeature, on: boolean): void => {
  const value = block(8)
  value.view.setUint32(0, setCommand[feature], true)
  value.view.setUint32(4, on ? 1 : 0, true)
  const request = block(IFREQ_SIZE)
  request.bytes.set(new TextEncoder().encode(ifname).subarray(0, 15))
  putAddress(request.view, IFREQ_DATA, value.at)
  const fd = check(libc.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0), 'socket')
  const result = libc.ioctl(fd, SIOCETHTOOL, request.at)
  try {
    check(result, `ethtool -K ${ifname} ${feature} ${on ? 'on' : 'off'}`)
  } finally {
    libc.close(fd)
  }
}
