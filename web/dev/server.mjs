// SPDX-License-Identifier: Apache-2.0
// Serves the built page with the real server's policy, over an invented cluster.
// node dev/server.mjs [--port 8080] [--pulls 40] [--nodes 20] [--failures 0.06] [--stalls 0.05] [--speed 1]
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Cluster } from './cluster.mjs';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    pulls: { type: 'string', default: '40' },
    nodes: { type: 'string', default: '20' },
    failures: { type: 'string', default: '0.06' },
    stalls: { type: 'string', default: '0.05' },
    speed: { type: 'string', default: '1' },
  },
});

const cluster = new Cluster({
  pulls: Number(values.pulls),
  nodes: Number(values.nodes),
  failures: Number(values.failures),
  stalls: Number(values.stalls),
  speed: Number(values.speed),
});
const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const clients = new Map();
const run = randomUUID().replaceAll('-', '');

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

function message(pull) {
  const event = {
    schemaVersion: 'v1',
    timestamp: new Date().toISOString(),
    type: pull.type ?? 'pull.progress',
    nodeName: pull.nodeName,
    pull: cluster.status(pull, false),
  };
  return `id: ${pull.version}\ndata: ${JSON.stringify(event)}\n\n`;
}

function named(response, event, data) {
  response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

function flush() {
  for (const [response, version] of clients) {
    const changed = cluster.changedSince(version);
    clients.set(response, cluster.version);
    if (changed.length > 0) response.write(changed.map(message).join(''));
  }
}

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
  flush();
}, 100);

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    response.writeHead(500).end(`${error}\n`);
  });
});

async function answer(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://local');
  response.setHeader('Content-Security-Policy', "default-src 'self'");
  response.setHeader('X-Content-Type-Options', 'nosniff');
  const json = (value) =>
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(value));
  if (pathname === '/api/v1/summary') return json(cluster.summary());
  if (pathname === '/api/v1/nodes') return json({ nodes: cluster.nodes() });
  if (pathname.startsWith('/api/v1/pulls/')) {
    const pull = cluster.pulls.get(decodeURIComponent(pathname.slice('/api/v1/pulls/'.length)));
    if (pull === undefined) return response.writeHead(404).end('{"error":"no such pull"}');
    return json(cluster.status(pull, true));
  }
  if (pathname === '/api/v1/events') {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write(': pulltrace\n\n');
    const since = Number(request.headers['last-event-id'] ?? searchParams.get('lastEventId') ?? 0);
    const version = since <= cluster.version ? since : 0;
    if (searchParams.get('hello') === '1') named(response, 'hello', { run, version });
    response.write(cluster.changedSince(version).map(message).join(''));
    if (searchParams.get('hello') === '1') named(response, 'synced', {});
    clients.set(response, cluster.version);
    request.on('close', () => clients.delete(response));
    return undefined;
  }
  const path = pathname === '/' ? 'index.html' : normalize(pathname).replace(/^(\.\.[/\\])+/, '');
  try {
    const body = await readFile(join(dist, path));
    return response
      .setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream')
      .end(body);
  } catch {
    return response.writeHead(404).end('not found\n');
  }
}

server.listen(Number(values.port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
process.on('SIGTERM', () => {
  clearInterval(timer);
  server.closeAllConnections();
  server.close();
});
