// SPDX-License-Identifier: Apache-2.0
// Serves the built page over an invented cluster.
// node dev/server.mjs [--port 8080] [--pulls 40] [--nodes 20] [--failures 0.06] [--stalls 0.05] [--speed 1]
// [--finished 0]: so many have ended before
import { parseArgs } from 'node:util';
import { Cluster } from './cluster.mjs';
import { serve } from './serve.mjs';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    pulls: { type: 'string', default: '40' },
    nodes: { type: 'string', default: '20' },
    failures: { type: 'string', default: '0.06' },
    stalls: { type: 'string', default: '0.05' },
    speed: { type: 'string', default: '1' },
    finished: { type: 'string', default: '0' },
  },
});
const { port, ...settings } = Object.fromEntries(
  Object.entries(values).map(([name, value]) => [name, Number(value)]),
);

const cluster = new Cluster(settings);
const server = await serve(cluster, port);

// A tenth of a second's share of the pulls at a time, as reports of many nodes come in.
let turn = 0;
const timer = setInterval(() => {
  const now = Date.now();
  let index = 0;
  for (const pull of cluster.pulls.values()) {
    if (index++ % 10 === turn) cluster.advance(pull, now, 1);
  }
  turn = (turn + 1) % 10;
  if (turn === 0) cluster.refill(now);
  server.flush();
}, 100);

console.log(server.url);
process.on('SIGTERM', () => {
  clearInterval(timer);
  void server.stop();
});
