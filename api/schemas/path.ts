/** The words that stand in paths, by their names, each with an example; what reads them is readPath (endpoints/change.ts). */
import { z } from 'zod'
import { address, ifname, lladdr, nexthopId, queryNumber } from './common.ts'
import { mrouteSource } from './mroute.ts'

type PathWord = { readonly schema: z.ZodType; readonly example: string }

export const PATH_WORDS: Readonly<Record<string, PathWord>> = {
  ifname: { schema: ifname, example: 'veth0' },
  local: { schema: address, example: '10.1.0.254' },
  prefixlen: { schema: queryNumber, example: '24' },
  table: {
    schema: z.string().meta({ description: 'a name of rt_tables, or a number' }),
    example: 'main',
  },
  addr: { schema: address, example: '10.5.0.0' },
  len: { schema: queryNumber, example: '16' },
  src: { schema: mrouteSource, example: '10.1.0.5' },
  dst: { schema: address, example: '10.1.0.5' },
  link: { schema: lladdr, example: '33:33:00:00:00:aa' },
  id: { schema: nexthopId, example: '7' },
  cookie: { schema: z.string().meta({ description: 'as `ss -e` prints it (sk:)' }), example: '2' },
  worker: { schema: queryNumber, example: '0' },
  name: {
    schema: z.string().meta({ description: 'a sysctl, its parts joined by dots' }),
    example: 'net.ipv4.ip_forward',
  },
  netns: { schema: z.string(), example: 'blue' },
  file: { schema: z.string().meta({ description: 'a file of /proc/net' }), example: 'snmp' },
}
