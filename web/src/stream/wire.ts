// SPDX-License-Identifier: Apache-2.0

/** What the server sends, decoded: times are epoch milliseconds, absent stays undefined. */

export interface PodRef {
  readonly namespace: string;
  readonly podName: string;
  readonly container: string;
  readonly image?: string;
}

export interface Layer {
  readonly digest: string;
  readonly mediaType?: string;
  readonly totalBytes: number;
  readonly downloadedBytes: number;
  readonly bytesPerSec: number;
  readonly percent: number;
  readonly totalKnown: boolean;
  readonly phase?: string;
  readonly cached: boolean;
  readonly startedAt?: number;
  readonly completedAt?: number;
  readonly extractStartedAt?: number;
  readonly extractCompletedAt?: number;
}

export interface Pull {
  readonly id: string;
  readonly nodeName: string;
  readonly imageRef: string;
  readonly totalBytes: number;
  readonly downloadedBytes: number;
  readonly bytesPerSec: number;
  readonly percent: number;
  readonly layerCount: number;
  readonly layersDone: number;
  readonly totalKnown: boolean;
  readonly startedAt: number;
  readonly etaSeconds?: number;
  readonly completedAt?: number;
  readonly error?: string;
  readonly pods: readonly PodRef[];
  readonly phase?: string;
  readonly registry?: string;
  readonly repository?: string;
  readonly rootDigest?: string;
  readonly manifestDigest?: string;
  readonly imageRefExact?: boolean;
  readonly cachedBytes?: number;
  readonly extractedBytes?: number;
  readonly layersExtracted?: number;
  readonly readyEtaSeconds?: number;
  readonly queuedSeconds?: number;
  readonly downloadSeconds?: number;
  readonly extractSeconds?: number;
  readonly stalledSeconds?: number;
  readonly errorClass?: string;
  readonly attempts?: number;
  /** End of the back-off after a failure. */
  readonly nextAttemptAt?: number;
}

export interface PullDetail {
  readonly pull: Pull;
  readonly layers: readonly Layer[];
  /** Throughput of its node; a layer that several pulls wait for counts once. */
  readonly nodeBytesPerSec: number;
}

export interface Summary {
  /** A layer that several pulls of a node wait for counts once. */
  readonly bytesPerSec: number;
  readonly activePulls: number;
  /** All that the server knows of, whatever their phase. */
  readonly allPulls: number;
  readonly nodesReporting: number;
  readonly nodesSilent: number;
  /** How long the server keeps a finished pull. */
  readonly historySeconds: number;
  readonly serverVersion: string;
  readonly now: number;
  /** When the server process began; tells a restarted server from a resumed stream. */
  readonly startedAt?: number;
}

export interface NodeStatus {
  readonly nodeName: string;
  readonly agentVersion: string;
  readonly runtimeName: string;
  readonly runtimeVersion: string;
  readonly lastReportAt: number;
  readonly silent: boolean;
  readonly activePulls: number;
  readonly bytesPerSec: number;
}
