/**
 * Begins a record on a ring between an application and a worker, on either side: whom it is for, and nothing else yet. Word by
 * word, where it lies: a call that fills it, and one that copies it there, cost more (bench/app-request.ts).
 */
import { APP_RECORD_WORDS } from '../shm/layout.ts'
import { E_ADDR, E_OP, E_SID, E_TAG, E_USER } from './app-constants.ts'

export const putRecord = (
  i32: Int32Array,
  at: number,
  op: number,
  sid: number,
  user: number,
  tag: number
): void => {
  i32[at + E_OP] = op
  i32[at + E_SID] = sid
  i32[at + E_USER] = user
  i32[at + E_TAG] = tag
  for (let w = E_ADDR; w < APP_RECORD_WORDS; w++) i32[at + w] = 0
}
