/**
 * Netfilter's five hooks: a table of functions that the path asks at its five places. None is there until rules are;
 * a hook answers true for accept, false when it has taken the packet over (dropped or kept it). Filled at boot.
 * Linux: include/uapi/linux/netfilter.h, net/netfilter/core.c.
 */

/** `dev` is the device it came in on (PRE_ROUTING, LOCAL_IN) or leaves by. */
export type NfHook = (skb: number, dev: number) => boolean

export type NfHooks = ReturnType<typeof createNfHooks>

export const createNfHooks = () => {
  const hooks: NfHook[] = []
  for (let hook = 0; hook < 5; hook++) hooks[hook] = () => true
  // one word a hook: what the path looks at before it calls
  const armed = new Int32Array(5)
  const register = (hook: number, fn: NfHook): void => {
    hooks[hook] = fn
    armed[hook] = 1
  }
  /** True: go on with the packet. */
  const accepts = (hook: number, skb: number, dev: number): boolean =>
    armed[hook] === 0 || hooks[hook](skb, dev)
  return { register, accepts }
}
