/** What `softnet help` and the manual say before and after the table of commands. */
export const USAGE =
  'Usage: softnet [ --api URL|unix:PATH ] [ --token TOKEN ] [ --netns NAME ] [ --show-curl ] [ -j ] [ -V ] COMMAND [ ARGUMENTS ]'
export const WHERE = `Without --api: $SOFTNET_API, or wherever a daemon of yours, or root's, is by default. A change over TCP needs its token:
$SOFTNET_TOKEN, or --token (which others see in ps), or the file beside the daemon's socket. --show-curl says on stderr what
is asked, as lines of curl. COMMAND --help says more.`
