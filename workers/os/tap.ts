// Opens a TAP device: a kernel interface whose other side is a file descriptor of ours.
// Called when a device is created (control thread, or the namespace holder inside its namespace);
// the descriptor is then read and written by a driver, one frame a call, a 10-byte virtio_net_hdr
// in front, so that TSO, USO and checksum offload pass through.
// Linux counterpart: drivers/net/tun.c; Documentation/networking/tuntap.rst.

import type { Carrier } from '../../core/dev/kinds/link-kind.ts'
import { block, check, Errno, errno, libc, O_NONBLOCK, O_RDWR, OsError, openPath } from './libc.ts'
import { POLL_ERRORS, pollNow, POLLOUT } from './poll.ts'
import type { LinkChange } from './rtnetlink.ts'
import { withRtnetlink } from './rtnetlink.ts'

const IFF_TAP = 0x0002
const IFF_MULTI_QUEUE = 0x0100
const IFF_NO_PI = 0x1000
const IFF_VNET_HDR = 0x4000

const TUNSETIFF = 0x400454ca
const TUNSETOFFLOAD = 0x400454d0
const TUNSETVNETHDRSZ = 0x400454d8

const IFREQ_SIZE = 40
const IFREQ_FLAGS = 16
const IFNAMSIZ = 16

/** Length of the virtio_net_hdr in front of every frame of a TAP or a packet socket. */
export const VNET_HDR_LEN = 10

/** What the kernel may hand us unfinished (TUN_F_*). */
export const TunOffload = { CSUM: 0x01, TSO4: 0x02, TSO6: 0x04, USO4: 0x20, USO6: 0x40 } as const

const TSO = TunOffload.CSUM | TunOffload.TSO4 | TunOffload.TSO6
const TSO_USO = TSO | TunOffload.USO4 | TunOffload.USO6

export type TapOptions = {
  /** Name of the kernel's interface; '' or 'tap%d' lets the kernel choose. */
  name: string
  /** Each further open of the same name adds a queue. */
  multiQueue?: boolean
  vnetHdr?: boolean
  /** Mask of TunOffload; by default everything this kernel has. */
  offload?: number
  /** Changes to the kernel's side of the device: up, mtu, mac, netnsFd. */
  link?: LinkChange
}

export type Tap = {
  fd: number
  name: string
  ifindex: number
  mac: string
  mtu: number
  vnetHdrLen: number
  offload: number
}

const openHint = (code: number): string => {
  if (code === Errno.ENOENT) {
    return 'this machine has no /dev/net/tun: load the tun module, or give it to the container'
  }
  return 'opening a TAP needs read and write permission on /dev/net/tun (root, or its group)'
}

const openTun = (): number => {
  try {
    return openPath('/dev/net/tun', O_RDWR | O_NONBLOCK)
  } catch (error) {
    if (!(error instanceof OsError)) throw error
    throw new OsError('open /dev/net/tun', error.errno, openHint(error.errno))
  }
}

const attachHint = (code: number, name: string): string | undefined => {
  if (code === Errno.EBUSY) return `the name ${name} is taken by another device or its only queue`
  if (code === Errno.EPERM) return 'creating a network interface needs CAP_NET_ADMIN'
  if (code === Errno.EINVAL) return `${name} exists as another kind of device or with other flags`
  return undefined
}

const attach = (fd: number, { name, multiQueue = false, vnetHdr = true }: TapOptions): string => {
  const request = block(IFREQ_SIZE)
  const encoded = new TextEncoder().encode(name)
  if (encoded.length >= IFNAMSIZ) throw new TypeError(`interface name '${name}' is too long`)
  request.bytes.set(encoded)
  const flags =
    IFF_TAP | IFF_NO_PI | (vnetHdr ? IFF_VNET_HDR : 0) | (multiQueue ? IFF_MULTI_QUEUE : 0)
  request.view.setUint16(IFREQ_FLAGS, flags, true)
  if (libc.ioctl(fd, TUNSETIFF, request.at) < 0) {
    throw new OsError(`TUNSETIFF ${name}`, errno(), attachHint(errno(), name))
  }
  return new TextDecoder().decode(request.bytes.subarray(0, request.bytes.indexOf(0)))
}

const setOffload = (fd: number, wanted: number | undefined): number => {
  if (wanted !== undefined) {
    check(libc.ioctl(fd, TUNSETOFFLOAD, wanted), 'TUNSETOFFLOAD')
    return wanted
  }
  // UDP segmentation came with Linux 6.2.
  if (libc.ioctl(fd, TUNSETOFFLOAD, TSO_USO) >= 0) return TSO_USO
  check(libc.ioctl(fd, TUNSETOFFLOAD, TSO), 'TUNSETOFFLOAD')
  return TSO
}

/**
 * How the kernel's interface is, seen from its descriptor, in whatever namespace it is by now: only one that is up
 * takes frames, and one that is gone is an error (tun_chr_poll).
 */
export const tapCarrier = (fd: number): Carrier => {
  const events = pollNow(fd, POLLOUT)
  if ((events & POLL_ERRORS) !== 0) return 'gone'
  return (events & POLLOUT) !== 0 ? 'up' : 'down'
}

/** Opens (and if need be creates) a TAP, nonblocking and close-on-exec. Throws OsError. */
export const openTap = (options: TapOptions): Tap => {
  const { vnetHdr = true, link } = options
  const fd = openTun()
  try {
    const name = attach(fd, options)
    const size = block(4)
    size.view.setInt32(0, VNET_HDR_LEN, true)
    if (vnetHdr) check(libc.ioctl(fd, TUNSETVNETHDRSZ, size.at), 'TUNSETVNETHDRSZ')
    const offload = vnetHdr ? setOffload(fd, options.offload) : 0
    return withRtnetlink((rtnl) => {
      if (link) rtnl.setLink(name, link)
      const { ifindex, mac, mtu } = rtnl.getLink(link?.rename ?? name)
      const vnetHdrLen = vnetHdr ? VNET_HDR_LEN : 0
      return { fd, name: link?.rename ?? name, ifindex, mac, mtu, vnetHdrLen, offload }
    })
  } catch (error) {
    libc.close(fd)
    throw error
  }
}
