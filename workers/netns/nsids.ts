/** The numbers that a net has for others: each is given when the other is first spoken of, and free when it ends (RTM_NEWNSID). */
export const createNsids = () => {
  const ids = new Map<string, number>()
  const of = (name: string): number => {
    const known = ids.get(name)
    if (known !== undefined) return known
    const used = new Set(ids.values())
    let id = 0
    while (used.has(id)) id++
    ids.set(name, id)
    return id
  }
  return {
    of,
    /** The one that it has, if it has one. */
    find: (name: string): number | undefined => ids.get(name),
    forget: (name: string): void => void ids.delete(name),
  }
}
