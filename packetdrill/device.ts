/**
 * Commands of scripts about the device, `tun0` to them: its queue (tc). What they ask for is made true of the host under test;
 * what cannot be is not taken, and the script is skipped.
 */
import type { Host } from './host.ts'

/** A queue for nothing: every packet finds it full. */
const FULL = /^tc qdisc (?:add|replace) dev tun0 root pfifo limit 0$/
/** The queue that the device has anyway. */
const PLAIN = /^tc qdisc (?:(?:add|replace) dev tun0 root pfifo|del(?:ete)? dev tun0 root)$/

/** False when the line is none of these. */
export const runDeviceCommand = (line: string, host: Pick<Host, 'setFull'>): boolean => {
  const text = line.replace(/\s*2>\s*\/dev\/null/, '').trim()
  if (FULL.test(text)) host.setFull(true)
  else if (PLAIN.test(text)) host.setFull(false)
  else return false
  return true
}
