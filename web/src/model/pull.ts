// SPDX-License-Identifier: Apache-2.0
import {
  type Decoded,
  choice,
  flag,
  listOf,
  number,
  optional,
  optionalObject,
  readerOf,
  text,
  time,
  withDefault,
} from './fields';

const PULL_PHASES = [
  'queued',
  'resolving',
  'downloading',
  'extracting',
  'completed',
  'failed',
  'cancelled',
] as const;

/** A check found everything there when it began, and fetched nothing. */
const PULL_KINDS = ['pull', 'check'] as const;

export const ERROR_CLASSES = [
  'not_found',
  'unauthorized',
  'rate_limited',
  'timeout',
  'network',
  'tls',
  'disk_full',
  'invalid_reference',
  'policy',
  'platform',
  'corrupt',
  'not_unpacked',
  'stale',
  'other',
] as const;
export type ErrorClass = (typeof ERROR_CLASSES)[number];

/** Why nothing is known of how a pull ended; of class `stale` only. */
const STALE_REASONS = ['silent', 'unnamed', 'stuck'] as const;
export type StaleReason = (typeof STALE_REASONS)[number];

export const POD_FIELDS = {
  namespace: text,
  podName: text,
  container: withDefault(text, ''),
  image: optional(text),
};

/** A container that waits for a pull. */
export type PodRef = Decoded<typeof POD_FIELDS>;

/** A pod's name in its cluster. */
export function fullPodName({ namespace, podName }: Pick<PodRef, 'namespace' | 'podName'>): string {
  return `${namespace}/${podName}`;
}

/** Its pods, each once, however many of their containers wait. */
export function podNames({ pods }: { readonly pods: readonly PodRef[] }): string[] {
  return [...new Set(pods.map(fullPodName))];
}

const HOLD_UP_KINDS = [
  'queue',
  'resolving',
  'no_bytes',
  'slow',
  'extracting',
  'backoff',
  'failed',
  'volume',
  'sandbox',
  'node_silent',
  'agent_missing',
] as const;
export type HoldUpKind = (typeof HOLD_UP_KINDS)[number];

export const HOLD_UP_FIELDS = {
  kind: choice(HOLD_UP_KINDS),
  since: time,
  /** What its node pulls first. */
  pullId: optional(text),
  /** Medians of the node's and of the registry's other pulls. */
  nodeBytesPerSec: optional(number),
  registryBytesPerSec: optional(number),
};

/** What holds a pull up, as the server has worked it out. */
export type HoldUp = Decoded<typeof HOLD_UP_FIELDS>;

const readHoldUp = readerOf('holdUp', HOLD_UP_FIELDS);

/**
 * PullStatus of docs/schemas/pulls.schema.json, without its layers. A member that only our own
 * servers send is never required.
 */
export const PULL_FIELDS = {
  id: text,
  nodeName: text,
  imageRef: text,
  totalBytes: number,
  downloadedBytes: number,
  bytesPerSec: number,
  percent: number,
  layerCount: number,
  layersDone: number,
  totalKnown: withDefault(flag, false),
  startedAt: time,
  etaSeconds: optional(number),
  completedAt: optional(time),
  error: optional(text),
  pods: listOf(readerOf('pod', POD_FIELDS)),
  phase: choice(PULL_PHASES),
  kind: choice(PULL_KINDS),
  registry: optional(text),
  repository: optional(text),
  rootDigest: optional(text),
  manifestDigest: optional(text),
  /** As `linux/arm64/v8`. */
  platform: optional(text),
  imageRefExact: optional(flag),
  cachedBytes: optional(number),
  /** Of these: mounted, and fetched when they are read. */
  remoteBytes: optional(number),
  bytesFetched: optional(number),
  extractedBytes: optional(number),
  layersExtracted: optional(number),
  readyEtaSeconds: optional(number),
  queuedSeconds: optional(number),
  downloadSeconds: optional(number),
  extractSeconds: optional(number),
  stalledSeconds: optional(number),
  errorClass: choice(ERROR_CLASSES),
  staleReason: choice(STALE_REASONS),
  attempts: optional(number),
  /** End of the back-off after a failure. */
  nextAttemptAt: optional(time),
  /** Whether a container waits for it now; `pods` may be those that had waited. */
  waiting: optional(flag),
  holdUp: optionalObject(readHoldUp),
};

export type Pull = Decoded<typeof PULL_FIELDS>;

export const readPull = readerOf('pull', PULL_FIELDS);

const LAYER_PHASES = [
  'queued',
  'downloading',
  'committing',
  'downloaded',
  'extracting',
  'done',
  'exists',
] as const;
export type LayerPhase = (typeof LAYER_PHASES)[number];

/** Where a layer's bytes come from. */
const LAYER_SOURCES = [
  'fetched',
  'local',
  'snapshotter_cache',
  'remote',
  'snapshotter',
  'namespace',
] as const;

/** LayerStatus of docs/schemas/pulls.schema.json. */
export const LAYER_FIELDS = {
  digest: text,
  mediaType: optional(text),
  totalBytes: number,
  downloadedBytes: number,
  bytesPerSec: withDefault(number, 0),
  percent: withDefault(number, 0),
  totalKnown: withDefault(flag, false),
  phase: choice(LAYER_PHASES),
  cached: withDefault(flag, false),
  source: choice(LAYER_SOURCES),
  /** Left by a download before this pull. */
  resumedBytes: optional(number),
  startedAt: optional(time),
  completedAt: optional(time),
  extractStartedAt: optional(time),
  extractCompletedAt: optional(time),
};

export type Layer = Decoded<typeof LAYER_FIELDS>;

export const readLayer = readerOf('layer', LAYER_FIELDS);
