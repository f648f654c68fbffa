// SPDX-License-Identifier: Apache-2.0
import type { NodeStatus } from '../model/cluster';
import type { Layer, Pull } from '../model/pull';

/** A fixed time for tests and stories that need none in particular. */
export const T0 = Date.parse('2026-11-21T10:00:00Z');

const MB = 1024 * 1024;

/** A pull half way through; `change` says what matters. */
export function makePull(change: Partial<Pull> = {}): Pull {
  return {
    id: 'pull-1',
    nodeName: 'worker-1',
    imageRef: 'ghcr.io/acme/frontend:1.204.0',
    totalBytes: 100 * MB,
    downloadedBytes: 50 * MB,
    bytesPerSec: 10 * MB,
    percent: 50,
    layerCount: 4,
    layersDone: 2,
    totalKnown: true,
    startedAt: T0,
    pods: [],
    phase: 'downloading',
    ...change,
  };
}

/** The main container of a pod, as a pull names who waits for it. */
export const makePod = (podName: string) => ({ namespace: 'shop', podName, container: 'main' });

export function makeLayer(change: Partial<Layer> = {}): Layer {
  return {
    digest: 'sha256:9f1c27bd00000000000000000000000000000000000000000000000000000000',
    totalBytes: 10 * MB,
    downloadedBytes: 5 * MB,
    bytesPerSec: MB,
    percent: 50,
    totalKnown: true,
    phase: 'downloading',
    cached: false,
    startedAt: T0,
    ...change,
  };
}

export function makeNode(change: Partial<NodeStatus> = {}): NodeStatus {
  return {
    nodeName: 'worker-1',
    agentVersion: '1.0',
    runtimeName: 'containerd',
    runtimeVersion: '2.1',
    lastReportAt: T0,
    silent: false,
    activePulls: 1,
    bytesPerSec: 0,
    ...change,
  };
}

/** Keyed as the store holds them. */
export function pullMap(...pulls: Pull[]): ReadonlyMap<string, Pull> {
  return new Map(pulls.map((pull) => [pull.id, pull]));
}

/** The same pull as it comes over the wire. */
export function wirePull(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    ...makePull(),
    startedAt: new Date(T0).toISOString(),
    pods: undefined,
    ...change,
  };
}

export function wireEvent(change: Record<string, unknown> = {}): string {
  return JSON.stringify({
    schemaVersion: 'v1',
    timestamp: new Date(T0).toISOString(),
    type: 'pull.progress',
    nodeName: 'worker-1',
    pull: wirePull(change),
  });
}
