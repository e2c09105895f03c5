/**
 * `ss -E`: sockets as they are destroyed, until the daemon goes or the user ends it. A connection ends when TIME-WAIT begins: what is
 * left of it then is no socket. iproute2: handle_follow_request (misc/ss.c); Linux: sock_diag_broadcast_destroy().
 */
import type { SockItem, SockProtocol } from '../../../core/control/text/messages.ts'
import { createSsPrinter, type SsShow } from '../../iproute2/ss.ts'
import type { Cli } from '../cli.ts'
import { getStream, printJson, Refused } from '../cli.ts'
import { readEvents } from '../events.ts'

/** Of these alone Linux tells that they end. */
const FOLLOWED: readonly string[] = ['tcp', 'udp'] satisfies SockProtocol[]
/** What a connection has left, and what may become one. */
const NO_SOCKETS = ['TIME-WAIT', 'SYN-RECV']

export const followSockets = async (
  cli: Cli,
  protocols: readonly SockProtocol[],
  isShown: (sock: SockItem) => boolean,
  show: SsShow
): Promise<number> => {
  // to whom there is nothing to tell of, ss says nothing
  if (!protocols.some((protocol) => FOLLOWED.includes(protocol))) return 1
  const print = createSsPrinter(show)
  const events = await getStream(cli, '/v1/watch', { kinds: 'socket' })
  for await (const { event, data } of readEvents(events)) {
    if (event !== 'socket' || data === undefined) continue
    const { event: what, item } = JSON.parse(data) as { event: string; item: SockItem }
    const isEnd = what === 'del' ? !NO_SOCKETS.includes(item.state) : item.state === 'TIME-WAIT'
    if (!isEnd || !FOLLOWED.includes(item.netid) || !isShown(item)) continue
    if (cli.json) printJson(cli, item)
    else cli.out(print([{ ...item, state: 'UNCONN' }]))
  }
  throw new Refused('softnet: the daemon ended the stream')
}
