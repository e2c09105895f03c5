/** /proc/net/*: the files that existing tools parse, byte for byte as the kernel writes them. */
import { Hono } from 'hono'
import { z } from 'zod'
import type {
  Control,
  DumpItem,
  DumpOf,
  DumpType,
  FamilyName,
} from '../../core/control/text/messages.ts'
import * as multicast from '../iproute2/proc-multicast.ts'
import * as proc from '../iproute2/proc-net.ts'
import * as proc6 from '../iproute2/proc-net6.ts'
import { refused } from '../problem.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'

const all = <T extends DumpType>(control: Control, request: DumpOf<T>): DumpItem<T>[] =>
  [...control.dump(request)].flat()

const counters = async (control: Control): Promise<Record<string, number>> => {
  const reply = await control.request({ type: 'NSTAT_GET' })
  return 'item' in reply ? reply.item : {}
}

const sysctl = async (control: Control, name: string, otherwise: number): Promise<number> => {
  const reply = await control.request({ type: 'SYSCTL_GET', name })
  return 'item' in reply ? Number(reply.item.value) : otherwise
}

const vifs = (control: Control, family: FamilyName) =>
  all(control, { type: 'MVIF', filter: { family } })
const mroutes = (control: Control, family: FamilyName) =>
  all(control, { type: 'RTM_GETMROUTE', filter: { family } })

type File = (control: Control) => string | Promise<string>

const FILES: Readonly<Record<string, File>> = {
  softnet_stat: (control) => proc.softnetStat(all(control, { type: 'WORKER' })),
  snmp: async (control) =>
    proc.snmp(
      await counters(control),
      await sysctl(control, 'net.ipv4.ip_forward', 1),
      await sysctl(control, 'net.ipv4.ip_default_ttl', 64)
    ),
  snmp6: async (control) => proc6.snmp6(await counters(control)),
  netstat: async (control) => proc.netstat(await counters(control)),
  dev: (control) => proc.dev(all(control, { type: 'RTM_GETLINK' })),
  route: (control) =>
    proc.route(all(control, { type: 'RTM_GETROUTE', filter: { family: 'inet', table: 'main' } })),
  arp: (control) =>
    proc.arp([
      ...all(control, { type: 'RTM_GETNEIGH', filter: { family: 'inet' } }),
      ...all(control, { type: 'RTM_GETNEIGH', filter: { family: 'inet', proxy: true } }),
    ]),
  igmp: (control) => multicast.igmp(all(control, { type: 'RTM_GETMULTICAST' })),
  igmp6: (control) => multicast.igmp6(all(control, { type: 'RTM_GETMULTICAST' })),
  dev_mcast: (control) => multicast.devMcast(all(control, { type: 'RTM_GETMULTICAST' })),
  mcfilter: (control) => multicast.mcfilter(all(control, { type: 'RTM_GETMULTICAST' })),
  mcfilter6: (control) => multicast.mcfilter6(all(control, { type: 'RTM_GETMULTICAST' })),
  ip_mr_vif: (control) => multicast.ipMrVif(vifs(control, 'inet')),
  ip_mr_cache: (control) => multicast.ipMrCache(mroutes(control, 'inet'), vifs(control, 'inet')),
  ip6_mr_vif: (control) => multicast.ip6MrVif(vifs(control, 'inet6')),
  ip6_mr_cache: (control) =>
    multicast.ip6MrCache(mroutes(control, 'inet6'), vifs(control, 'inet6')),
  tcp: (control) =>
    proc.tcp(all(control, { type: 'SOCK_DIAG', filter: { protocol: ['tcp'], family: 'inet' } })),
  tcp6: (control) =>
    proc.tcp6(all(control, { type: 'SOCK_DIAG', filter: { protocol: ['tcp'], family: 'inet6' } })),
  udp: (control) =>
    proc.udp(all(control, { type: 'SOCK_DIAG', filter: { protocol: ['udp'], family: 'inet' } })),
  udp6: (control) =>
    proc.udp6(all(control, { type: 'SOCK_DIAG', filter: { protocol: ['udp'], family: 'inet6' } })),
  raw: (control) =>
    proc.raw(all(control, { type: 'SOCK_DIAG', filter: { protocol: ['raw'], family: 'inet' } })),
  raw6: (control) =>
    proc.raw6(all(control, { type: 'SOCK_DIAG', filter: { protocol: ['raw'], family: 'inet6' } })),
  packet: (control) =>
    proc.packet(
      all(control, { type: 'SOCK_DIAG', filter: { protocol: ['packet'] } }),
      all(control, { type: 'RTM_GETLINK' })
    ),
  icmp: (control) =>
    proc.icmp(all(control, { type: 'SOCK_DIAG', filter: { protocol: ['icmp'], family: 'inet' } })),
  icmp6: (control) =>
    proc.udp6(all(control, { type: 'SOCK_DIAG', filter: { protocol: ['icmp'], family: 'inet6' } })),
  anycast6: (control) => {
    const links = all(control, { type: 'RTM_GETLINK' })
    return proc6.anycast6(
      all(control, { type: 'RTM_GETROUTE', filter: { family: 'inet6', table: 'local' } }),
      (dev) => links.find(({ ifname }) => ifname === dev)?.ifindex
    )
  },
  if_inet6: (control) => proc6.ifInet6(all(control, { type: 'RTM_GETADDR' })),
  ipv6_route: (control) =>
    proc6.ipv6Route(
      all(control, { type: 'RTM_GETROUTE', filter: { family: 'inet6', table: 'all' } })
    ),
}

export const createProcEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()
  api.get(
    '/proc/net/:file',
    doc('A file of /proc/net', { tag: 'proc', media: { 'text/plain': z.string() } }),
    async (c) => {
      const name = c.req.param('file')
      if (!Object.hasOwn(FILES, name)) {
        throw refused('ENOENT', `cat: /proc/net/${name}: No such file or directory`, [
          { field: 'file', message: `one of ${Object.keys(FILES).join(', ')}` },
        ])
      }
      return c.text(await FILES[name]!(control), 200)
    }
  )
  return api
}
