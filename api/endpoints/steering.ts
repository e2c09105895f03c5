/** /links/{ifname}/{rss,channels,features,rings,rps,stats,driver,rx-flow-hash}: like `ethtool -x -l -k -g -S -i -n`. */
import { Hono } from 'hono'
import * as answers from '../schemas/answers/ethtool.ts'
import { check } from '../schemas/check.ts'
import { ifname } from '../schemas/common.ts'
import {
  channelsBody,
  featuresBody,
  flowHashBody,
  flowType,
  ringsBody,
  rpsBody,
  rssBody,
} from '../schemas/steering.ts'
import { readBody, readPath, sendChange, sendItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'

const tag = 'steering'

export const createSteeringEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()
  const name = (param: string): string => readPath(ifname, param)

  api.get(
    '/links/:ifname/rss',
    doc('RSS table, key and function', { tag, like: 'ethtool -x', item: answers.rssItem }),
    (c) =>
      sendItem(c, control, { type: 'ETHTOOL_MSG_RSS_GET', ifname: name(c.req.param('ifname')) })
  )
  api.put(
    '/links/:ifname/rss',
    doc('Sets the RSS table or key', {
      tag,
      like: 'ethtool -X',
      body: rssBody,
      example: { equal: 2 },
      change: answers.rssItem,
    }),
    async (c) => {
      const rss = { ifname: name(c.req.param('ifname')), ...(await readBody(c, rssBody)) }
      return sendChange(c, control, { type: 'ETHTOOL_MSG_RSS_SET', rss })
    }
  )

  api.get(
    '/links/:ifname/channels',
    doc('Queues', { tag, like: 'ethtool -l', item: answers.channelsItem }),
    (c) =>
      sendItem(c, control, {
        type: 'ETHTOOL_MSG_CHANNELS_GET',
        ifname: name(c.req.param('ifname')),
      })
  )
  api.put(
    '/links/:ifname/channels',
    doc('Sets queues', {
      tag,
      like: 'ethtool -L',
      body: channelsBody,
      example: { combined: 1 },
      change: answers.channelsItem,
    }),
    async (c) => {
      const channels = await readBody(c, channelsBody)
      return sendChange(c, control, {
        type: 'ETHTOOL_MSG_CHANNELS_SET',
        ifname: name(c.req.param('ifname')),
        ...channels,
      })
    }
  )

  api.get(
    '/links/:ifname/features',
    doc('Offloads', { tag, like: 'ethtool -k', item: answers.featuresItem }),
    (c) =>
      sendItem(c, control, {
        type: 'ETHTOOL_MSG_FEATURES_GET',
        ifname: name(c.req.param('ifname')),
      })
  )
  api.put(
    '/links/:ifname/features',
    doc('Switches offloads', {
      tag,
      like: 'ethtool -K',
      body: featuresBody,
      example: { 'tcp-segmentation-offload': false },
      change: answers.featuresItem,
    }),
    async (c) => {
      const features = await readBody(c, featuresBody)
      return sendChange(c, control, {
        type: 'ETHTOOL_MSG_FEATURES_SET',
        ifname: name(c.req.param('ifname')),
        features,
      })
    }
  )

  api.get(
    '/links/:ifname/rings',
    doc('Ring sizes', { tag, like: 'ethtool -g', item: answers.ringsItem }),
    (c) =>
      sendItem(c, control, { type: 'ETHTOOL_MSG_RINGS_GET', ifname: name(c.req.param('ifname')) })
  )
  api.put(
    '/links/:ifname/rings',
    doc('Sets ring sizes', {
      tag,
      like: 'ethtool -G',
      body: ringsBody,
      example: { tx: 512 },
      change: answers.ringsItem,
    }),
    async (c) => {
      const rings = await readBody(c, ringsBody)
      return sendChange(c, control, {
        type: 'ETHTOOL_MSG_RINGS_SET',
        ifname: name(c.req.param('ifname')),
        ...rings,
      })
    }
  )

  api.get(
    '/links/:ifname/rps',
    doc('Receive packet steering', { tag, item: answers.rpsItem }),
    (c) => sendItem(c, control, { type: 'RPS_GET', ifname: name(c.req.param('ifname')) })
  )
  api.put(
    '/links/:ifname/rps',
    doc('Sets receive packet steering', {
      tag,
      body: rpsBody,
      example: { rps_cpus: '3' },
      change: answers.rpsItem,
    }),
    async (c) => {
      const rps = await readBody(c, rpsBody)
      return sendChange(c, control, {
        type: 'RPS_SET',
        ifname: name(c.req.param('ifname')),
        ...rps,
      })
    }
  )

  api.get(
    '/links/:ifname/stats',
    doc('Driver statistics', { tag, like: 'ethtool -S', item: answers.statsItem }),
    (c) =>
      sendItem(c, control, { type: 'ETHTOOL_MSG_STATS_GET', ifname: name(c.req.param('ifname')) })
  )
  api.get(
    '/links/:ifname/driver',
    doc('Driver', { tag, like: 'ethtool -i', item: answers.drvinfoItem }),
    (c) => sendItem(c, control, { type: 'ETHTOOL_GDRVINFO', ifname: name(c.req.param('ifname')) })
  )

  api.get(
    '/links/:ifname/rx-flow-hash',
    doc('Fields that are hashed', {
      tag,
      like: 'ethtool -n DEV rx-flow-hash TYPE',
      query: { 'flow-type': flowType.optional() },
      item: answers.flowHashItem,
    }),
    (c) =>
      sendItem(c, control, {
        type: 'ETHTOOL_GRXFH',
        ifname: name(c.req.param('ifname')),
        'flow-type': check(flowType, c.req.query('flow-type') ?? 'tcp4', 'unreadable'),
      })
  )
  api.put(
    '/links/:ifname/rx-flow-hash',
    doc('Chooses the fields that are hashed', {
      tag,
      like: 'ethtool -N',
      body: flowHashBody,
      example: { 'flow-type': 'tcp4', fields: ['ip-src', 'ip-dst'] },
      change: answers.flowHashItem,
    }),
    async (c) => {
      const hash = await readBody(c, flowHashBody)
      return sendChange(c, control, {
        type: 'ETHTOOL_SRXFH',
        ifname: name(c.req.param('ifname')),
        ...hash,
      })
    }
  )
  return api
}
