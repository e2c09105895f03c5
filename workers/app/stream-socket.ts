/**
 * A stream of an application with the calls of socket(2), each of which answers by a promise, beside those that sockets of datagrams
 * have (message-socket.ts): its options, control messages and error queue, which Node's shape has no place for. It lives on one
 * worker; one that listens has a socket on each, as connections come to all of them. Application thread only.
 */
import { Errno } from '../../core/base/errno.ts'
import { AppOp, E_LPORT } from '../../core/socket/app-constants.ts'
import { MSG_DONTWAIT } from '../../core/socket/socket-constants.ts'
import { ANY_V6 } from './address.ts'
import type { Engine } from './engine.ts'
import { netError } from './errors.ts'
import { AppMessageSocket, type MessageSocketOptions, type SendOptions } from './message-socket.ts'

export type StreamSocketOptions = Pick<MessageSocketOptions, 'family' | 'protocol'>

export class AppStreamSocket extends AppMessageSocket {
  #listens = false

  constructor(engine: Engine, options: StreamSocketOptions = {}) {
    super(engine, options, true)
  }
  protected override get outlives(): boolean {
    return this.#listens
  }

  /** Listens at the port that it is bound to, or at one that is chosen, on all workers. */
  async listen(backlog: number): Promise<void> {
    const { i32 } = this.engine.arena
    const listen = (sid: number): void => this.engine.ask(AppOp.LISTEN, sid, backlog)
    if (this.#listens) return this.tell('listen', listen)
    const port = await this.ask(0, 'listen', (at) => i32[at + E_LPORT], listen)
    if (!this.steps.has('bind'))
      this.steps.set('bind', (sid) => this.engine.askWithAddress(AppOp.BIND, sid, ANY_V6, port))
    this.steps.set('listen', listen)
    this.#listens = true
    for (let worker = 1; worker < this.engine.workers; worker++) await this.reopen(worker)
  }
  /** The next connection. Waits for it, but with MSG_DONTWAIT: then EAGAIN. */
  accept(flags = 0): Promise<AppStreamSocket> {
    return this.turns('accept', (flags & MSG_DONTWAIT) !== 0, (place) => this.#accept(place))
  }
  async #accept(place: number): Promise<AppStreamSocket> {
    const listener = this.sids[place]
    const child = new AppStreamSocket(this.engine, { family: this.family === 2 ? 'IPv4' : 'IPv6' })
    const sid = child.claim(this.engine.workerOf(listener), 0)
    if (sid === 0) throw netError(-Errno.EMFILE, 'accept')
    try {
      await child.ask(
        0,
        'accept',
        () => undefined,
        () => this.engine.askAccept(listener, sid, 0, true)
      )
    } catch (error) {
      // of a worker that was restarted nothing is left
      if ((error as { errno: number }).errno !== -Errno.ECONNRESET) this.engine.release(sid)
      throw error
    }
    return child
  }

  /** How many octets were taken, which may be fewer. Waits for room, but with MSG_DONTWAIT: then EAGAIN. */
  override sendmsg(data: Uint8Array, options: SendOptions = {}): Promise<number> {
    const isNow = ((options.flags ?? 0) & MSG_DONTWAIT) !== 0
    return this.turns('sendmsg', isNow, () => super.sendmsg(data, options))
  }
}
