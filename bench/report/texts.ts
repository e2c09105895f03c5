/** The words of performance.md: what each part measures, and how to read it. */

export const INTRODUCTION = `# Performance

Written by \`softnet bench --report docs\`, figures, tables and plots alike: to renew it is to run that. Measured on:
MACHINE.

Read the ratios first: another machine, or the same one on another day, has other digits. softnet and its reference are measured in
turns in one run, so that what slows one slows the other; the spread is that of the pairs. A cost in CPU time is steadier
than a rate, and comes first where both stand. What the shapes mean: \`rps x1\` is a nic thread that reads the devices and steers
flows to one worker, \`multiqueue x1\` one worker that reads its own queue.`

export const TEXTS = {
  memory: {
    title: 'Forwarding in memory',
    method: `What the code itself costs, with no system call: 60-byte frames of 512 flows in batches of 64, each part in a thread of its own,
with stand-ins for the others. The first packets run before the compiler is done. \`npm test\` fails when a part costs a quarter more, against
a loop of the same run, than \`bench/guard.json\` says (\`bun bench/guard.ts --renew\` writes it anew).`,
  },
  tap: {
    title: 'Forwarding through TAPs',
    method: `UDP of 64 flows from one namespace to another, at full speed by frame size and at a fixed rate, and one TCP stream in
super-frames, through softnet between two TAPs and through the kernel between two veth pairs. The kernel has two ways, inside the
generator's own call and with RPS on the other CPUs: the better one counts. The generator has a CPU to itself. CPU time is that of forwarding and
of delivery; by thread it is for a million packets, or a GB of TCP.`,
  },
  tcp: {
    title: 'TCP that ends in the stack',
    method: `A namespace's clients and softnet's services (discard, chargen, echo) over a TAP, beside the same clients and small programs over the
kernel's TCP on a veth pair, in turns. Requests are 64 bytes there and back on 64 connections; a connection is opened, answered
once and closed. slirp4netns has its turn where it is installed; its CPU time is not split.`,
  },
  fib: {
    title: 'Route lookups',
    method: `IPv4 lookups of random addresses in tables of more and more routes, beside random reads of an array as large as the table's tries: what a
lookup takes more than a read is instructions, the rest is memory. One by one, each waits for the one before; in a batch their cache
misses overlap.`,
  },
  latency: {
    title: 'Latency',
    method: `A datagram there and back, through the stack as a router and to its own echo service, at shares of the highest rate that it answers. The
sender goes by the clock, and each answer is timed from when its question was to be sent, so that a stall counts for all that it holds up.
With few CPUs the sender, which never sleeps, takes one of them.`,
  },
  scale: {
    title: 'Scaling',
    method: `Forwarding in memory by more and more workers: the daemon's own threads over one arena, with two ports instead of devices and peers that
make frames and take them back on threads of their own. \`own\`: each worker's backlog is filled by a peer of its own with the flows that hash
to it, as by a queue of a multiqueue device. \`nic\`: one generator, whose frames the nic thread hashes to all workers; it is the limit before the
workers are, and its cost stands beside theirs. The Universal Scalability Law, C(N) = L N / (1 + s (N-1) + k N (N-1)), is fitted over the
points that have a CPU for each thread; the others say only what a packet costs. Steered are packets that one worker had to give to another.`,
  },
} as const
