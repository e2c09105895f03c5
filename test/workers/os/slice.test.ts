import { expect, test } from 'bun:test'
import { release } from 'node:os'
import { block, libc } from '../../../workers/os/libc.ts'
import { takeShortTurns } from '../../../workers/os/slice.ts'

const NR_GETATTR = process.arch === 'arm64' ? 275 : 315
const attr = () => {
  const { at, view } = block(48)
  expect(libc.syscall(NR_GETATTR, 0, at, 48, 0, 0, 0)).toBe(0)
  const [policy, nice] = [view.getUint32(4, true), view.getInt32(16, true)]
  return { policy, nice, sliceNs: Number(view.getBigUint64(24, true)) }
}
const [major, minor] = release().split('.').map(Number)
const hasSlices = major! > 6 || (major === 6 && minor! >= 12)

test('a thread that takes short turns keeps all else that it has', () => {
  const { sliceNs: _, ...before } = attr()
  takeShortTurns()
  const { sliceNs, ...after } = attr()
  expect(after).toEqual(before)
  if (hasSlices) expect(sliceNs).toBe(200_000)
})
