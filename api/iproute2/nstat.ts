/** Counters as nstat prints them. iproute2: misc/nstat.c. */

/** Without -z, what is 0 is left out. The last column is the rate, which only its daemon knows. */
export const nstatText = (counters: Readonly<Record<string, number>>, withZeros: boolean): string =>
  [
    '#kernel',
    ...Object.entries(counters)
      .filter(([, value]) => withZeros || value !== 0)
      .map(([name, value]) => `${name.padEnd(32)}${String(value).padEnd(16)}   0.0`),
  ].join('\n')

export const nstatJson = (counters: Readonly<Record<string, number>>, withZeros: boolean) => ({
  kernel: Object.fromEntries(
    Object.entries(counters).filter(([, value]) => withZeros || value !== 0)
  ),
})
