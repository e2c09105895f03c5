/**
 * The soft link kinds: those that need nothing but the arena. To add one is to write its file and its line here; control,
 * every stack and the nic take their halves from this list (a host may have more behind it). The number in a device's row
 * follows from the place in the list, so all threads of a host are made with the same one.
 */
import { numbered } from '../../shm/counters.ts'
import type { StartXmit } from '../../netdev/netdev.ts'
import { NETDEV_TX_OK } from '../../netdev/netdev.ts'
import { Drop } from '../../skb/drop.ts'
import { dummy } from './dummy.ts'
import type { PathKind, XmitEnv } from './link-kind.ts'
import { lo } from './lo.ts'
import { port } from './port.ts'
import { type Far, veth, vethOf } from './veth.ts'
import { vrf } from './vrf.ts'

export const SOFT_KINDS = [lo, veth, dummy, port, vrf] as const
/** The same, for a net among others. */
export const softKindsOf = (far: Far | null) => [lo, vethOf(far), dummy, port, vrf] as const

/** DEV_KIND of each; 0 is none. */
export const kindNumbers = <Name extends string>(
  kinds: readonly { readonly name: Name }[]
): Readonly<Record<Name, number>> =>
  numbered(
    kinds.map(({ name }) => name),
    1
  )

/** start_xmit by DEV_KIND, for one stack. */
export const startXmits = (kinds: readonly PathKind[], env: XmitEnv): StartXmit[] => {
  const none: StartXmit = (skb) => {
    env.drop(skb, Drop.DEV_READY)
    return NETDEV_TX_OK
  }
  return [none, ...kinds.map(({ startXmit }) => startXmit(env))]
}
