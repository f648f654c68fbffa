// SPDX-License-Identifier: Apache-2.0

/** An invented cluster whose pulls go on in steps: what the page sees without a server. */

const MB = 1024 * 1024;
const HISTORY_SECONDS = 600;
/** Of a registry's history, and how many of them. */
const STEP_SECONDS = 30;
const STEPS = 60;

const IMAGES = [
  [
    'ghcr.io/acme/recommender-gpu:2026.11.3',
    [31, 402, 1900, 211, 18, 3400, 1700, 0.02],
    'ml',
    'recommender-7f9c',
  ],
  ['docker.io/library/nginx:1.29', [28, 33, 0.001, 7.2], 'shop', 'web-5d8f'],
  [
    'registry.k8s.io/ingress-nginx/controller:v1.14.0',
    [3, 12, 22, 9, 14, 2, 30, 8, 1.5],
    'infra',
    'ingress-ctl',
  ],
  ['quay.io/prometheus/prometheus:v3.5.0', [0.7, 1.2, 49, 44, 0.01, 0.3, 12], 'monitoring', 'prom'],
  ['harbor.corp.lan/payments/ledger:4.18.2', [29, 140, 88, 104], 'payments', 'ledger-6b7d'],
  ['docker.io/bitnami/postgresql:17', [62, 41], 'shop', 'db'],
  ['docker.io/library/redis:8.2', [28, 2, 18], 'shop', 'cache'],
  ['ghcr.io/acme/frontend:1.204.0', [29, 44, 71, 33, 11], 'shop', 'front-66cd'],
  [
    'registry.example.internal:5000/a-team/with-a-very-long-name/and-a-deep-path/service-that-nobody-shortened:2026-11-21-build.48151623',
    [120, 80, 9],
    'a-namespace-with-a-long-name',
    'service-that-nobody-shortened-85f6c7d9b8',
  ],
];

function digest(random) {
  let hex = '';
  while (hex.length < 64) hex += Math.floor(random() * 16).toString(16);
  return `sha256:${hex}`;
}

function grouped(all, keyOf) {
  const groups = new Map();
  for (const one of all) {
    const group = groups.get(keyOf(one));
    if (group === undefined) groups.set(keyOf(one), [one]);
    else group.push(one);
  }
  return groups;
}

/** Small and repeatable: https://en.wikipedia.org/wiki/Linear_congruential_generator */
function generator(seed) {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

export class Cluster {
  /** `pulls` stay active at a time, over `nodes`; `failures` and `stalls` are shares of them. */
  constructor({
    pulls = 40,
    nodes = 20,
    failures = 0.06,
    stalls = 0.05,
    speed = 1,
    finished = 0,
    seed = 1,
  } = {}) {
    this.random = generator(seed);
    this.options = { pulls, nodes, failures, stalls, speed };
    this.pulls = new Map();
    this.startedAt = Date.now();
    this.version = 0;
    this.serial = 0;
    this.layers = IMAGES.map(([, sizes]) =>
      sizes.map((mb) => ({ digest: digest(this.random), bytes: Math.ceil(mb * MB) })),
    );
    for (let index = 0; index < finished; index++) this.beginOver(index / finished);
    while (this.pulls.size < finished + pulls)
      this.begin(Date.now() - this.random() * 60_000, true);
  }

  nodeName(index) {
    return index % 25 === 24
      ? `gpu-a100-${String(index).padStart(2, '0')}`
      : `worker-${String(index).padStart(3, '0')}`;
  }

  begin(startedAt, underWay = false) {
    const { random } = this;
    const which = Math.floor(random() * IMAGES.length);
    const [imageRef, , namespace, name] = IMAGES[which];
    const kind = random();
    const { failures, stalls } = this.options;
    const id = `fake-${++this.serial}`;
    const suffix = () =>
      Math.floor(random() * 36 ** 5)
        .toString(36)
        .padStart(5, '0');
    const podCount = random() < 0.7 ? 1 : Math.ceil(random() * 12);
    const pull = {
      id,
      nodeName: this.nodeName(Math.floor(random() * this.options.nodes)),
      imageRef,
      startedAt,
      fate:
        kind < failures
          ? 'fail'
          : kind < failures + stalls
            ? 'stall'
            : kind < failures + stalls + 0.04
              ? 'queue'
              : 'finish',
      rate: (4 + random() * 80) * MB * this.options.speed,
      pods: Array.from({ length: podCount }, () => ({
        namespace,
        podName: `${name}-${suffix()}`,
        container: 'main',
        image: imageRef,
      })),
      layers: this.layers[which].map(({ digest: name, bytes }, index) => {
        const cached = index === 0 && random() < 0.6;
        return { digest: name, bytes, done: cached ? bytes : 0, cached, startedAt, extracted: 0 };
      }),
      manifest: digest(random),
      stalledSince: undefined,
    };
    this.pulls.set(id, pull);
    if (underWay) this.advance(pull, Date.now(), 1 + random() * 20);
    else this.touch(pull, 'pull.started');
    return pull;
  }

  /** One that has ended, at that share of the history's newer half: minutes before it is forgotten. */
  beginOver(share) {
    const completedAt = Date.now() - 1000 - share * (HISTORY_SECONDS / 2) * 1000;
    const pull = this.begin(completedAt - 5000 - this.random() * 60_000);
    for (const layer of pull.layers) {
      layer.done = layer.bytes;
      layer.completedAt = layer.extractedAt = completedAt;
    }
    Object.assign(pull, { completedAt, attempts: 1, nextAttemptAt: completedAt });
    if (pull.fate !== 'fail') pull.fate = 'finish';
  }

  touch(pull, type) {
    pull.version = ++this.version;
    pull.type = type;
  }

  /** One report interval of one pull. */
  advance(pull, now, seconds) {
    if (pull.completedAt !== undefined) return;
    this.touch(pull, 'pull.progress');
    if (pull.fate === 'queue') {
      if (this.random() < 0.02 * seconds) pull.fate = 'finish';
      return;
    }
    const loaded = pull.layers.reduce((sum, layer) => sum + layer.done, 0);
    const total = pull.layers.reduce((sum, layer) => sum + layer.bytes, 0);
    if (pull.fate === 'fail' && (loaded / total > 0.3 || this.random() < 0.3)) {
      Object.assign(pull, {
        completedAt: now,
        attempts: 1 + Math.floor(this.random() * 6),
        nextAttemptAt: now + 160_000,
      });
      this.touch(pull, 'pull.failed');
      return;
    }
    if (pull.fate === 'stall' && loaded / total > 0.15) {
      pull.stalledSince ??= now;
      return;
    }
    let budget = pull.rate * seconds * (0.7 + this.random() * 0.6);
    const open = pull.layers.filter((layer) => layer.done < layer.bytes).slice(0, 3);
    for (const layer of open) {
      layer.begunAt ??= now - seconds * 1000;
      const part = Math.min(layer.bytes - layer.done, budget / open.length);
      layer.done += Math.ceil(part);
      layer.rate = part / seconds;
      budget -= part;
      if (layer.done >= layer.bytes) layer.completedAt = now;
    }
    const next = pull.layers.find((layer) => !layer.cached && layer.extractedAt === undefined);
    if (next?.completedAt !== undefined) {
      next.extractStartedAt ??= now - seconds * 500;
      next.extracted += 60 * MB * seconds;
      if (next.extracted >= next.bytes) next.extractedAt = now;
    }
    if (next === undefined) {
      pull.completedAt = now;
      this.touch(pull, 'pull.completed');
    }
  }

  /** Forgets what ended ten minutes ago; new pulls take the place of the finished. */
  refill(now) {
    let active = 0;
    for (const pull of this.pulls.values()) {
      if (pull.completedAt === undefined) active++;
      else if (now - pull.completedAt > HISTORY_SECONDS * 1000) this.pulls.delete(pull.id);
    }
    while (active++ < this.options.pulls) this.begin(now);
  }

  /** A page of those that match, the last that ended first, as the server has it. */
  page({ status, limit = 1000, cursor = 0 }) {
    const over = [...this.pulls.values()]
      .filter(({ completedAt, fate }) => {
        if (status === 'active') return completedAt === undefined;
        return completedAt !== undefined && (status === 'failed') === (fate === 'fail');
      })
      .sort((a, b) => b.completedAt - a.completedAt);
    const pulls = over.slice(cursor, cursor + limit).map((pull) => this.status(pull, false));
    const next = cursor + limit;
    return { pulls, nextCursor: next < over.length ? String(next) : undefined };
  }

  changedSince(version) {
    return [...this.pulls.values()].filter((pull) => pull.version > version);
  }

  /** A PullStatus as the server sends it. */
  status(pull, withLayers) {
    const time = (at) => (at === undefined ? undefined : new Date(at).toISOString());
    const sum = (of) => pull.layers.reduce((all, layer) => all + of(layer), 0);
    const totalBytes = sum((layer) => layer.bytes);
    const downloadedBytes = sum((layer) => layer.done);
    const stalled = pull.stalledSince !== undefined;
    const failed = pull.completedAt !== undefined && pull.fate === 'fail';
    const phase = failed
      ? 'failed'
      : pull.completedAt !== undefined
        ? 'completed'
        : pull.fate === 'queue'
          ? 'queued'
          : downloadedBytes >= totalBytes
            ? 'extracting'
            : 'downloading';
    const bytesPerSec =
      stalled || phase !== 'downloading'
        ? 0
        : sum((layer) => (layer.completedAt === undefined ? (layer.rate ?? 0) : 0));
    const eta =
      phase === 'downloading' && bytesPerSec > 0
        ? (totalBytes - downloadedBytes) / bytesPerSec
        : undefined;
    const extracted = sum((layer) =>
      layer.extractedAt === undefined || layer.cached ? 0 : layer.bytes,
    );
    return {
      id: pull.id,
      nodeName: pull.nodeName,
      imageRef: pull.imageRef,
      totalBytes,
      downloadedBytes,
      bytesPerSec: Math.round(bytesPerSec),
      etaSeconds: eta,
      readyEtaSeconds:
        phase === 'extracting' ? 1 + (totalBytes - extracted) / (60 * MB) : eta && eta * 1.2,
      percent: (100 * downloadedBytes) / totalBytes,
      layerCount: pull.layers.length,
      layersDone: pull.layers.filter((layer) => layer.done >= layer.bytes).length,
      layersExtracted: pull.layers.filter(
        (layer) => layer.cached || layer.extractedAt !== undefined,
      ).length,
      startedAt: time(pull.startedAt),
      completedAt: time(pull.completedAt),
      error: failed
        ? `failed to resolve reference "${pull.imageRef}": ${pull.imageRef}: not found`
        : undefined,
      errorClass: failed ? 'not_found' : undefined,
      attempts: failed ? pull.attempts : undefined,
      nextAttemptAt: failed ? time(pull.nextAttemptAt) : undefined,
      pods: pull.pods,
      totalKnown: phase !== 'queued',
      phase,
      cachedBytes: sum((layer) => (layer.cached ? layer.bytes : 0)),
      extractedBytes: extracted,
      stalledSeconds: stalled ? Math.round((Date.now() - pull.stalledSince) / 1000) : undefined,
      manifestDigest: pull.manifest,
      version: pull.version,
      layers: withLayers
        ? pull.layers.map((layer) => this.layerStatus(pull, layer, time))
        : undefined,
    };
  }

  layerStatus(pull, layer, time) {
    const phase = layer.cached
      ? 'exists'
      : layer.extractedAt !== undefined
        ? 'done'
        : layer.extractStartedAt !== undefined
          ? 'extracting'
          : layer.done >= layer.bytes
            ? 'downloaded'
            : layer.begunAt !== undefined
              ? 'downloading'
              : 'queued';
    return {
      pullId: pull.id,
      digest: layer.digest,
      totalBytes: layer.bytes,
      downloadedBytes: layer.done,
      bytesPerSec:
        phase === 'downloading' && pull.stalledSince === undefined ? Math.round(layer.rate) : 0,
      percent: (100 * layer.done) / layer.bytes,
      startedAt: time(layer.begunAt ?? pull.startedAt),
      completedAt: time(layer.completedAt),
      extractStartedAt: time(layer.extractStartedAt),
      extractCompletedAt: time(layer.extractedAt),
      totalKnown: true,
      phase,
      cached: layer.cached,
    };
  }

  active() {
    return [...this.pulls.values()].filter((pull) => pull.completedAt === undefined);
  }

  speedOf(pulls) {
    return pulls.reduce((sum, pull) => sum + this.status(pull, false).bytesPerSec, 0);
  }

  summary() {
    const active = this.active();
    const queued = active.filter(({ fate }) => fate === 'queue').length;
    let failed = 0;
    for (const { completedAt, fate } of this.pulls.values())
      if (completedAt !== undefined && fate === 'fail') failed++;
    return {
      activePulls: active.length - queued,
      queuedPulls: queued,
      failedPulls: failed,
      completedPulls: this.pulls.size - active.length - failed,
      bytesPerSec: this.speedOf(active),
      nodesReporting: Math.max(0, this.options.nodes - 1),
      nodesSilent: this.options.nodes > 1 ? 1 : 0,
      historySeconds: HISTORY_SECONDS,
      serverVersion: 'fake',
      cluster: 'prod-eu-1',
      agentsKnownBy: 'keys',
      startedAt: new Date(this.startedAt).toISOString(),
      now: new Date().toISOString(),
    };
  }

  nodes() {
    const active = grouped(this.active(), (pull) => pull.nodeName);
    return Array.from({ length: this.options.nodes }, (_, index) => {
      const nodeName = this.nodeName(index);
      const here = active.get(nodeName) ?? [];
      const silent = index === 3;
      return {
        nodeName,
        agentVersion: '1.0.0',
        runtimeName: 'containerd',
        runtimeVersion: index % 2 === 0 ? '2.1.4' : '1.7.27',
        lastReportAt: new Date(Date.now() - (silent ? 190_000 : 400)).toISOString(),
        silent,
        activePulls: here.length,
        bytesPerSec: silent ? 0 : this.speedOf(here),
      };
    });
  }

  /** Half an hour of each registry, in which one was slow and failing for some minutes. */
  registries() {
    const kept = grouped([...this.pulls.values()], ({ imageRef }) => imageRef.split('/')[0]);
    const steps = Array.from({ length: STEPS }, (_, step) => step);
    const registries = [...kept].map(([registry, pulls], which) => {
      const active = pulls.filter((pull) => pull.completedAt === undefined);
      const failed = pulls.filter((pull) => pull.completedAt && pull.fate === 'fail').length;
      const speed = this.speedOf(active);
      const isBad = (step) => which === 1 && step > 20 && step < 32;
      const wave = (step) => (isBad(step) ? 0.1 : 1 + Math.sin(step / (4 + which)) / 3);
      return {
        registry,
        activePulls: active.length,
        stalledPulls: active.filter((pull) => pull.stalledSince !== undefined).length,
        bytesPerSec: speed,
        medianBytesPerSec: active.length > 0 ? Math.round(speed / active.length) : 0,
        failed: failed > 0 ? { not_found: failed } : {},
        history: {
          bytesPerSec: steps.map((step) => Math.round(speed * wave(step))),
          stalledPulls: steps.map((step) => (isBad(step) ? 3 : 0)),
          failed: steps.map((step) => (isBad(step) ? 2 : 0)),
        },
      };
    });
    return { stepSeconds: STEP_SECONDS, leftOut: 0, registries };
  }

  /** What `namespace/name` waits for, or undefined. */
  pod(wanted) {
    const isWanted = (pod) => `${pod.namespace}/${pod.podName}` === wanted;
    const pull = [...this.pulls.values()].find(({ pods }) => pods.some(isWanted));
    if (pull === undefined) return undefined;
    const { namespace, podName, container } = pull.pods.find(isWanted);
    const over = pull.completedAt !== undefined;
    const failed = over && pull.fate === 'fail';
    const { readyEtaSeconds } = this.status(pull, false);
    return {
      namespace,
      podName,
      nodeName: pull.nodeName,
      waiting: !over || failed,
      waitingSince: new Date(pull.startedAt).toISOString(),
      outcome: over && !failed ? 'ready' : undefined,
      endedAt: over && !failed ? new Date(pull.completedAt).toISOString() : undefined,
      readyEtaSeconds,
      containers: [
        {
          name: container,
          kind: 'main',
          image: pull.imageRef,
          state: failed ? 'failed' : over ? 'ready' : 'waiting',
          pullId: pull.id,
        },
      ],
    };
  }
}
