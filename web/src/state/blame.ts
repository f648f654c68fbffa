// SPDX-License-Identifier: Apache-2.0
import { plural } from '../lib/format';
import type { ErrorClass, Pull } from '../model/pull';
import { imagesOf, isUnnamed } from './images';
import { registryOf } from './query';
import { endsByItself, errorWords, statusOf } from './status';
import { lateManifestSeconds } from './times';

export const BLAME_MS = 30 * 60 * 1000;

/** Pulls that failed lately, or get nothing now. */
export function troubledPulls(pulls: Iterable<Pull>, now: number): Pull[] {
  const found: Pull[] = [];
  for (const pull of pulls) if (isTroubled(pull, now)) found.push(pull);
  return found;
}

function isTroubled(pull: Pull, now: number): boolean {
  switch (statusOf(pull)) {
    case 'failed':
    case 'stale':
      return now - (pull.completedAt ?? now) < BLAME_MS && !endsByItself(pull);
    case 'stalled':
      return true;
    case 'resolving':
      return lateManifestSeconds(pull, now) !== undefined;
    default:
      return pull.holdUp?.kind === 'node_silent';
  }
}

export interface Verdict {
  readonly kind: 'calm' | 'image' | 'registry' | 'node' | 'spread' | 'little';
  /** The answer in a few words, and what it rests on. */
  readonly head: string;
  readonly words: string;
  /** The search that shows the pulls, where one does. */
  readonly query: string | undefined;
}

/** With this share of the troubled pulls one thing is to blame. */
const MOST = 0.8;

/** These say that the image, or the right to it, is not what its pod asks for. */
const OF_THE_IMAGE: ReadonlySet<ErrorClass | undefined> = new Set<ErrorClass>([
  'not_found',
  'unauthorized',
  'invalid_reference',
  'policy',
  'platform',
  'corrupt',
  'not_unpacked',
]);

/** Whether a node, a registry, or what was asked for is to blame for these pulls. */
export function verdictOf(troubled: readonly Pull[]): Verdict {
  const [first] = troubled;
  if (first === undefined) {
    return {
      kind: 'calm',
      head: 'None of them',
      words: 'no pull has failed in the last 30 minutes, and none is stuck now',
      query: undefined,
    };
  }
  const images = imagesOf(troubled);
  const ofImage = troubled.filter(({ errorClass }) => OF_THE_IMAGE.has(errorClass));
  return (
    imageVerdict(troubled, top(ofImage, images.keyOf), images.nameOf) ??
    registryVerdict(troubled, top(troubled, registryOf)) ??
    nodeVerdict(
      troubled,
      top(troubled, ({ nodeName }) => nodeName),
    ) ??
    unclear(troubled)
  );
}

interface Share {
  readonly key: string;
  readonly pulls: readonly Pull[];
}

/** What most of them have in common. */
function top(pulls: readonly Pull[], keyOf: (pull: Pull) => string | undefined): Share | undefined {
  const byKey = new Map<string, Pull[]>();
  for (const pull of pulls) {
    const key = keyOf(pull);
    if (key === undefined) continue;
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [pull]);
    else known.push(pull);
  }
  let most: Share | undefined;
  for (const [key, members] of byKey) {
    if (most === undefined || members.length > most.pulls.length) most = { key, pulls: members };
  }
  return most;
}

function dominates(share: Share | undefined, all: readonly Pull[]): share is Share {
  return share !== undefined && share.pulls.length >= MOST * all.length;
}

function nodesOf(pulls: readonly Pull[]): number {
  return new Set(pulls.map(({ nodeName }) => nodeName)).size;
}

function registriesOf(pulls: readonly Pull[]): number {
  return new Set(pulls.map(registryOf)).size;
}

function ofAll(share: Share, all: readonly Pull[]): string {
  const part = share.pulls.length;
  return part === all.length
    ? `${plural(part, 'troubled pull')}, all`
    : `${part} of ${plural(all.length, 'troubled pull')}`;
}

/** Wherever it is pulled, it fails for a reason of its own. */
function imageVerdict(
  all: readonly Pull[],
  share: Share | undefined,
  nameOf: (key: string) => string,
): Verdict | undefined {
  if (!dominates(share, all)) return undefined;
  const name = nameOf(share.key);
  const [first] = share.pulls;
  const why = (first && errorWords(first)) ?? 'failed';
  return {
    kind: 'image',
    head: 'Us',
    words: `${ofAll(share, all)} of one image, ${isUnnamed(name) ? 'not named yet' : name}, on ${plural(nodesOf(share.pulls), 'node')}: ${why}`,
    query: `image:=${share.key}`,
  };
}

function registryVerdict(all: readonly Pull[], share: Share | undefined): Verdict | undefined {
  if (!dominates(share, all)) return undefined;
  const nodes = nodesOf(share.pulls);
  if (nodes < 2) return undefined;
  return {
    kind: 'registry',
    head: 'The registry',
    words: `${ofAll(share, all)} from ${share.key}, on ${plural(nodes, 'node')}`,
    query: `registry:=${share.key}`,
  };
}

function nodeVerdict(all: readonly Pull[], share: Share | undefined): Verdict | undefined {
  if (!dominates(share, all)) return undefined;
  const registries = registriesOf(share.pulls);
  if (registries < 2) return undefined;
  return {
    kind: 'node',
    head: 'The node',
    words: `${ofAll(share, all)} on ${share.key}, from ${registries} registries`,
    query: `node:=${share.key}`,
  };
}

function unclear(all: readonly Pull[]): Verdict {
  const nodes = nodesOf(all);
  const registries = registriesOf(all);
  const where = `${plural(all.length, 'troubled pull')} on ${plural(nodes, 'node')}, from ${registries === 1 ? 'one registry' : `${registries} registries`}`;
  if (nodes === 1 && registries === 1) {
    return {
      kind: 'little',
      head: 'Too little to say',
      words: `${where}: see below how each of them does otherwise`,
      query: `node:=${all[0]?.nodeName ?? ''}`,
    };
  }
  return {
    kind: 'spread',
    head: 'No single one',
    words: `${where}: look at what they share, such as the network, a proxy, DNS`,
    query: undefined,
  };
}
