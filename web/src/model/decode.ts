// SPDX-License-Identifier: Apache-2.0
import {
  type NodeStatus,
  type RegistryStatus,
  type Summary,
  readNode,
  readRegistry,
  readSummary,
} from './cluster';
import { DecodeError, listOf, objectOf, parseJson, text } from './fields';
import { type Hello, readHello } from './hello';
import { type PodStory, readPodStory } from './pod';
import { type Layer, type Pull, readLayer, readPull } from './pull';

/** A pull with what the stream leaves out. */
export interface PullDetail {
  readonly pull: Pull;
  readonly layers: readonly Layer[];
  /** Its node, where the server knows it. */
  readonly node: NodeStatus | undefined;
}

const layers = listOf(readLayer);
const pulls = listOf(readPull);
const nodes = listOf(readNode);
const registries = listOf(readRegistry);

/** The pull in one `data:` of the event stream; null for a well-formed event that holds none. */
export function decodeEvent(data: string): Pull | null {
  const from = objectOf(parseJson(data), 'event');
  if (from.schemaVersion !== 'v1') throw new DecodeError('schemaVersion is not v1');
  return text.read(from.type, 'type').startsWith('pull.') ? readPull(from.pull) : null;
}

/** The `data:` of the event stream's first message. */
export function decodeHello(data: string): Hello {
  return readHello(parseJson(data));
}

/** The answers of `/api/v1/pulls/{id}`, a pull with its layers, and of `/api/v1/nodes?node=`. */
export function decodeDetail(pullBody: string, nodesBody: string): PullDetail {
  const value = objectOf(parseJson(pullBody), 'pull');
  return {
    pull: readPull(value),
    layers: layers.read(value.layers, 'layers'),
    node: decodeNodes(nodesBody)[0],
  };
}

/** A page of `/api/v1/pulls`, and where the next one begins. */
export interface PullPage {
  readonly pulls: readonly Pull[];
  readonly nextCursor: string | undefined;
}

export function decodePage(body: string): PullPage {
  const { pulls: list, nextCursor } = objectOf(parseJson(body), 'answer');
  return {
    pulls: pulls.read(list, 'pulls'),
    nextCursor: typeof nextCursor === 'string' ? nextCursor : undefined,
  };
}

export function decodeSummary(body: string): Summary {
  return readSummary(parseJson(body));
}

export function decodeNodes(body: string): readonly NodeStatus[] {
  return nodes.read(objectOf(parseJson(body), 'answer').nodes, 'nodes');
}

export function decodeRegistries(body: string): readonly RegistryStatus[] {
  return registries.read(objectOf(parseJson(body), 'answer').registries, 'registries');
}

export function decodePod(body: string): PodStory {
  return readPodStory(parseJson(body));
}
