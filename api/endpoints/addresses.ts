/** /addresses: links with their addresses, like `ip addr`; one address is (dev, local, prefixlen). */
import type { Context } from 'hono'
import { Hono } from 'hono'
import { addressInfo, addressItem } from '../schemas/answers/link.ts'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../core/control/nlm-flags.ts'
import { addrJson } from '../iproute2/addr.ts'
import { noSuchDevice, refused } from '../problem.ts'
import { address, ifname, queryNumber } from '../schemas/common.ts'
import { addressBody, addressFilter, addressSpec } from '../schemas/link.ts'
import { dumpOf, mustExist, readBody, readPath, sendChange, showItem } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { readListQuery, sendList } from './list.ts'

const tag = 'addresses'
const PATH = '/links/:ifname/addresses/:local/:prefixlen'

export const createAddressEndpoints = ({ control }: AppDeps): Api => {
  const api: Api = new Hono<ApiEnv>()

  const identity = (c: Context<ApiEnv, typeof PATH>) => ({
    dev: readPath(ifname, c.req.param('ifname')),
    local: readPath(address, c.req.param('local')),
    prefixlen: readPath(queryNumber, c.req.param('prefixlen')),
  })

  api.get(
    '/addresses',
    doc('Lists addresses by link', {
      tag,
      like: 'ip addr',
      query: addressFilter,
      items: addressItem,
    }),
    (c) => {
      const { words, filter } = readListQuery(c, addressFilter)
      return sendList(
        c,
        dumpOf(control, { type: 'RTM_GETADDR', filter }),
        words,
        control.revision(),
        addrJson
      )
    }
  )

  api.get(
    '/links/:ifname/addresses',
    doc('Lists the addresses of a link', { tag, items: addressInfo }),
    (c) => {
      const dev = readPath(ifname, c.req.param('ifname'))
      const { words } = readListQuery(c, {})
      const infos = [...dumpOf(control, { type: 'RTM_GETADDR', filter: { dev } })].flat()
      if (!infos.some((link) => link.ifname === dev)) throw noSuchDevice(dev)
      return sendList(c, [infos.flatMap((link) => link.addr_info)], words, control.revision())
    }
  )

  api.post(
    '/addresses',
    doc('Adds an address', {
      tag,
      like: 'ip addr add',
      body: addressSpec,
      example: { dev: 'veth0', local: '10.1.0.1', prefixlen: 24 },
      change: addressInfo,
      status: 201,
    }),
    async (c) => {
      const address = await readBody(c, addressSpec)
      return sendChange(
        c,
        control,
        { type: 'RTM_NEWADDR', flags: NLM_F_CREATE | NLM_F_EXCL, address },
        201
      )
    }
  )

  api.get(PATH, doc('Shows an address', { tag, item: addressInfo }), (c) => {
    const { dev, local, prefixlen } = identity(c)
    const links = [...dumpOf(control, { type: 'RTM_GETADDR', filter: { dev } })].flat()
    const found = links
      .flatMap((link) => link.addr_info)
      .find((info) => info.local === local && info.prefixlen === prefixlen)
    if (found === undefined) throw refused('ENOENT', 'Error: Address not found.')
    return showItem(c, found, control.revision())
  })

  api.put(
    PATH,
    doc('Adds or replaces an address', {
      tag,
      like: 'ip addr replace',
      body: addressBody,
      example: { valid_life_time: 3600, preferred_life_time: 1800 },
      change: addressInfo,
    }),
    async (c) => {
      const address = { ...identity(c), ...(await readBody(c, addressBody)) }
      const flags = mustExist(c) ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_REPLACE
      return sendChange(c, control, { type: 'RTM_NEWADDR', flags, address })
    }
  )

  api.delete(
    PATH,
    doc('Deletes an address', { tag, like: 'ip addr del', change: addressInfo }),
    (c) => sendChange(c, control, { type: 'RTM_DELADDR', address: identity(c) })
  )
  return api
}
