/** /addresses: links with their addresses, like `ip addr`; one address is (dev, local, prefixlen). */
import type { Context } from 'hono'
import { Hono } from 'hono'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../core/control/nlm-flags.ts'
import { addrJson } from '../iproute2/addr.ts'
import { noSuchDevice, refused } from '../problem.ts'
import { address, ifname, queryNumber } from '../schemas/common.ts'
import { addressBody, addressFilter, addressSpec } from '../schemas/link.ts'
import { dumpOf, mustExist, readBody, readPath, sendChange } from './change.ts'
import type { Api, ApiEnv, AppDeps } from './deps.ts'
import { doc } from './doc.ts'
import { etag, readListQuery, sendList } from './list.ts'

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
    doc('Lists addresses by link', { tag, like: 'ip addr', query: addressFilter }),
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

  api.get('/links/:ifname/addresses', doc('Lists the addresses of a link', { tag }), (c) => {
    const dev = readPath(ifname, c.req.param('ifname'))
    const { words } = readListQuery(c, {})
    const infos = [...dumpOf(control, { type: 'RTM_GETADDR', filter: { dev } })].flat()
    if (!infos.some((link) => link.ifname === dev)) throw noSuchDevice(dev)
    return sendList(c, [infos.flatMap((link) => link.addr_info)], words, control.revision())
  })

  api.post(
    '/addresses',
    doc('Adds an address', { tag, like: 'ip addr add', body: addressSpec, status: 201 }),
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

  api.get(PATH, doc('Shows an address', { tag }), (c) => {
    const { dev, local, prefixlen } = identity(c)
    const links = [...dumpOf(control, { type: 'RTM_GETADDR', filter: { dev } })].flat()
    const found = links
      .flatMap((link) => link.addr_info)
      .find((info) => info.local === local && info.prefixlen === prefixlen)
    if (found === undefined) throw refused('ENOENT', 'Error: Address not found.')
    return c.json(found, 200, { ETag: etag(control.revision()) })
  })

  api.put(
    PATH,
    doc('Adds or replaces an address', { tag, like: 'ip addr replace', body: addressBody }),
    async (c) => {
      const address = { ...identity(c), ...(await readBody(c, addressBody)) }
      const flags = mustExist(c) ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_REPLACE
      return sendChange(c, control, { type: 'RTM_NEWADDR', flags, address })
    }
  )

  api.delete(PATH, doc('Deletes an address', { tag, like: 'ip addr del' }), (c) =>
    sendChange(c, control, { type: 'RTM_DELADDR', address: identity(c) })
  )
  return api
}
