/** Counters as nstat prints them. iproute2: misc/nstat.c. */

type Counters = Readonly<Record<string, number>>

/** In nstat's order, which reads snmp and snmp6 before netstat; what is 0 only with -z. */
const shown = (counters: Counters, withZeros: boolean): [name: string, value: number][] => {
  const isLate = (name: string): boolean => /^(Tcp|Ip)Ext/.test(name)
  const all = Object.entries(counters).filter(([, value]) => withZeros || value !== 0)
  return [...all.filter(([name]) => !isLate(name)), ...all.filter(([name]) => isLate(name))]
}

/** The last column is the rate, which only its daemon knows. */
export const nstatText = (counters: Counters, withZeros: boolean): string =>
  [
    '#kernel',
    ...shown(counters, withZeros).map(
      ([name, value]) => `${name.padEnd(32)}${String(value).padEnd(16)}   0.0`
    ),
  ].join('\n')

export const nstatJson = (counters: Counters, withZeros: boolean) => ({
  kernel: Object.fromEntries(shown(counters, withZeros)),
})
