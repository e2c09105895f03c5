export const root: string
export const fail: (message: string) => never
export const ensureInstalled: () => boolean
export const runBun: (entry: string, args: string[], env?: Record<string, string>) => void
