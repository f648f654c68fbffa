// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/**
 * Serves the built page with the real server's policy, over a cluster that is not there. `source` has
 *   version                        a number that each change of a pull raises
 *   changedSince(version)          pulls of a higher version, each { version, type, nodeName }
 *   status(pull, withLayers)       a PullStatus of the API
 *   pulls                          a Map of them by id
 *   page({ status, limit, cursor }) a page of PullStatuses
 *   summary(), nodes(), registries(), pod('namespace/name')
 *                                  answers of the API; undefined is answered by 404
 */
export async function serve(source, port = 0) {
  const clients = new Map();
  const run = randomUUID().replaceAll('-', '');

  function message(pull) {
    const event = {
      schemaVersion: 'v1',
      timestamp: new Date().toISOString(),
      type: pull.type ?? 'pull.progress',
      nodeName: pull.nodeName,
      pull: source.status(pull, false),
    };
    return `id: ${run}.${pull.version}\ndata: ${JSON.stringify(event)}\n\n`;
  }

  function named(response, event, data) {
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  function stream(request, response, searchParams) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write(': pulltrace\n\n');
    const last = request.headers['last-event-id'] ?? searchParams.get('lastEventId') ?? '';
    const [ofRun, since] = last.split('.');
    // Of another run it is no place in this stream.
    const version = ofRun === run ? Number(since) : 0;
    const greeted = searchParams.get('hello') === '1';
    if (greeted) named(response, 'hello', { run, version });
    response.write(source.changedSince(version).map(message).join(''));
    if (greeted) named(response, 'synced', {});
    clients.set(response, source.version);
    request.on('close', () => clients.delete(response));
  }

  /** The answer of the API at a path, or undefined. */
  function answerOf(pathname, searchParams) {
    const [, what, ...name] = pathname.slice('/api/'.length).split('/').map(decodeURIComponent);
    if (what === 'summary') return source.summary();
    if (what === 'registries') return source.registries();
    if (what === 'nodes') {
      const wanted = searchParams.get('node');
      const nodes = source.nodes();
      return { nodes: nodes.filter(({ nodeName }) => (wanted ?? nodeName) === nodeName) };
    }
    if (what === 'pulls' && name.length === 0) {
      const limit = Number(searchParams.get('limit') ?? 1000);
      const cursor = Number(searchParams.get('cursor') ?? 0);
      return source.page?.({ status: searchParams.get('status'), limit, cursor });
    }
    if (what === 'pods') return source.pod(name.join('/'));
    const pull = what === 'pulls' ? source.pulls.get(name[0]) : undefined;
    return pull === undefined ? undefined : source.status(pull, true);
  }

  async function sendFile(pathname, response) {
    const path = pathname === '/' ? 'index.html' : normalize(pathname).replace(/^(\.\.[/\\])+/, '');
    const body = await readFile(join(DIST, path)).catch(() => undefined);
    if (body === undefined) return response.writeHead(404).end('not found\n');
    return response
      .setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream')
      .end(body);
  }

  async function answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, 'http://local');
    response.setHeader('Content-Security-Policy', "default-src 'self'");
    response.setHeader('X-Content-Type-Options', 'nosniff');
    if (pathname === '/api/v1/events') return stream(request, response, searchParams);
    if (!pathname.startsWith('/api/')) return sendFile(pathname, response);
    const found = answerOf(pathname, searchParams);
    response.setHeader('Content-Type', 'application/json');
    if (found === undefined) response.statusCode = 404;
    return response.end(JSON.stringify(found ?? { error: 'there is no such thing' }));
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.writeHead(500).end(`${error}\n`));
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    /** Sends each reader what has changed since the last time. */
    flush() {
      for (const [response, version] of clients) {
        const changed = source.changedSince(version);
        clients.set(response, source.version);
        if (changed.length > 0) response.write(changed.map(message).join(''));
      }
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
