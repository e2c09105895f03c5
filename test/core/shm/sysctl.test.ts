import { expect, test } from 'bun:test'
import { SYSCTLS } from '../../../core/shm/sysctl.ts'

test.each(SYSCTLS)(
  'the default of %s is a value that can be set',
  (_name, _index, value, min, max) => {
    expect(value).toBeGreaterThanOrEqual(min)
    expect(value).toBeLessThanOrEqual(max)
  }
)
