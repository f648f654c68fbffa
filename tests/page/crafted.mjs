// SPDX-License-Identifier: Apache-2.0
// A cluster in which every state that the page can show stands still: for serve() of web/dev.

const MB = 2 ** 20;
const BORN = Date.now();

/** `seconds` ago, as the API writes times. */
function ago(seconds) {
  return new Date(BORN - seconds * 1000).toISOString();
}

function digest(pair) {
  return `sha256:${pair.repeat(32)}`;
}

function pod(namespace, podName, container = 'main') {
  return { namespace, podName, container };
}

/** What all pulls without known sizes have in common. */
const UNKNOWN = {
  totalBytes: 0,
  downloadedBytes: 0,
  percent: 0,
  bytesPerSec: 0,
  layerCount: 0,
  layersDone: 0,
  totalKnown: false,
};
const STANDING = { bytesPerSec: 0, etaSeconds: undefined, readyEtaSeconds: undefined };
const WHOLE = { ...STANDING, downloadedBytes: 400 * MB, percent: 100, layersDone: 4 };
const NO_AGENT = { ...UNKNOWN, ...STANDING, nodeName: 'windows-1' };

function failure(errorClass, error, more = {}) {
  return {
    ...STANDING,
    phase: 'failed',
    completedAt: ago(20),
    errorClass,
    error,
    waiting: true,
    ...more,
  };
}

function layer(pair, change = {}) {
  return {
    digest: digest(pair),
    totalBytes: 100 * MB,
    downloadedBytes: 100 * MB,
    bytesPerSec: 0,
    percent: 100,
    totalKnown: true,
    phase: 'done',
    source: 'fetched',
    startedAt: ago(58),
    completedAt: ago(40),
    extractStartedAt: ago(39),
    extractCompletedAt: ago(30),
    ...change,
  };
}

const NOT_EXTRACTED = { extractStartedAt: undefined, extractCompletedAt: undefined };
const NEVER_BEGUN = { ...NOT_EXTRACTED, startedAt: undefined, completedAt: undefined };
const LAYERS = {
  moving: [
    layer('a1', { ...NEVER_BEGUN, phase: 'exists', cached: true, source: 'local' }),
    layer('a2'),
    layer('a3', {
      ...NOT_EXTRACTED,
      phase: 'downloading',
      downloadedBytes: 40 * MB,
      percent: 40,
      bytesPerSec: 20 * MB,
      resumedBytes: 10 * MB,
      completedAt: undefined,
    }),
    layer('a4', { ...NEVER_BEGUN, phase: 'queued', downloadedBytes: 0, percent: 0 }),
  ],
  extracting: [
    layer('b1'),
    layer('b2', { phase: 'extracting', extractCompletedAt: undefined }),
    layer('b3', { ...NOT_EXTRACTED, phase: 'downloaded' }),
    layer('b4', { ...NOT_EXTRACTED, phase: 'committing', completedAt: undefined }),
  ],
  whole: [layer('c1'), layer('c2'), layer('c3'), layer('c4')],
  here: ['d1', 'd2', 'd3', 'd4'].map((pair) =>
    layer(pair, { ...NEVER_BEGUN, phase: 'exists', cached: true, source: 'local' }),
  ),
  remote: [
    layer('e1', { ...NEVER_BEGUN, phase: 'exists', source: 'remote', downloadedBytes: 0 }),
    layer('e2', { ...NEVER_BEGUN, phase: 'exists', source: 'remote', downloadedBytes: 0 }),
    layer('e3', { ...NEVER_BEGUN, phase: 'exists', cached: true, source: 'snapshotter_cache' }),
    layer('e4'),
  ],
};
/** A phase that is not here shows those that move. */
const LAYERS_OF_PHASE = {
  extracting: LAYERS.extracting,
  completed: LAYERS.whole,
  queued: [],
  resolving: [],
};

const LONG = 'service-that-nobody-shortened-because-nobody-had-to';

/** By id: where a pull differs from one half way through. */
const PULLS = {
  downloading: { startedAt: ago(300), cachedBytes: 100 * MB },
  resolving: {
    ...UNKNOWN,
    ...STANDING,
    phase: 'resolving',
    startedAt: ago(45),
    holdUp: { kind: 'resolving', since: ago(35) },
  },
  queued: {
    ...UNKNOWN,
    ...STANDING,
    phase: 'queued',
    startedAt: ago(120),
    pods: [pod('shop', 'queued-0'), pod('shop', 'queued-1')],
    holdUp: { kind: 'queue', since: ago(120), pullId: 'stalled' },
  },
  stalled: {
    ...STANDING,
    stalledSeconds: 95,
    holdUp: { kind: 'no_bytes', since: ago(95), registryBytesPerSec: 30 * MB },
  },
  slow: {
    nodeName: 'worker-2',
    bytesPerSec: MB / 4,
    etaSeconds: 800,
    readyEtaSeconds: 812,
    holdUp: { kind: 'slow', since: ago(50), nodeBytesPerSec: 30 * MB },
  },
  extracting: {
    ...WHOLE,
    nodeName: 'worker-3',
    phase: 'extracting',
    etaSeconds: 0,
    readyEtaSeconds: 22,
    extractedBytes: 100 * MB,
    holdUp: { kind: 'extracting', since: ago(15) },
  },
  'node-silent': {
    ...STANDING,
    nodeName: 'worker-6',
    holdUp: { kind: 'node_silent', since: ago(190) },
  },
  'agent-missing': {
    ...NO_AGENT,
    phase: 'downloading',
    holdUp: { kind: 'agent_missing', since: ago(60) },
  },
  'no-agent-failed': {
    ...NO_AGENT,
    ...failure('not_found', 'Failed to pull image: not found', { attempts: 3 }),
  },
  'not-found': failure(
    'not_found',
    'failed to resolve reference "ghcr.io/acme/not-found:1.0": not found',
    {
      ...UNKNOWN,
      nodeName: 'worker-4',
      startedAt: ago(900),
      attempts: 7,
      nextAttemptAt: ago(-130),
      holdUp: { kind: 'backoff', since: ago(20) },
    },
  ),
  'not-found-again': failure('not_found', 'failed to resolve reference: not found', {
    ...UNKNOWN,
    nodeName: 'worker-3',
    attempts: 2,
    nextAttemptAt: ago(5),
  }),
  unauthorized: failure(
    'unauthorized',
    'pull access denied: authorization failed: no basic auth credentials',
  ),
  'rate-limited': failure(
    'rate_limited',
    '429 Too Many Requests: you have reached your pull rate limit',
    { attempts: 1, nextAttemptAt: ago(-5) },
  ),
  timeout: failure('timeout', 'context deadline exceeded'),
  network: failure('network', 'dial tcp 10.0.0.1:443: connect: connection refused'),
  tls: failure('tls', 'x509: certificate signed by unknown authority'),
  'disk-full': failure('disk_full', 'write: no space left on device'),
  'bad-name': failure('invalid_reference', 'couldn’t parse image name: invalid reference format', {
    imageRef: 'ghcr.io/Acme//bad',
  }),
  policy: failure('policy', 'denied by a signature policy'),
  platform: failure('platform', 'no match for platform in manifest'),
  corrupt: failure('corrupt', 'unexpected commit digest, failed precondition'),
  'not-unpacked': failure(
    'not_unpacked',
    'failed to extract layer: archive/tar: invalid tar header',
  ),
  'nobody-waits': failure('other', 'something that nobody knows', { waiting: false, pods: [] }),
  'lost-silent': failure('stale', 'the node went silent', {
    nodeName: 'worker-6',
    staleReason: 'silent',
  }),
  'lost-stuck': failure('stale', 'no progress for 10m', {
    staleReason: 'stuck',
    startedAt: ago(700),
  }),
  'lost-unnamed': failure('stale', 'no longer reported', {
    staleReason: 'unnamed',
    waiting: false,
  }),
  completed: {
    ...WHOLE,
    nodeName: 'worker-5',
    phase: 'completed',
    completedAt: ago(15),
    queuedSeconds: 12,
    downloadSeconds: 25,
    extractSeconds: 8,
    extractedBytes: 400 * MB,
    bytesFetched: 400 * MB,
  },
  'all-here': {
    ...WHOLE,
    phase: 'completed',
    startedAt: ago(30.4),
    completedAt: ago(30),
    cachedBytes: 400 * MB,
    extractedBytes: 0,
    layers: LAYERS.here,
  },
  remote: {
    ...WHOLE,
    phase: 'completed',
    completedAt: ago(25),
    cachedBytes: 300 * MB,
    remoteBytes: 200 * MB,
    bytesFetched: 100 * MB,
    layers: LAYERS.remote,
  },
  check: {
    ...WHOLE,
    kind: 'check',
    phase: 'completed',
    startedAt: ago(12),
    completedAt: ago(11),
    imageRef: 'ghcr.io/acme/checked:1.0',
    layers: LAYERS.here,
  },
  cancelled: { ...STANDING, phase: 'cancelled', completedAt: ago(44) },
  long: {
    nodeName:
      'ip-10-103-204-118.eu-central-1.compute.internal.very-long-node-name-of-a-provider.example.com',
    imageRef: `registry.example.internal:5000/${'a-team-with-a-long-name/'.repeat(6)}${LONG}:2026-11-21-build.48151623-sha.0123456789abcdef`,
    pods: Array.from({ length: 40 }, (_, index) =>
      pod(
        `a-namespace-as-long-as-some-tenants-have-it-${index}`,
        `${LONG}-85f6c7d9b8-abc${index}`,
        'a-container-with-a-long-name',
      ),
    ),
  },
  markup: {
    imageRef: '<img src=x onerror=alert(1)>/<b>bold</b>:1',
    pods: [pod('<script>alert(1)</script>', '"><svg onload=alert(1)>')],
  },
  'right-to-left': failure(
    'other',
    '\u001b[31mred\u001b[0m \u202Egnorw si sihT\u202C تعذر الوصول',
    { imageRef: 'ghcr.io/\u202Eemca/live\u202C/api:1.0', pods: [pod('שופ', 'שלום-0')] },
  ),
  unnamed: { imageRef: '__pulling__', rootDigest: undefined, manifestDigest: undefined, pods: [] },
  'by-digest': {
    imageRef: `quay.io/prometheus/prometheus@${digest('5b')}`,
    pods: [],
    platform: 'linux/arm64/v8',
  },
};

const NODES = [
  'worker-1',
  'worker-2',
  'worker-3',
  'worker-4',
  'worker-5',
  'worker-6',
  PULLS.long.nodeName,
].map((nodeName) => ({
  nodeName,
  agentVersion: '1.0.0',
  runtimeName: 'containerd',
  runtimeVersion: '2.1.4',
  lastReportAt: ago(nodeName === 'worker-6' ? 190 : 0),
  silent: nodeName === 'worker-6',
  activePulls: 2,
  bytesPerSec: 30 * MB,
}));
const WITHOUT_AGENT = {
  nodeName: 'windows-1',
  runtimeName: 'containerd',
  runtimeVersion: '1.7.20',
  reason: 'no_agent',
  activePulls: 1,
  bytesPerSec: 0,
};

const container = (name, kind, state, more = {}) => ({
  name,
  kind,
  state,
  image: `ghcr.io/acme/${name}:1.0`,
  ...more,
});
/** By name: pods in each state that theirs can have. */
const PODS = {
  'shop/waiting-0': {
    waiting: true,
    waitingSince: ago(320),
    readyEtaSeconds: 40,
    containers: [
      container('migrate', 'init', 'ready'),
      container('downloading', 'main', 'waiting', { pullId: 'downloading' }),
      container('queued', 'main', 'waiting', { pullId: 'queued', holdUp: PULLS.queued.holdUp }),
      container('not-found', 'main', 'failed', {
        pullId: 'not-found',
        holdUp: PULLS['not-found'].holdUp,
      }),
      container('debugger', 'ephemeral', 'waiting', { holdUp: { kind: 'volume', since: ago(30) } }),
    ],
  },
  'shop/sandbox-0': {
    waiting: true,
    waitingSince: ago(60),
    containers: [
      container('pause', 'sandbox', 'failed', { holdUp: { kind: 'sandbox', since: ago(50) } }),
      container('main', 'main', 'waiting'),
    ],
  },
  'shop/ready-0': {
    waiting: false,
    waitingSince: ago(90),
    outcome: 'ready',
    endedAt: ago(15),
    containers: [container('completed', 'main', 'started', { pullId: 'completed' })],
  },
  'shop/deleted-0': {
    waiting: false,
    waitingSince: ago(900),
    outcome: 'deleted',
    endedAt: ago(100),
    containers: [container('not-found', 'main', 'failed')],
  },
};

function status(id, change) {
  const pull = {
    id,
    nodeName: 'worker-1',
    imageRef: `ghcr.io/acme/${id}:1.0`,
    totalBytes: 400 * MB,
    downloadedBytes: 200 * MB,
    bytesPerSec: 20 * MB,
    percent: 50,
    layerCount: 4,
    layersDone: 2,
    layersExtracted: 1,
    totalKnown: true,
    startedAt: ago(60),
    pods: [pod('shop', `${id}-0`)],
    waiting: !['completed', 'cancelled'].includes(change.phase),
    phase: 'downloading',
    cachedBytes: 0,
    extractedBytes: 50 * MB,
    etaSeconds: 10,
    readyEtaSeconds: 14,
    manifestDigest: digest('ab'),
    rootDigest: `sha256:${Buffer.from(id.padEnd(32)).toString('hex').slice(0, 64)}`,
    ...change,
  };
  return { ...pull, layers: change.layers ?? LAYERS_OF_PHASE[pull.phase] ?? LAYERS.moving };
}

/** Standing still, but for the server's clock. `ids` are of the pulls above; without them all. */
export class Crafted {
  version = 0;

  constructor(ids = Object.keys(PULLS)) {
    this.pulls = new Map(
      ids.map((id) => [id, { ...status(id, PULLS[id]), version: ++this.version }]),
    );
  }

  changedSince(version) {
    return [...this.pulls.values()].filter((pull) => pull.version > version);
  }

  status(pull, withLayers) {
    return withLayers ? pull : { ...pull, layers: undefined };
  }

  summary() {
    const is = (...phases) =>
      [...this.pulls.values()].filter(({ phase }) => phases.includes(phase)).length;
    return {
      activePulls: is('resolving', 'downloading', 'extracting'),
      queuedPulls: is('queued'),
      failedPulls: is('failed'),
      completedPulls: is('completed'),
      bytesPerSec: 80 * MB,
      nodesReporting: this.pulls.size > 0 ? NODES.length - 1 : 0,
      nodesSilent: this.pulls.size > 0 ? 1 : 0,
      historySeconds: 1800,
      serverVersion: '0.1.0',
      cluster: 'prod-eu-1',
      startedAt: ago(3600),
      now: new Date().toISOString(),
    };
  }

  nodes() {
    return this.pulls.size > 0 ? [...NODES, WITHOUT_AGENT] : [];
  }

  registries() {
    const steps = Array.from({ length: 60 }, (_, step) => step);
    const registry = (name, failed) => ({
      registry: name,
      activePulls: 4,
      stalledPulls: 1,
      bytesPerSec: 80 * MB,
      medianBytesPerSec: 20 * MB,
      failed: { not_found: failed },
      history: {
        bytesPerSec: steps.map((step) => step * MB),
        stalledPulls: steps.map((step) => (step > 40 ? 1 : 0)),
        failed: steps.map((step) => (step > 50 ? failed : 0)),
      },
    });
    return {
      stepSeconds: 30,
      leftOut: 0,
      registries: [registry('ghcr.io', 2), registry('registry.example.internal:5000', 1)],
    };
  }

  pod(name) {
    const [namespace, podName] = name.split('/');
    const story = PODS[name];
    return story && { namespace, podName, nodeName: 'worker-1', ...story };
  }
}
