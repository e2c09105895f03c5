import { expect, test } from 'bun:test'
import { openSync } from 'node:fs'
import { refusal } from '../../../workers/devices/answers.ts'
import { Errno, OsError } from '../../../workers/os/libc.ts'

const caught = (work: () => unknown): unknown => {
  try {
    return work()
  } catch (error) {
    return error
  }
}

test.each([
  ['ours', new OsError('open /x', Errno.EISDIR), Errno.EISDIR],
  ["Node's", caught(() => openSync('/nowhere/file', 'r')), Errno.ENOENT],
  ['one without a number', new Error('no'), Errno.EIO],
])('an error of the system keeps its errno: %s', (_, error, errno) => {
  expect(refusal(error, 'EIO', 'data.replay')).toMatchObject({ error: errno, field: 'data.replay' })
})
