/**
 * The table of commands: from it come `softnet help`, the dispatch (run.ts), shell completions (completion.ts) and the man
 * pages (man.ts).
 */
import type { Commands } from './cli.ts'
import { completion } from './completion.ts'
import { config } from './config.ts'
import { ethtool } from './ethtool.ts'
import { exec } from './exec.ts'
import { IP_OBJECTS, ip } from './ip.ts'
import { man } from './man.ts'
import { nstat } from './nstat.ts'
import { bench, packetdrill, sim } from './programs.ts'
import { ss } from './ss.ts'
import { dropwatch, flows, memory, softnetStat, sysctl } from './stats.ts'
import { tc } from './tc.ts'
import { tcpdump } from './tcpdump.ts'
import { top } from './top.ts'
import { trace } from './trace.ts'
import { demo, up } from './up.ts'

export const COMMANDS: Commands = {
  up: { run: up, does: 'run the daemon in the foreground' },
  demo: { run: demo, does: 'a router, hosts and traffic, with no privilege at all' },
  exec: { run: exec, does: 'run a program in a network whose only way out is the daemon' },
  ip: { run: ip, does: 'links, addresses, routes, neighbours, as iproute2', objects: IP_OBJECTS },
  ss: { run: ss, does: 'sockets' },
  ethtool: { run: ethtool, does: 'RSS, queues, offloads, rings, statistics of a link' },
  tc: { run: tc, does: 'loss, delay and their like on a link, as iproute2', objects: ['qdisc'] },
  nstat: {
    run: nstat,
    does: 'protocol counters',
    usage: `[ -a ] [ -z ] [ -s ] [ -n ] [ -r ] [ -p ] [ -j ] [ PATTERN ]...
   what has come since the last look, which $NSTAT_HISTORY has (a file of yours in /tmp)
   -a all there ever was   -z zeros too   -s do not write the history   -n do nothing else   -r begin it anew
   -j JSON   -p pretty   -V version`,
  },
  sysctl: {
    run: sysctl,
    does: 'the switches',
    usage:
      '[ -a | -w ] [ -n ] [ -q ] [ -j ] NAME[=VALUE]...\n   -a all   -w set   -n values alone   -q say nothing   -j JSON',
  },
  'softnet-stat': {
    run: softnetStat,
    does: 'what each worker did',
    usage: '[ --raw | -j ]\n   --raw /proc/net/softnet_stat   -j JSON',
  },
  top: { run: top, does: 'what the workers do now: load, drops, flows by rate' },
  dropwatch: {
    run: dropwatch,
    does: 'packets that died unused, by reason and place',
    usage: '[ -j ]',
  },
  memory: { run: memory, does: 'who holds packet memory, against his bound', usage: '[ -j ]' },
  flows: { run: flows, does: 'which worker owns which flow', usage: '[ -j ]' },
  config: { run: config, does: 'the running state as a file, and a file as the state' },
  tcpdump: { run: tcpdump, does: 'frames as they go by, in words or as pcapng' },
  trace: { run: trace, does: 'the way of the next packets, or of a made-up one, stage by stage' },
  bench: {
    run: bench,
    does: 'what it costs and how fast it is, beside the kernel',
    isProgram: true,
  },
  packetdrill: {
    run: packetdrill,
    does: 'plays scripts of packetdrill against a stack in this process',
    isProgram: true,
  },
  sim: {
    run: sim,
    does: 'whole networks in virtual time, from a seed',
    isProgram: true,
  },
  completion: {
    run: (args, cli) => completion(args, cli, COMMANDS),
    does: "a script that completes softnet's command lines in a shell",
    usage: '{ bash | zsh | fish }\n   bash: source <(softnet completion bash)',
  },
  man: {
    run: (args, cli) => man(args, cli, COMMANDS),
    does: 'the manual page of softnet, or of a command',
    usage: '[ COMMAND ]\n   "softnet man ip | man -l -" shows it',
  },
}
