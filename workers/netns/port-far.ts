/** The path's half of a veth whose other end is in a namespace: it has a port. Every thread of the default net. */
import { createPortReceive, createPortXmit } from '../../core/dev/kinds/ports.ts'
import type { Far } from '../../core/dev/kinds/veth.ts'

export const PORT_FAR: Pick<Far, 'startXmit' | 'receive'> = {
  startXmit: createPortXmit,
  receive: createPortReceive,
}
