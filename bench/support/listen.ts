/** listen(2) and accept(2) of the kernel's own TCP, which softnet itself has no use for. */
import { dlopen } from 'bun:ffi'

export const { listen, accept } = dlopen('libc.so.6', {
  listen: { args: ['i32', 'i32'], returns: 'i32' },
  accept: { args: ['i32', 'usize', 'usize'], returns: 'i32' },
}).symbols
