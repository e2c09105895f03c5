// A small rtnetlink client: what setting up a namespace asks of the kernel, nothing more.
// Called by tap.ts and by the namespace holder, on their own thread, in the network namespace that
// the thread is in when the socket is opened. Requests are synchronous: the kernel answers within
// the call. Linux counterpart: `ip link|addr|route`; RFC 3549; include/uapi/linux/rtnetlink.h.

import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { ipBytes, macBytes, macText, parsePrefix } from './address.ts'
import { block, check, libc, OsError } from './libc.ts'

const AF_NETLINK = 16
const SOCK_RAW_CLOEXEC = 0x80003
const NETLINK_ROUTE = 0
const SOL_NETLINK = 270
const NETLINK_EXT_ACK = 11
const NETLINK_CAP_ACK = 10

const NLMSG_ERROR = 2
const NLM_F_REQUEST = 0x1
const NLM_F_ACK = 0x4
const NLM_F_EXCL = 0x200
const NLM_F_CREATE = 0x400
const NLM_F_ACK_TLVS = 0x200
const NLA_F_NESTED = 0x8000
const NLMSGERR_ATTR_MSG = 1

const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTM_NEWADDR = 20
const RTM_NEWROUTE = 24

const IFLA_ADDRESS = 1
const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_LINKINFO = 18
const IFLA_NET_NS_FD = 28
const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const VETH_INFO_PEER = 1
const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_F_NODAD = 0x02
const RTA_DST = 1
const RTA_OIF = 4
const RTA_GATEWAY = 5

const IFF_UP = 1
const RT_TABLE_MAIN = 254
const RTPROT_STATIC = 4
const RT_SCOPE_LINK = 253
const RTN_UNICAST = 1

const NLMSG_HEADER = 16
const IFINFOMSG = 16

export type Link = { name: string; ifindex: number; mac: string; mtu: number; up: boolean }

export type LinkChange = {
  up?: boolean
  mtu?: number
  mac?: string
  rename?: string
  /** Moves the link into the namespace that this descriptor stands for. */
  netnsFd?: number
}

type VethEnd = { name: string; mac?: string; mtu?: number; netnsFd?: number }

export type Route = { to: string; via?: string; dev?: string }

type Rtnetlink = ReturnType<typeof openRtnetlink>

const text = new TextEncoder()

const family = (bytes: Uint8Array): number => (bytes.length === 4 ? AF_INET : AF_INET6)

/** Builds one netlink message; nested attributes get their length when they end. */
const createMessage = () => {
  const { bytes, view, at } = block(4096)
  let length = 0

  const align = (): void => {
    length = (length + 3) & ~3
  }
  const begin = (type: number, flags: number, sequence: number): void => {
    bytes.fill(0)
    view.setUint16(4, type, true)
    view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK | flags, true)
    view.setUint32(8, sequence, true)
    length = NLMSG_HEADER
  }
  const attribute = (type: number, value: Uint8Array): void => {
    view.setUint16(length, 4 + value.length, true)
    view.setUint16(length + 2, type, true)
    bytes.set(value, length + 4)
    length += 4 + value.length
    align()
  }
  const attributeU32 = (type: number, value: number): void => {
    attribute(type, new Uint8Array(Uint32Array.of(value).buffer))
  }
  const attributeText = (type: number, value: string): void =>
    attribute(type, text.encode(`${value}\0`))
  const nested = (type: number, fill: () => void): void => {
    const start = length
    length += 4
    fill()
    view.setUint16(start, length - start, true)
    view.setUint16(start + 2, type | NLA_F_NESTED, true)
  }
  /** Room for a family header such as ifinfomsg; returns where it starts. */
  const header = (size: number): number => {
    const start = length
    length += size
    return start
  }
  const finish = (): number => {
    view.setUint32(0, length, true)
    return length
  }
  return { at, view, begin, attribute, attributeU32, attributeText, nested, header, finish }
}

const openRtnetlink = () => {
  const fd = check(libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE), 'socket AF_NETLINK')
  const on = block(4)
  on.view.setInt32(0, 1, true)
  // Without these the kernel repeats the request in its answer and keeps its reason to itself.
  libc.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, on.at, 4)
  libc.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, on.at, 4)
  const message = createMessage()
  const reply = block(32768)
  let sequence = 0

  /** The kernel's own sentence about an error, when it gave one. */
  const reason = (start: number, length: number, flags: number): string | undefined => {
    if ((flags & NLM_F_ACK_TLVS) === 0) return undefined
    for (let at = start + NLMSG_HEADER + 20; at + 4 <= start + length; ) {
      const size = reply.view.getUint16(at, true)
      if (size < 4) return undefined
      if (reply.view.getUint16(at + 2, true) === NLMSGERR_ATTR_MSG) {
        return new TextDecoder().decode(reply.bytes.subarray(at + 4, at + size - 1))
      }
      at += (size + 3) & ~3
    }
    return undefined
  }

  /** Sends the message; hands each answer to `each`; throws what the kernel's ack says. */
  const request = (what: string, each?: (at: number, length: number) => void): void => {
    check(libc.send(fd, message.at, message.finish(), 0), `netlink send (${what})`)
    for (;;) {
      const received = check(libc.recv(fd, reply.at, reply.bytes.length, 0), 'netlink recv')
      for (let at = 0; at + NLMSG_HEADER <= received; ) {
        const length = reply.view.getUint32(at, true)
        const type = reply.view.getUint16(at + 4, true)
        if (type === NLMSG_ERROR) {
          const code = reply.view.getInt32(at + NLMSG_HEADER, true)
          if (code === 0) return
          throw new OsError(what, -code, reason(at, length, reply.view.getUint16(at + 6, true)))
        }
        each?.(at, length)
        at += (length + 3) & ~3
      }
    }
  }

  const begin = (type: number, flags = 0): void => message.begin(type, flags, ++sequence)

  const linkHeader = (ifindex: number, change?: { up?: boolean | undefined }): void => {
    const at = message.header(IFINFOMSG)
    message.view.setInt32(at + 4, ifindex, true)
    if (change?.up === undefined) return
    message.view.setUint32(at + 8, change.up ? IFF_UP : 0, true)
    message.view.setUint32(at + 12, IFF_UP, true)
  }

  const readLink = (at: number, length: number): Link => {
    const link: Link = {
      name: '',
      ifindex: reply.view.getInt32(at + NLMSG_HEADER + 4, true),
      mac: '00:00:00:00:00:00',
      mtu: 0,
      up: (reply.view.getUint32(at + NLMSG_HEADER + 8, true) & IFF_UP) !== 0,
    }
    for (let from = at + NLMSG_HEADER + IFINFOMSG; from + 4 <= at + length; ) {
      const size = reply.view.getUint16(from, true)
      if (size < 4) break
      const type = reply.view.getUint16(from + 2, true)
      const value = reply.bytes.subarray(from + 4, from + size)
      if (type === IFLA_IFNAME) link.name = new TextDecoder().decode(value.subarray(0, -1))
      if (type === IFLA_ADDRESS) link.mac = macText(value)
      if (type === IFLA_MTU) link.mtu = reply.view.getUint32(from + 4, true)
      from += (size + 3) & ~3
    }
    return link
  }

  const getLink = (name: string): Link => {
    begin(RTM_GETLINK)
    linkHeader(0)
    message.attributeText(IFLA_IFNAME, name)
    let found: Link | undefined
    request(`link ${name}`, (at, length) => {
      found = readLink(at, length)
    })
    return found!
  }

  const setLink = (name: string, change: LinkChange): void => {
    const { ifindex } = getLink(name)
    begin(RTM_NEWLINK)
    linkHeader(ifindex, change)
    if (change.rename !== undefined) message.attributeText(IFLA_IFNAME, change.rename)
    if (change.mtu !== undefined) message.attributeU32(IFLA_MTU, change.mtu)
    if (change.mac !== undefined) message.attribute(IFLA_ADDRESS, macBytes(change.mac))
    if (change.netnsFd !== undefined) message.attributeU32(IFLA_NET_NS_FD, change.netnsFd)
    request(`set link ${name}`)
  }

  const vethEnd = (end: VethEnd): void => {
    message.attributeText(IFLA_IFNAME, end.name)
    if (end.mac !== undefined) message.attribute(IFLA_ADDRESS, macBytes(end.mac))
    if (end.mtu !== undefined) message.attributeU32(IFLA_MTU, end.mtu)
    if (end.netnsFd !== undefined) message.attributeU32(IFLA_NET_NS_FD, end.netnsFd)
  }

  const addVeth = (end: VethEnd, peer: VethEnd): void => {
    begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
    linkHeader(0)
    vethEnd(end)
    message.nested(IFLA_LINKINFO, () => {
      message.attributeText(IFLA_INFO_KIND, 'veth')
      message.nested(IFLA_INFO_DATA, () =>
        message.nested(VETH_INFO_PEER, () => {
          message.header(IFINFOMSG)
          vethEnd(peer)
        })
      )
    })
    request(`add veth ${end.name}`)
  }

  const deleteLink = (name: string): void => {
    const { ifindex } = getLink(name)
    begin(RTM_DELLINK)
    linkHeader(ifindex)
    request(`delete link ${name}`)
  }

  const addAddress = (name: string, address: string): void => {
    const { ifindex } = getLink(name)
    const { bytes, length } = parsePrefix(address)
    begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)
    const at = message.header(8)
    message.view.setUint8(at, family(bytes))
    message.view.setUint8(at + 1, length)
    // An IPv6 address is usable at once: nobody else is on a link that was just made.
    message.view.setUint8(at + 2, IFA_F_NODAD)
    message.view.setInt32(at + 4, ifindex, true)
    message.attribute(IFA_LOCAL, bytes)
    message.attribute(IFA_ADDRESS, bytes)
    request(`add address ${address} dev ${name}`)
  }

  const addRoute = ({ to, via, dev }: Route): void => {
    const out = dev === undefined ? undefined : getLink(dev).ifindex
    const gateway = via === undefined ? undefined : ipBytes(via)
    const target = to === 'default' ? undefined : parsePrefix(to)
    begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL)
    const at = message.header(12)
    message.view.setUint8(at, family(target?.bytes ?? gateway ?? new Uint8Array(4)))
    message.view.setUint8(at + 1, target?.length ?? 0)
    message.view.setUint8(at + 4, RT_TABLE_MAIN)
    message.view.setUint8(at + 5, RTPROT_STATIC)
    message.view.setUint8(at + 6, gateway ? 0 : RT_SCOPE_LINK)
    message.view.setUint8(at + 7, RTN_UNICAST)
    if (target) message.attribute(RTA_DST, target.bytes)
    if (gateway) message.attribute(RTA_GATEWAY, gateway)
    if (out !== undefined) message.attributeU32(RTA_OIF, out)
    request(`add route ${to}`)
  }

  const close = (): void => {
    libc.close(fd)
  }

  return { getLink, setLink, addVeth, deleteLink, addAddress, addRoute, close }
}

/** Opens a client for the length of one piece of work. */
export const withRtnetlink = <T>(work: (rtnl: Rtnetlink) => T): T => {
  const rtnl = openRtnetlink()
  try {
    return work(rtnl)
  } finally {
    rtnl.close()
  }
}
