// SPDX-License-Identifier: Apache-2.0
import { type AppState, INITIAL } from '../src/state/store';
import type { NodeStatus, Summary } from '../src/model/cluster';
import type { Layer, Pull } from '../src/model/pull';
import { makeLayer, makePull, pullMap } from '../src/testing/samples';
import { inventedPulls } from './cluster';

/** A state of the whole page, and the address it is shown under. */
export interface Story {
  readonly name: string;
  readonly search?: string;
  readonly state: () => AppState;
}

const MB = 1024 * 1024;
const ago = (seconds: number) => Date.now() - seconds * 1000;
const hex = (digit: number) => `sha256:${digit.toString(16).repeat(64).slice(0, 64)}`;

function summary(nodesReporting: number, nodesSilent = 0): Summary {
  return {
    bytesPerSec: 48e6,
    nodesReporting,
    nodesSilent,
    activePulls: 0,
    queuedPulls: 0,
    failedPulls: 0,
    completedPulls: 0,
    checks: 0,
    historySeconds: 1800,
    serverVersion: 'stories',
    now: Date.now(),
  };
}

function live(pulls: readonly Pull[], change: Partial<AppState> = {}): AppState {
  return {
    ...INITIAL,
    pulls: { pulls: pullMap(...pulls), unconfirmed: null },
    connection: { phase: 'live', lastMessageAt: Date.now() },
    summary: summary(20, 1),
    throughput: Array.from({ length: 300 }, (_, index) => ({
      at: ago(300 - index),
      bytesPerSec: (2 + Math.sin(index / 20) + Math.sin(index / 3) / 4) * 400 * MB,
    })),
    ...change,
  };
}

function lostConnection(pulls: readonly Pull[], change: Partial<AppState> = {}): AppState {
  return live(pulls, { ...change, connection: { phase: 'reconnecting', lastMessageAt: ago(12) } });
}

const pods = Array.from({ length: 12 }, (_, index) => ({
  namespace: 'shop',
  podName: `web-5d8f-${(index * 7919 + 31).toString(36)}`,
  container: index % 3 === 0 ? 'init: migrate' : 'main',
}));

const base = makePull({
  startedAt: ago(72),
  pods,
  cachedBytes: 10 * MB,
  extractedBytes: 20 * MB,
  layersExtracted: 2,
  readyEtaSeconds: 41,
  rootDigest: hex(1),
  manifestDigest: hex(2),
  queuedSeconds: 3,
  downloadSeconds: 60,
});

const layers: Layer[] = [
  makeLayer({ digest: hex(3), phase: 'exists', cached: true }),
  makeLayer({
    digest: hex(4),
    phase: 'done',
    startedAt: ago(70),
    completedAt: ago(50),
    extractStartedAt: ago(45),
    extractCompletedAt: ago(38),
  }),
  makeLayer({
    digest: hex(5),
    phase: 'extracting',
    startedAt: ago(70),
    completedAt: ago(30),
    extractStartedAt: ago(25),
  }),
  makeLayer({ digest: hex(6), phase: 'downloaded', startedAt: ago(60), completedAt: ago(20) }),
  makeLayer({ digest: hex(7), startedAt: ago(40), totalBytes: 3400 * MB }),
  makeLayer({ digest: hex(8), phase: 'queued', downloadedBytes: 0, totalBytes: 22 * 1024 }),
];

/** An image of `count` layers, some at each stage of their way. */
function manyLayers(count: number): Layer[] {
  return Array.from({ length: count }, (_, index) => {
    const like = layers[Math.floor((index * layers.length) / count)] ?? makeLayer();
    return { ...like, digest: `sha256:${index.toString(16).padStart(8, '0').repeat(8)}` };
  });
}

const failed = makePull({
  ...base,
  id: 'failed',
  phase: 'failed',
  completedAt: ago(4),
  error: `failed to resolve reference "${base.imageRef}": ${base.imageRef}: not found`,
  errorClass: 'not_found',
  attempts: 5,
  nextAttemptAt: Date.now() + 160_000,
});
const stalled = makePull({ ...base, id: 'stalled', bytesPerSec: 0, stalledSeconds: 34 });
const extracting = makePull({
  ...base,
  id: 'extracting',
  phase: 'extracting',
  percent: 100,
  downloadedBytes: 100 * MB,
  bytesPerSec: 0,
});
const cached = makePull({ ...base, id: 'cached', cachedBytes: 48 * MB, extractedBytes: 0 });
const queued = makePull({ ...base, id: 'queued', phase: 'queued', totalKnown: false });
const refused = makePull({
  ...failed,
  id: 'refused',
  error: `failed to copy: httpReadSeeker: failed open: ${'unexpected status from GET request to https://registry.example.internal/v2/acme/frontend/blobs/sha256:9f1c27bd: 502 Bad Gateway; '.repeat(26)}`,
  errorClass: 'network',
});
const lost = makePull({
  ...base,
  id: 'lost',
  phase: 'failed',
  errorClass: 'stale',
  completedAt: ago(9),
});
const resolving = makePull({
  ...base,
  id: 'resolving',
  phase: 'resolving',
  totalBytes: 0,
  totalKnown: false,
});
const unnamed = makePull({ ...base, id: 'unnamed', imageRef: '__pulling__', pods: [] });
const completed = makePull({
  ...base,
  id: 'completed',
  phase: 'completed',
  percent: 100,
  downloadedBytes: 100 * MB,
  completedAt: ago(3),
  extractSeconds: 8,
});
const awaited = makePull({
  ...base,
  id: 'awaited',
  pods: Array.from({ length: 48 }, (_, index) => ({
    namespace: ['shop', 'payments', 'ml'][index % 3] ?? 'shop',
    podName: `frontend-66cd-${(index * 7919 + 31).toString(36)}`,
    container: 'main',
  })),
});
const long = makePull({
  ...base,
  id: 'long',
  nodeName: 'ip-10-0-113-42.eu-central-1.compute.internal.example.com',
  imageRef:
    'registry.example.internal:5000/a-team/with-a-very-long-name/and-a-deep-path/service:2026-11-21-build.48151623',
  pods: [
    {
      namespace: 'a-namespace-with-a-long-name',
      podName: 'service-that-nobody-shortened-85f6c7d9b8-x2k9p',
      container: 'a-container-with-a-long-name',
    },
  ],
});

function makeNode(index: number, change: Partial<NodeStatus> = {}): NodeStatus {
  const silent = index % 24 === 7;
  return {
    nodeName: `worker-${String(index).padStart(3, '0')}`,
    agentVersion: '1.0.0',
    runtimeName: 'containerd',
    runtimeVersion: '2.1.4',
    lastReportAt: ago(silent ? 190 : 1),
    silent,
    activePulls: index % 4,
    bytesPerSec: (index % 4) * 30 * MB,
    ...change,
  };
}
const makeNodes = (count: number) => Array.from({ length: count }, (_, index) => makeNode(index));
const longNode = makeNode(1, {
  nodeName: long.nodeName,
  runtimeVersion: '2.1.4-0ubuntu1~24.04.1+a-very-long-build-name',
});

const open = (pull: Pull, shown: readonly Layer[] = layers) => ({
  search: `?open=${pull.id}`,
  state: () =>
    live([pull], { detail: { pull, layers: shown, node: makeNode(1, { bytesPerSec: 90 * MB }) } }),
});

export const STORIES: readonly Story[] = [
  { name: 'connecting', state: () => INITIAL },
  { name: 'none: no agent', state: () => live([], { summary: summary(0) }) },
  { name: 'none: quiet', state: () => live([]) },
  { name: 'none matches', search: '?q=node:nowhere', state: () => live([base]) },
  { name: 'one', state: () => live([base]) },
  { name: 'one, open', ...open(base) },
  { name: 'a cluster', state: () => live(inventedPulls(40, 20)) },
  { name: 'thousands', state: () => live(inventedPulls(10_000, 1000)) },
  { name: 'grouped by image', search: '?group=image', state: () => live(inventedPulls(40, 20)) },
  {
    name: 'each status',
    state: () =>
      live([
        failed,
        refused,
        lost,
        stalled,
        extracting,
        cached,
        resolving,
        queued,
        unnamed,
        long,
        completed,
      ]),
  },
  { name: 'failing', ...open(failed, []) },
  { name: 'failing with 4 KB of words', ...open(refused, layers.slice(0, 3)) },
  { name: 'failing by the hundred', state: () => live(inventedPulls(400, 100, 0.8)) },
  { name: 'node went silent', ...open(lost) },
  { name: 'stalled', ...open(stalled) },
  { name: 'cached', ...open(cached) },
  { name: 'extracting', ...open(extracting) },
  {
    name: 'queued',
    state: () => live([{ ...base, id: 'first', imageRef: 'acme/ledger' }, queued]),
  },
  { name: '40 layers', ...open(makePull({ ...base, layerCount: 40 }), manyLayers(40)) },
  { name: '127 layers', ...open(makePull({ ...base, layerCount: 127 }), manyLayers(127)) },
  { name: 'resolving', ...open(resolving, []) },
  {
    name: 'completed',
    ...open(
      completed,
      layers.map((layer) => ({ ...layer, phase: 'done' })),
    ),
  },
  { name: 'pods by the dozen', ...open(awaited) },
  { name: 'long names', ...open(long) },
  { name: 'lost connection', state: () => lostConnection([base, failed, stalled]) },
  {
    name: 'unreadable messages',
    state: () => live([base], { rejected: { count: 3, lastReason: 'totalBytes is not a number' } }),
  },
  {
    name: 'lost connection, images',
    search: '?page=images',
    state: () => lostConnection(inventedPulls(40, 20)),
  },
  {
    name: 'lost connection, nodes',
    search: '?page=nodes',
    state: () => lostConnection([], { nodes: makeNodes(24) }),
  },
  { name: 'images', search: '?page=images', state: () => live(inventedPulls(200, 60)) },
  { name: 'images: one with a long name', search: '?page=images', state: () => live([long]) },
  {
    name: 'images: failing',
    search: '?page=images',
    state: () => live(inventedPulls(400, 100, 0.8)),
  },
  {
    name: 'images: thousands of nodes',
    search: '?page=images',
    state: () => live(inventedPulls(10_000, 5000)),
  },
  { name: 'images: none', search: '?page=images', state: () => live([]) },
  { name: 'nodes', search: '?page=nodes', state: () => live([], { nodes: makeNodes(24) }) },
  {
    name: 'nodes: one with a long name',
    search: '?page=nodes',
    state: () => live([], { nodes: [longNode] }),
  },
  {
    name: 'nodes: thousands',
    search: '?page=nodes',
    state: () => live([], { nodes: makeNodes(3000) }),
  },
  { name: 'nodes: none', search: '?page=nodes', state: () => live([], { nodes: [] }) },
];
