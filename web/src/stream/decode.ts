// SPDX-License-Identifier: Apache-2.0
import type { Layer, NodeStatus, PodRef, Pull, PullDetail, Summary } from './wire';

/** Thrown for anything that is not what the wire contract says; the message names the field. */
export class DecodeError extends Error {}

type Fields = Record<string, unknown>;

function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DecodeError(`${what} is not an object`);
  }
  return value as Fields;
}

function optionalText(from: Fields, key: string): string | undefined {
  const value = from[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new DecodeError(`${key} is not a string`);
  return value === '' ? undefined : value;
}

function text(from: Fields, key: string): string {
  const value = optionalText(from, key);
  if (value === undefined) throw new DecodeError(`${key} is missing`);
  return value;
}

function optionalNumber(from: Fields, key: string): number | undefined {
  const value = from[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number') throw new DecodeError(`${key} is not a number`);
  return value;
}

function number(from: Fields, key: string): number {
  const value = optionalNumber(from, key);
  if (value === undefined) throw new DecodeError(`${key} is missing`);
  return value;
}

function optionalFlag(from: Fields, key: string): boolean | undefined {
  const value = from[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw new DecodeError(`${key} is not a boolean`);
  return value;
}

function optionalTime(from: Fields, key: string): number | undefined {
  const value = optionalText(from, key);
  if (value === undefined) return undefined;
  const at = Date.parse(value);
  if (Number.isNaN(at)) throw new DecodeError(`${key} is not a time`);
  return at;
}

function time(from: Fields, key: string): number {
  const at = optionalTime(from, key);
  if (at === undefined) throw new DecodeError(`${key} is missing`);
  return at;
}

function list(from: Fields, key: string): readonly unknown[] {
  const value = from[key];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new DecodeError(`${key} is not a list`);
  return value;
}

function decodePod(value: unknown): PodRef {
  const from = fields(value, 'pod');
  return {
    namespace: text(from, 'namespace'),
    podName: text(from, 'podName'),
    container: optionalText(from, 'container') ?? '',
    image: optionalText(from, 'image'),
  };
}

function decodeLayer(value: unknown): Layer {
  const from = fields(value, 'layer');
  return {
    digest: text(from, 'digest'),
    mediaType: optionalText(from, 'mediaType'),
    totalBytes: number(from, 'totalBytes'),
    downloadedBytes: number(from, 'downloadedBytes'),
    bytesPerSec: optionalNumber(from, 'bytesPerSec') ?? 0,
    percent: optionalNumber(from, 'percent') ?? 0,
    totalKnown: optionalFlag(from, 'totalKnown') ?? false,
    phase: optionalText(from, 'phase'),
    cached: optionalFlag(from, 'cached') ?? false,
    startedAt: optionalTime(from, 'startedAt'),
    completedAt: optionalTime(from, 'completedAt'),
    extractStartedAt: optionalTime(from, 'extractStartedAt'),
    extractCompletedAt: optionalTime(from, 'extractCompletedAt'),
  };
}

const NO_PODS: readonly PodRef[] = [];

function decodePull(value: unknown): Pull {
  const from = fields(value, 'pull');
  const pods = list(from, 'pods');
  return {
    id: text(from, 'id'),
    nodeName: text(from, 'nodeName'),
    imageRef: text(from, 'imageRef'),
    totalBytes: number(from, 'totalBytes'),
    downloadedBytes: number(from, 'downloadedBytes'),
    bytesPerSec: number(from, 'bytesPerSec'),
    percent: number(from, 'percent'),
    layerCount: number(from, 'layerCount'),
    layersDone: number(from, 'layersDone'),
    totalKnown: optionalFlag(from, 'totalKnown') ?? false,
    startedAt: time(from, 'startedAt'),
    etaSeconds: optionalNumber(from, 'etaSeconds'),
    completedAt: optionalTime(from, 'completedAt'),
    error: optionalText(from, 'error'),
    pods: pods.length === 0 ? NO_PODS : pods.map(decodePod),
    phase: optionalText(from, 'phase'),
    registry: optionalText(from, 'registry'),
    repository: optionalText(from, 'repository'),
    rootDigest: optionalText(from, 'rootDigest'),
    manifestDigest: optionalText(from, 'manifestDigest'),
    imageRefExact: optionalFlag(from, 'imageRefExact'),
    cachedBytes: optionalNumber(from, 'cachedBytes'),
    extractedBytes: optionalNumber(from, 'extractedBytes'),
    layersExtracted: optionalNumber(from, 'layersExtracted'),
    readyEtaSeconds: optionalNumber(from, 'readyEtaSeconds'),
    queuedSeconds: optionalNumber(from, 'queuedSeconds'),
    downloadSeconds: optionalNumber(from, 'downloadSeconds'),
    extractSeconds: optionalNumber(from, 'extractSeconds'),
    stalledSeconds: optionalNumber(from, 'stalledSeconds'),
    errorClass: optionalText(from, 'errorClass'),
    attempts: optionalNumber(from, 'attempts'),
    nextAttemptAt: optionalTime(from, 'nextAttemptAt'),
  };
}

/** The pull in one `data:` of the event stream; null for a well-formed event that holds none. */
export function decodeEvent(data: string): Pull | null {
  const from = fields(parse(data), 'event');
  if (from.schemaVersion !== 'v1') throw new DecodeError('schemaVersion is not v1');
  return text(from, 'type').startsWith('pull.') ? decodePull(from.pull) : null;
}

/** The answers of `/api/v1/pulls/{id}`, a pull with its layers, and of `/api/v1/nodes?node=`. */
export function decodeDetail(pullBody: string, nodesBody: string): PullDetail {
  const value = parse(pullBody);
  const layers = list(fields(value, 'pull'), 'layers');
  return {
    pull: decodePull(value),
    layers: layers.map(decodeLayer),
    nodeBytesPerSec: decodeNodes(nodesBody)[0]?.bytesPerSec ?? 0,
  };
}

export function decodeSummary(body: string): Summary {
  const from = fields(parse(body), 'summary');
  const count = (phase: string) => optionalNumber(from, `${phase}Pulls`) ?? 0;
  return {
    bytesPerSec: number(from, 'bytesPerSec'),
    activePulls: count('active'),
    allPulls: count('active') + count('queued') + count('failed') + count('completed'),
    nodesReporting: number(from, 'nodesReporting'),
    nodesSilent: number(from, 'nodesSilent'),
    historySeconds: number(from, 'historySeconds'),
    serverVersion: optionalText(from, 'serverVersion') ?? '',
    now: time(from, 'now'),
    startedAt: optionalTime(from, 'startedAt'),
  };
}

export function decodeNodes(body: string): readonly NodeStatus[] {
  return list(fields(parse(body), 'answer'), 'nodes').map((value) => {
    const from = fields(value, 'node');
    return {
      nodeName: text(from, 'nodeName'),
      agentVersion: optionalText(from, 'agentVersion') ?? '',
      runtimeName: optionalText(from, 'runtimeName') ?? '',
      runtimeVersion: optionalText(from, 'runtimeVersion') ?? '',
      lastReportAt: time(from, 'lastReportAt'),
      silent: optionalFlag(from, 'silent') ?? false,
      activePulls: number(from, 'activePulls'),
      bytesPerSec: number(from, 'bytesPerSec'),
    };
  });
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new DecodeError('not JSON');
  }
}
