// A network namespace of the kernel's, made and entered by this very thread: `ip` and `sysctl` lines run in it, and sockets
// and TAPs are opened in it. It lasts as long as somebody holds it. Whoever enters another has left this one.

import { writeFileSync } from 'node:fs'
import { check, libc, O_RDONLY, openPath } from '../../workers/os/libc.ts'

const CLONE_NEWNET = 0x40000000

/**
 * One `ip` that runs lines as they come. What a line says ends where the answer to a last one begins; some commands end
 * the program when they are refused, and another goes on.
 */
const createIp = (enter: () => void) => {
  const start = () => {
    enter()
    const child = Bun.spawn(['sh', '-c', 'exec ip -force -batch - 2>&1'], {
      stdin: 'pipe',
      stdout: 'pipe',
    })
    return { child, reader: child.stdout.getReader() }
  }
  let { child, reader } = start()
  const decoder = new TextDecoder()
  const END = /^1: lo: [^\n]*\n[^\n]*\n/m
  const run = async (line: string): Promise<string> => {
    child.stdin.write(`${line}\nlink show dev lo\n`)
    await child.stdin.flush()
    let said = ''
    while (!END.test(said)) {
      const { value, done } = await reader.read()
      if (done) {
        ;({ child, reader } = start())
        break
      }
      said += decoder.decode(value, { stream: true })
    }
    return said
      .replace(END, '')
      .replace(/Command failed -:\d+\n/, '')
      .trim()
  }
  return { run, close: () => child.kill() }
}

const setSysctl = (setting: string): string => {
  const [name = '', value = ''] = setting.split('=')
  try {
    writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, value)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

export type KernelNamespace = ReturnType<typeof createKernelNamespace>

export const createKernelNamespace = () => {
  check(libc.unshare(CLONE_NEWNET), 'unshare')
  const fd = openPath('/proc/thread-self/ns/net', O_RDONLY)
  const enter = (): void => {
    check(libc.setns(fd, CLONE_NEWNET), 'setns')
  }
  const ip = createIp(enter)
  /** Runs a line of `ip` or `sysctl NAME=VALUE`; what it says, which is nothing when all went well. */
  const run = async (line: string): Promise<string> => {
    enter()
    const [program, rest = ''] = line.split(/ (.*)/, 2)
    if (program === 'sysctl') return setSysctl(rest)
    if (program === 'ip') return ip.run(rest)
    throw new Error(`${program}?`)
  }
  const close = (): void => {
    libc.close(fd)
    ip.close()
  }
  return { fd, enter, run, close }
}
