/**
 * The TOML file of a scene of `softnet demo`: LANs with simulated hosts, what these say to each other, and what to try. The
 * words of links, routes and switches are those of the configuration file. docs/scenes.md is for who writes one.
 */
import { z } from 'zod'
import { ifname } from './common.ts'
import { linkConfig } from './link.ts'
import { routeSpec } from './route.ts'
import { stackFields } from './config.ts'
import { sysctlValue } from './steering.ts'

const wire = linkConfig.omit({ kind: true, data: true, name: true, ifname: true })
const name = z.string().regex(/^[a-z][a-z0-9-]{0,14}$/, {
  error: (issue) => `"${String(issue.input)}" is no name of a host`,
})

const host = wire.extend({
  name,
  addresses: wire.shape.addresses.unwrap().min(1),
  route: z.array(routeSpec).optional(),
  sysctl: z.record(z.string(), sysctlValue).optional(),
})
const lan = wire.extend({ name: ifname, host: z.array(host).min(1).max(16) })

/** One, or several. */
const ends = z.union([z.string(), z.array(z.string()).min(1)]).transform((given) => [given].flat())
const millisec = z.int().min(1).max(3_600_000)
const octets = z.int().min(1).max(1_000_000_000)
const said = { from: ends, every_ms: millisec }
const traffic = z.discriminatedUnion('kind', [
  z
    .strictObject({ kind: z.literal('datagrams'), ...said, to: ends })
    .meta({ description: 'a UDP datagram that is echoed' }),
  z
    .strictObject({ kind: z.literal('downloads'), ...said, to: ends, bytes: octets })
    .meta({ description: 'an HTTP download over a connection of its own' }),
  z
    .strictObject({ kind: z.literal('stream'), ...said, to: ends, bytes: octets })
    .meta({ description: 'so many octets more over a connection that stays' }),
  z.strictObject({ kind: z.literal('packets'), ...said, packet: z.string() }).meta({
    description: 'a packet in the words of softnet trace --dry; each * is a number by chance',
  }),
])

export const scene = z
  .strictObject({
    title: z.string().min(1),
    about: z.string(),
    try: z.array(z.strictObject({ run: z.string().min(1), shows: z.string() })),
    lan: z.array(lan).min(1).max(8),
    traffic: z.array(traffic).optional(),
    ...stackFields,
  })
  .omit({ link: true })
  .superRefine(({ lan: lans, traffic: flows = [] }, context) => {
    const names = lans.flatMap((one) => one.host.map((each) => each.name))
    names.forEach((each, at) => {
      if (names.indexOf(each) !== at)
        context.addIssue({
          code: 'custom',
          path: ['lan'],
          message: `there are two hosts "${each}"`,
        })
    })
    flows.forEach(({ from }, at) => {
      for (const each of from)
        if (!names.includes(each))
          context.addIssue({
            code: 'custom',
            path: ['traffic', at, 'from'],
            message: `there is no host "${each}"`,
          })
    })
  })
export type Scene = z.infer<typeof scene>

/** For `softnet demo --schema`: what one may write. */
export const sceneJsonSchema = (): unknown =>
  z.toJSONSchema(scene, { io: 'input', target: 'draft-2020-12' })
