/** Numbers as people read them. */

const scaled = (value: number, units: readonly string[]): string => {
  let i = 0
  while (value >= 1000 && i < units.length - 1) {
    value /= 1000
    i++
  }
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)}${units[i]}`
}

export const count = (value: number): string => scaled(value, ['', ' k', ' M', ' G', ' T'])
export const rate = (value: number): string =>
  `${count(value < 10 ? round(value) : Math.round(value))}/s`
export const bits = (value: number): string =>
  scaled(Math.round(value), [' b/s', ' kb/s', ' Mb/s', ' Gb/s', ' Tb/s'])
export const bytes = (value: number): string => scaled(value, [' B', ' kB', ' MB', ' GB', ' TB'])
export const whole = (value: number): string => value.toLocaleString('en')
export const percent = (ratio: number): string => `${(ratio * 100).toFixed(ratio < 0.1 ? 1 : 0)} %`
const round = (value: number): number => Math.round(value * 10) / 10

/** The time of day, as every view writes it. */
export const clock = (at: Date): string => at.toLocaleTimeString('en-GB')

/** ADDR:PORT, as ss writes it. */
export const end = (addr: string, port: number | undefined): string => {
  if (!port) return addr
  return addr.includes(':') ? `[${addr}]:${port}` : `${addr}:${port}`
}
