// SPDX-License-Identifier: Apache-2.0
import {
  type Decoded,
  type Field,
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

/** By what the server knows which node an agent speaks for. */
const AGENT_PROOFS = [
  'keys',
  'reviews',
  'unknown',
  'none',
  'fallback',
  'shared_token',
  'nothing',
] as const;

export type AgentProof = (typeof AGENT_PROOFS)[number];

/** Summary of docs/openapi.json, as far as the page shows it. */
export const SUMMARY_FIELDS = {
  /** A layer that several pulls of a node wait for counts once. */
  bytesPerSec: number,
  activePulls: withDefault(number, 0),
  queuedPulls: withDefault(number, 0),
  failedPulls: withDefault(number, 0),
  completedPulls: withDefault(number, 0),
  checks: withDefault(number, 0),
  nodesReporting: number,
  /** How long the completed pulls took that are kept; absent without any. */
  pullSecondsP50: optional(number),
  pullSecondsP95: optional(number),
  nodesSilent: number,
  /** How long the server keeps a finished pull. */
  historySeconds: number,
  serverVersion: withDefault(text, ''),
  /** What whoever runs it calls the cluster. */
  cluster: optional(text),
  /** What has not come from Kubernetes yet, in words. */
  missing: optional(text),
  /** How the server knows which node an agent speaks for; absent of an older one. */
  agentsKnownBy: choice(AGENT_PROOFS),
  /** That the other servers cannot be heard, in words. */
  apart: optional(text),
  now: time,
};

export type Summary = Decoded<typeof SUMMARY_FIELDS>;

export const readSummary = readerOf('summary', SUMMARY_FIELDS);

/** All pulls that the server knows of, whatever their phase; of those that ended well at most so many. */
export function allPulls(summary: Summary, mostDone = Infinity): number {
  const { activePulls, queuedPulls, failedPulls, completedPulls, checks } = summary;
  return activePulls + queuedPulls + failedPulls + Math.min(mostDone, completedPulls + checks);
}

const numbers = listOf((value) => number.read(value, 'step'));

/** The last half hour in steps, the oldest first; all lists are of one length, but an empty one is all zeros. */
export const HISTORY_FIELDS = {
  bytesPerSec: numbers,
  /** The most at once. */
  stalledPulls: numbers,
  /** Attempts. */
  failed: numbers,
};

export type History = Decoded<typeof HISTORY_FIELDS>;

const readHistory = readerOf('history', HISTORY_FIELDS);

/** A node of NodeList of docs/openapi.json. */
export const NODE_FIELDS = {
  nodeName: text,
  agentVersion: withDefault(text, ''),
  runtimeName: withDefault(text, ''),
  runtimeVersion: withDefault(text, ''),
  /** Absent for a node without an agent, known only by its pods. */
  lastReportAt: optional(time),
  silent: withDefault(flag, false),
  /** Why nothing is known of the bytes that it pulls; absent for a node with an agent. */
  reason: optional(text),
  activePulls: number,
  bytesPerSec: number,
  /** Absent for one that has not pulled lately, and of an older server. */
  history: optionalObject(readHistory),
};

export type NodeStatus = Decoded<typeof NODE_FIELDS>;

export const readNode = readerOf('node', NODE_FIELDS);

const history: Field<History> = { kind: 'object', required: true, read: readHistory };

/** A registry of RegistryList of docs/openapi.json. */
export const REGISTRY_FIELDS = {
  registry: text,
  activePulls: number,
  stalledPulls: number,
  bytesPerSec: number,
  /** Of its downloads. */
  medianBytesPerSec: number,
  history,
};

export type RegistryStatus = Decoded<typeof REGISTRY_FIELDS>;

export const readRegistry = readerOf('registry', REGISTRY_FIELDS);
