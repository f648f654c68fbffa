// SPDX-License-Identifier: Apache-2.0
import { describePod, shellWord } from '../lib/shell';
import { type Pull, fullPodName } from '../model/pull';
import { type Images, imagesOf, isUnnamed } from './images';
import { registryOf } from './query';
import {
  adviceFor,
  endedBadly,
  endsByItself,
  errorWords,
  isWaitedFor,
  statusOf,
  whatHappened,
} from './status';
import { lateManifestSeconds, waitingSince } from './times';

const NEED_KINDS = ['failed', 'stale', 'stalled', 'resolving', 'silent'] as const;
export type NeedKind = (typeof NEED_KINDS)[number];

/** One cause that somebody must see to, with all that suffers from it. */
export interface Need {
  readonly key: string;
  readonly kind: NeedKind;
  /** What is wrong, in words, on one line. */
  readonly cause: string;
  /** An error of theirs, whole. */
  readonly error: string | undefined;
  /** How many different ones they have, where no class says that they are of one kind. */
  readonly errors: number;
  readonly registry: string | undefined;
  /** The image, if it is one alone that has a name. */
  readonly image: string | undefined;
  readonly images: number;
  readonly pulls: number;
  readonly nodes: number;
  readonly pods: number;
  /** When the first of them began to wait. */
  readonly since: number | undefined;
  readonly advice: string;
  /** What to run, and where if not where kubectl is. */
  readonly command: string;
  readonly onNode: string | undefined;
  /** The search that shows the pulls; undefined for nodes. */
  readonly query: string | undefined;
}

export interface NeedsOptions {
  readonly pulls: ReadonlyMap<string, Pull>;
  readonly silentNodes: number;
  /** Without Kubernetes no pod is known to wait: then each failure is somebody's. */
  readonly anyPods: boolean;
  readonly now: number;
}

/** More images that fail for one cause at one registry are one need: it is not the images. */
const MOST_IMAGES = 3;

/** What will not get better by itself, by cause, registry and image; most pods first. */
export function needsOf({ pulls, silentNodes, anyPods, now }: NeedsOptions): Need[] {
  const found: Trouble[] = [];
  for (const pull of pulls.values()) {
    const kind = kindOf(pull, anyPods, now);
    if (kind !== undefined) found.push({ kind, pull, cause: causeOf(kind, pull) });
  }
  const images = imagesOf(found.map(({ pull }) => pull));
  const needs = merged(found, images).map((troubles) => needOf(troubles, images));
  if (silentNodes > 0) needs.push(silence(silentNodes, pulls.values()));
  return needs.sort(
    (a, b) =>
      b.pods - a.pods ||
      NEED_KINDS.indexOf(a.kind) - NEED_KINDS.indexOf(b.kind) ||
      b.pulls - a.pulls ||
      (a.key < b.key ? -1 : 1),
  );
}

interface Trouble {
  readonly kind: NeedKind;
  readonly pull: Pull;
  readonly cause: string;
}

function kindOf(pull: Pull, anyPods: boolean, now: number): NeedKind | undefined {
  // Nothing is known of it; its node is the need.
  if (pull.holdUp?.kind === 'node_silent') return undefined;
  const status = statusOf(pull);
  switch (status) {
    case 'failed':
      if (endsByItself(pull)) return undefined;
      return isWaitedFor(pull) || !anyPods ? status : undefined;
    case 'stale':
      return isWaitedFor(pull) ? status : undefined;
    case 'stalled':
      return status;
    case 'resolving':
      return lateManifestSeconds(pull, now) === undefined ? undefined : status;
    default:
      return undefined;
  }
}

/** What pulls of one need have in common; errors without a class are one, whatever they say. */
function causeOf(kind: NeedKind, pull: Pull): string {
  switch (kind) {
    case 'failed':
      return errorWords(pull) ?? 'failed';
    case 'stale':
      return errorWords(pull) ?? 'outcome unknown';
    case 'stalled':
      return 'no data received';
    case 'resolving':
      return 'no manifest received';
    case 'silent':
      return 'silent';
  }
}

/** By cause, registry and image; by cause and registry alone where that are many images. */
function merged(found: readonly Trouble[], images: Images): Trouble[][] {
  const byCause = new Map<string, Map<string, Trouble[]>>();
  for (const trouble of found) {
    const cause = `${trouble.kind} ${trouble.cause} ${registryOf(trouble.pull) ?? ''}`;
    const byImage = byCause.get(cause) ?? new Map<string, Trouble[]>();
    byCause.set(cause, byImage);
    const image = images.keyOf(trouble.pull);
    const members = byImage.get(image);
    if (members === undefined) byImage.set(image, [trouble]);
    else members.push(trouble);
  }
  return [...byCause.values()].flatMap((byImage) =>
    byImage.size > MOST_IMAGES ? [[...byImage.values()].flat()] : [...byImage.values()],
  );
}

/** Without its numbers and digests, which say how far this one had come, and when. */
const kindOfError = (error: string) =>
  error.replace(/\b[0-9a-f]{7,}\b|\d+(\.\d+)?( [KMGT]?B\b)?/g, '#');

function needOf(troubles: readonly Trouble[], images: Images): Need {
  const [first] = troubles;
  if (first === undefined) throw new Error('a need of nothing');
  const keys = new Set(troubles.map(({ pull }) => images.keyOf(pull)));
  const [key = ''] = keys;
  const name = images.nameOf(key);
  const registry = registryOf(first.pull);
  const one = keys.size === 1;
  const { pull } = troubles.find((trouble) => trouble.pull.error !== undefined) ?? first;
  const pods = new Set<string>();
  const nodes = new Set<string>();
  const errors = new Set<string>();
  let since = Infinity;
  for (const { pull } of troubles) {
    nodes.add(pull.nodeName);
    if (pull.error !== undefined) errors.add(kindOfError(pull.error));
    since = Math.min(since, waitingSince(pull));
    for (const pod of pull.pods) pods.add(fullPodName(pod));
  }
  return {
    key: `${first.kind} ${first.cause} ${registry ?? ''} ${one ? key : ''}`,
    kind: first.kind,
    cause: endedBadly(statusOf(pull)) ? whatHappened(pull) : first.cause,
    error: pull.error,
    errors: errorWords(pull) === undefined ? errors.size : 0,
    registry,
    image: one && !isUnnamed(name) ? name : undefined,
    images: keys.size,
    pulls: troubles.length,
    nodes: nodes.size,
    pods: pods.size,
    since,
    advice: adviceOf(first),
    ...commandOf(first),
    query: queryOf(first, one ? key : undefined, registry),
  };
}

function queryOf({ pull }: Trouble, image: string | undefined, registry: string | undefined) {
  const where =
    image !== undefined && !isUnnamed(pull.imageRef)
      ? ` image:=${image}`
      : registry !== undefined
        ? ` registry:=${registry}`
        : '';
  return `status:${statusOf(pull)}${where}`;
}

const STALL_ADVICE =
  'Nothing comes from the registry any more. If other pulls of the node run, look at the registry or the proxy before it; if none does, at the node’s network. The runtime gives up by itself after its own limit.';
const RESOLVE_ADVICE =
  'The registry does not answer with the manifest, which is small: it is not reached, or it holds this address back. Ask it from the node; look at DNS, proxy and the registry’s limits.';

function adviceOf({ kind, pull }: Trouble): string {
  if (kind === 'stalled') return STALL_ADVICE;
  return kind === 'resolving' ? RESOLVE_ADVICE : adviceFor(pull);
}

/** Reached under another name than images have. */
const DOCKER_HUB = 'registry-1.docker.io';

function commandOf({ kind, pull }: Trouble): Pick<Need, 'command' | 'onNode'> {
  const node = shellWord(pull.nodeName);
  if (kind === 'stale') {
    const command = `kubectl get pods -A -o wide --field-selector spec.nodeName=${node}`;
    return { command, onNode: undefined };
  }
  const registry = registryOf(pull);
  if (registry !== undefined && isAboutRegistry(kind, pull)) {
    const host = registry === 'docker.io' ? DOCKER_HUB : registry;
    return { command: `curl -sSI ${shellWord(`https://${host}/v2/`)}`, onNode: pull.nodeName };
  }
  if (pull.errorClass === 'disk_full' || pull.errorClass === 'platform') {
    return { command: `kubectl describe node ${node}`, onNode: undefined };
  }
  const [pod] = pull.pods;
  const command =
    pod === undefined ? `kubectl get events -A --field-selector reason=Failed` : describePod(pod);
  return { command, onNode: undefined };
}

function isAboutRegistry(kind: NeedKind, { errorClass }: Pull): boolean {
  if (kind === 'stalled' || kind === 'resolving') return true;
  return errorClass === 'network' || errorClass === 'timeout' || errorClass === 'tls';
}

function silence(nodes: number, pulls: Iterable<Pull>): Need {
  const pods = new Set<string>();
  let count = 0;
  let since: number | undefined;
  for (const pull of pulls) {
    if (pull.holdUp?.kind !== 'node_silent') continue;
    count++;
    since = Math.min(since ?? Infinity, pull.holdUp.since);
    for (const pod of pull.pods) pods.add(fullPodName(pod));
  }
  return {
    key: 'silent',
    kind: 'silent',
    cause: 'silent',
    error: undefined,
    errors: 0,
    registry: undefined,
    image: undefined,
    images: 0,
    pulls: count,
    nodes,
    pods: pods.size,
    since,
    advice:
      'The agents of these nodes have stopped reporting, so nothing is known of pulls there. Check the nodes, and the agent’s pod on each; the Nodes page lists them first.',
    command: 'kubectl get nodes',
    onNode: undefined,
    query: undefined,
  };
}
