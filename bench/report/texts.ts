/** The words of performance.md: what each part measures, and how to read it. */

export const INTRODUCTION = `# Performance

Written by \`softnet bench --report docs\`, figures, tables and plots alike: to renew it is to run that. Measured on:
MACHINE.

Read the ratios first: another machine, or the same one on another day, has other digits. softnet and its reference are measured in
turns in one run, so that what slows one slows the other; the spread is that of the pairs. A cost in CPU time is steadier
than a rate, and comes first where both stand. TCP streams go by CUBIC on both sides, whatever the machine's default. What the shapes mean: with \`rps\` a nic thread reads the devices and steers
flows to the workers (of which one alone reads them itself), with \`multiqueue\` each worker reads a queue of its own.`

export const TEXTS = {
  memory: {
    title: 'Forwarding in memory',
    method: `What the code itself costs, with no system call: 60-byte frames of 512 flows in batches of 64, each part in a thread of its own,
with stand-ins for the others. The first packets run before the compiler is done. \`npm test\` fails when a part costs a quarter more, against
a loop of the same run, than \`bench/guard.json\` says (\`bun bench/guard.ts --renew\` writes it anew).`,
  },
  driver: {
    title: 'One worker between two TAPs, by itself',
    method: `With system calls, and without anybody else: 256 frames, two, or six super-frames lie in the queue of one TAP, and the worker's loop reads them, forwards them
and writes them to another, whose kernel drops them. Segments are put together on the way, so most of them are never written by themselves. Beside it
what io_uring takes for a read and a write in batches of 64.`,
  },
  stream: {
    title: 'One stream, all of it in one thread',
    method: `CPU time of a TCP stream in super-frames: its sender, the router and its receiver take turns in one thread, so that neither a scheduler nor
what else the machine does is in the figure. The kernel hands a super-frame from veth to veth by reference; between two TAPs it is copied twice more
and has new pages each time, which is most of the difference: a router of 40 lines without a stack, between the same TAPs, takes four fifths of what
softnet does. What that means for the rate depends on how many CPUs are free.`,
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
misses overlap. On an idle machine of two CPUs a lookup in 1,000,000 IPv4 routes takes 1.0 of a read one by one and 2.0-2.2 in a batch: of some
forty instructions a lookup a CPU has fewer at a time on their way than of a read's eight. Of 200,000 IPv6 routes, whose tries of 10 MiB lie in the cache, it
takes 3.4 one by one, and 25 in a batch, where a read takes 3.6 ns.`,
  },
  latency: {
    title: 'Latency',
    method: `A datagram there and back, through the stack as a router and to its own echo service, at shares of the highest rate that it answers. The
sender goes by the clock, and each answer is timed from when its question was to be sent, so that a stall counts for all that it holds up.
With few CPUs the sender, which never sleeps, takes one of them.`,
  },
  scale: {
    title: 'Scaling',
    method: `More and more workers in memory: the daemon's own threads over one arena, with ports instead of devices and peers on threads of their
own on the other side. \`own\`: forwarding, each worker's backlog filled by a peer of its own with the flows that hash to it, as by a queue of a multiqueue
device. \`nic\`: forwarding, one generator whose frames the nic thread hashes to all workers; it is the limit before the workers are, and its
cost stands beside theirs. \`tcp\`: each worker discards eight streams of a host of its own, \`connections\`: it answers 32 connections at a time;
the hosts are stacks too, and cost more than the workers do, so the CPU time says more than the rate. A worker that has too little to do looks
for more, which counts as the cost of what it gets (\`nic\` by four workers and more). The Universal Scalability Law, C(N) = L N / (1 + s (N-1) + k N (N-1)), is fitted over the
points that have a CPU for each thread; the others say only what a packet costs. Steered are packets that one worker had to give to another.`,
  },
} as const

export const LEFT_OUT = `## What did not help: a warm start

A cold thread's first 1,000 packets take about 10 µs each, those up to 16,000 about 2, up to 64,000 about 0.7, and a warm worker's 0.115; all in
all some 80 ms more than warm ones, once. To train the code before the devices open was tried, on the parts in memory (2 CPUs, Bun 1.4.5):

| a worker's thread | 1st 1,000 | to 16,000 | to 64,000 | warm, ns a packet |
| --- | --- | --- | --- | --- |
| not trained | 6,300-16,700 | 1,100-4,100 | 580-1,020 | 113-118 |
| 150 ms with another stack over another arena | 4,400-13,300 | 2,300-2,800 | 740-1,660 | **257-265** |
| 400 ms of that | 6,500-10,400 | 1,700-2,300 | 820-1,100 | **261-270** |
| 50 ms with the same stack, frames without a route | 7,600-12,600 | 1,800-3,800 | 770-950 | 117-121 |
| 150 ms of that | 5,300-13,100 | 950-1,900 | 570-630 | 115-123 |

Two stacks in one heap share their compiled code, which then knows neither's constants: every packet from then on costs more than twice as much, and
cold ones no less. (A stack that starts over after an error in its thread is such a second one.) Trained on its own stack a thread keeps its
speed, but frames that may leave no trace take another way than real ones: 150 ms of each thread at each start would save some 20 ms once. So it is left out.

## What did not help: smaller things on the way between two TAPs

By \`softnet bench driver\`, in turns (2 CPUs, both busy, AMD EPYC, Linux 6.18); ns a packet with system calls, the least of each process:

| tried | with it | without |
| --- | --- | --- |
| receive offload keeps what it has while a queue has more than a turn takes, segments | 1,374-1,403 | 1,370-1,374 |
| a call's address as two int32 in place of a double, 60 bytes | 2,394-2,592 | 2,382-2,491 |
| the copy out of a large buffer in front of steering, not in it; the nic's part in memory | 129-131 | 116-118 |

What did: counts of buffers that nobody writes but clones (sixteen share a cache line, which the thread that allocates and the one that forwards
had taken from each other: 300 ns a packet against 343, \`scale --in own\` by one worker on two CPUs), descriptors registered with io_uring (2,413-2,451 against 2,562-2,589 at 60 bytes), one copy less of a segment on its way
into a super-frame (1,402 against 1,513). With more of the path in one compiled function (the engine's \`maximumInliningDepth\` at 10 and
\`maximumFunctionForCallInlineCandidateBytecodeCostForFTL\` at 300) a worker in memory takes 185-219 ns in place of 212-241; these can be set
by the environment of a process alone, and mean nothing to the next engine, so they are not.

## What did: short turns

Workers and the nic thread ask the scheduler for slices of 200 us (sched_setattr, Linux 6.12). A ping through a worker beside two programs that never
sleep, on two CPUs, three daemons each: 0.07-0.08 ms on average, deviation 0.25-0.37, against 0.11-0.14 and 0.45-0.53 with the scheduler's own 2.8 ms; with 1 ms it
is in between. One stream in super-frames is as fast (19.7 against 19.6 Gbit/s, six daemons each), four are within their spread (25.7 against 26.7).

## What did not help: one stream in super-frames

CPU milliseconds a GB of the worker and what its writes deliver, by rounds as those of one stream in one thread, medians of seven pairs (2 CPUs, Linux 6.18). The
same tree gave 123 one time and 126 another:

| tried | with it | without |
| --- | --- | --- |
| buffers registered with io_uring (READ_FIXED, WRITE_FIXED) | 125 | 126 |
| large buffers on huge pages | 121 | 126 |
| both | 126 | 126 |
| the whole arena and the engine's compiled code on huge pages | 120 | 126 |
| super-frames that are read in a batch before the first is handed on: 4; 16, in place of 8 | 124; 121 | 126 |
| large buffers 128 bytes longer, so that frames do not lie in the same lines of the cache | 122 | 126 |
| a super-frame passes receive offload unread where none is held | 116 | 116 |
| up to three; all frames of a turn written one by one, not through io_uring | 110; 113 | 109 |

Registered buffers take 27 ns off a read of 60 bytes, of 236, and 3-4 % off a small packet's way (\`softnet bench driver\`), and pin their memory: not enough for a second
kind of buffer. Huge pages might save 4 %, for 2 MB of memory wherever a page of it is used, and the engine's code is only found by reading
/proc/self/maps. To try a queue whose end was found by one read, and then by the batch, took as long as by the batch at once.

What did: a queue is not read again in the turn in which its end was found, and a frame alone is read by read(2), not by a readv into two new skbs: 117 against 123, an
idle turn over two TAPs 485 ns against 630; sender, worker and receiver on two busy CPUs: the worker 339-363 ms a GB against 441-460 (two daemons of each, in turns).
Then up to three frames, and all super-frames, read one by one: 114 against 117, with 128 KB a round 139 against 150, and two packets a turn 2,600 ns each
against 2,930 (five 1,780 against 1,900, ten and more the same).

The congestion control counts for more than all of these. BBR paces by a timer, which is dear in a virtual machine: with it the kernel's way takes five times
as much CPU time, softnet's four times, and the ratio of the two looks better than it is. Figures of before 2026-11-28 are by the machine's
default.

## What did not help: a web server over rings

\`wrk -t1 -c64\`, keep-alive, one worker by multiqueue, two seconds in turns with the same tree without it (2 CPUs with other work on them, Linux 6.18), k/s. Two daemons
of the same tree differed by as much as a fifth, so that less than that is not seen:

| tried | with it | without |
| --- | --- | --- |
| records shown to the other thread in eights, sixteens or thirty-twos, not once a turn | 76-96, 75-103, 85-94 | 68-107 |
| an application that looks twenty turns, not two, before it sleeps | 73-86 | 68-107 |
| that what was sent is taken wakes an application only eight turns later, or with the next news | 46-100 | 62-101 |
| a worker that looks 4 or 60 times, not 20, before it sleeps | 39-92, 59-96 | 50-78 |
| workers and applications that yield the CPU (sched_yield) in their turns without work | 94-123 | 77-107 |
| the same, but not for 80 ms after a program that has nothing to do with them has had the turn | 53-118 | 95-122 |

In sixteens both threads took 6.9 µs a request in place of 5.7, and woke twice as often. Beside two programs that never sleep who yields answers 16-34 k/s in place of
38-46. Super-frames that go to the application as they came, without a copy, cost the two threads 1,290-1,750 µs a MB of uploads in place of 1,220-1,530: the worker reads
into buffers that lie in the other CPU's cache.

What did: no promise where the handler has its answer (a page is a text), the head of an answer as octets that are known from the one before, one text for all requests
of a method, a host or a URL, the time read once a turn. To read a request, have hono answer it and write that takes 0.65 µs by itself in place of 1.6, and the
application's thread 1.6-2.1 µs a request in place of 3.6-4.1. A request that lies alone in a small buffer goes to the application in it; handlers of transports are read from
arrays that are not frozen, whose elements the engine keeps in a hash table: what a worker's own code takes of a request is 1,280-1,340 ns in place of 1,420-1,530 (by \`bench/app-request.ts\`).
One channel for all applications of a worker, in place of one each, whose functions the engine then compiles for none of them: 1,178 ns in place of 1,225 (medians of pairs, an Intel Xeon, as
all that follow). Records made in the ring and not copied there, and sums of the packet budget kept and not added up: 1,139 in place of 1,164, the application's side of the rings 86 in place of 94; a
read that is not asked a second time where nothing more can be there: 1,130 in place of 1,171. With the application on another CPU its side takes 181 in place of 213 where it asks for the skbs of a batch at
once; the same on the worker's side (1,452 against 1,422), words of a ring that one side keeps to itself on cache lines of their own (1,458 against 1,474), and a look at rows that come home (1,452 against 1,459) are
within the spread. So is a collection of garbage every 10 or 30 ms, not 100, of the web server's thread. A server that gave its compiled code back at rest compiled for 250 ms in its next burst, now for 15-60.`
