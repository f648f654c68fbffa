// SPDX-License-Identifier: Apache-2.0
import { formatBytes, formatDuration, formatPercent, formatRate, plural } from '../lib/format';
import { splitImageRef } from '../lib/imageRef';
import { type HoldUp, type Pull, podNames } from '../model/pull';
import { heldSeconds, stalledSeconds } from './holdUp';
import { isUnnamed } from './images';
import type { Flow, Peers } from './peers';
import { registryOf } from './query';
import { readySeconds } from './readiness';
import { errorWords, isUnderWay, isWaitedFor, statusOf, whatHappened } from './status';
import { retrySeconds, waitingSince } from './times';

/**
 * One sentence for one pull: who waits, for what, behind whom, since when; what else its node and
 * its registry do shows where the fault lies.
 */
export function sentenceOf(pull: Pull, peers: Peers, now: number): string {
  const image = imageWords(pull);
  const who = whoWaits(pull);
  const state = stateWords(pull, peers, now);
  const subject = who === undefined ? `${image} ${state}` : `${who} for ${image}, which ${state}`;
  const words = [subject, ...comparisons(pull, peers)].join('; ');
  // A name keeps its letters; words begin as sentences do.
  return `${isUnnamed(pull.imageRef) && who === undefined ? words.replace(/^a/, 'A') : words}.`;
}

function imageWords({ imageRef }: Pull): string {
  if (isUnnamed(imageRef)) return 'an image whose name is not known yet';
  const { repository, version } = splitImageRef(imageRef);
  return repository + version;
}

/** `shop/web-0 and 3 more pods wait`; undefined when nobody is known to. */
function whoWaits(pull: Pull): string | undefined {
  const names = podNames(pull);
  const [first] = names;
  if (first === undefined) return undefined;
  const waits = isWaitedFor(pull);
  if (names.length === 1) return `${first} ${waits ? 'waits' : 'waited'}`;
  return `${first} and ${plural(names.length - 1, 'more pod')} ${waits ? 'wait' : 'waited'}`;
}

function stateWords(pull: Pull, peers: Peers, now: number): string {
  const node = pull.nodeName;
  const unheard = unheardWords(pull, now);
  if (unheard !== undefined) return unheard;
  const since = formatDuration(Math.max(0, Math.round((now - waitingSince(pull)) / 1000)));
  switch (statusOf(pull)) {
    case 'queued':
      return `has been queued on ${node} for ${since}${behindWords(peers.behind, now)}`;
    case 'completed':
      return `was ${doneWords(pull)} on ${node} in ${spanOf(pull)}`;
    case 'failed':
      return `could not be pulled on ${node}: ${failureWords(pull, now)}`;
    case 'stale':
      return `ended on ${node}, outcome unknown: ${errorWords(pull) ?? 'no further report'}`;
    case 'resolving':
    case 'downloading':
    case 'stalled':
    case 'extracting':
      return activeWords(pull, node, now);
  }
}

/** Of a pull under way on a node that says nothing, since when that is so. */
function unheardWords(pull: Pull, now: number): string | undefined {
  const { nodeName: node, phase = 'downloading' } = pull;
  const silent = heldSeconds(pull, 'node_silent', now);
  if (silent !== undefined) {
    const last = phase === 'downloading' ? `at ${formatPercent(pull.percent)}` : phase;
    return `was ${last} on ${node} when the node fell silent, ${formatDuration(silent)} ago`;
  }
  const alone = heldSeconds(pull, 'agent_missing', now);
  if (alone === undefined) return undefined;
  const what = phase === 'queued' ? 'has been queued' : 'has been pulled';
  return `${what} on ${node} for ${formatDuration(alone)}, where no agent reports how far it is`;
}

/** What a pull under way does; on no named node where another pull is spoken of. */
function activeWords(pull: Pull, node: string | undefined, now: number): string {
  const on = node === undefined ? '' : ` on ${node}`;
  const running = formatDuration(Math.max(0, Math.round((now - pull.startedAt) / 1000)));
  const ready = readySeconds(pull);
  const end = ready === undefined ? '' : `, ready in ${formatDuration(Math.max(1, ready))}`;
  switch (statusOf(pull)) {
    case 'resolving':
      return `has waited${on} for ${running} for its manifest from ${registryWords(pull)}`;
    case 'stalled':
      return `has received no data${on} from ${registryWords(pull)} for ${formatDuration(stalledSeconds(pull, now))}, at ${formatPercent(pull.percent)}`;
    case 'extracting':
      return `is downloaded${on} and being extracted${end}`;
    default:
      return `has been downloading${on} for ${running}${pull.bytesPerSec > 0 ? ` at ${formatRate(pull.bytesPerSec)}` : ''}, ${formatPercent(pull.percent)} so far${end}`;
  }
}

function behindWords(behind: Pull | undefined, now: number): string {
  if (behind === undefined) return '';
  return ` behind ${imageWords(behind)}, which ${activeWords(behind, undefined, now)}`;
}

function failureWords(pull: Pull, now: number): string {
  const attempts = pull.attempts ?? 1;
  const next = retrySeconds(pull, now);
  const since = formatDuration(Math.round((now - waitingSince(pull)) / 1000));
  return [
    whatHappened(pull),
    isWaitedFor(pull) && attempts > 1
      ? `${plural(attempts, 'attempt')} in ${since}`
      : plural(attempts, 'attempt'),
    next !== undefined && `the next in ${formatDuration(next)}`,
  ]
    .filter((words) => words !== false)
    .join(', ');
}

/** One that is mounted is ready before its bytes are there. */
function doneWords({ remoteBytes = 0, bytesFetched = 0 }: Pull): string {
  if (remoteBytes === 0) return 'pulled';
  return `mounted, with ${formatBytes(bytesFetched)} fetched and ${formatBytes(remoteBytes)} left on demand,`;
}

function spanOf({ startedAt, completedAt = startedAt }: Pull): string {
  return formatDuration((completedAt - startedAt) / 1000);
}

function registryWords(pull: Pull): string {
  return registryOf(pull) ?? 'its registry';
}

/** Only where it says something: a pull that is over well, or needs no more bytes, has no peers. */
function comparisons(pull: Pull, { node, registry }: Peers): string[] {
  const status = statusOf(pull);
  switch (pull.holdUp?.kind) {
    case 'slow':
      return slowWords(pull, pull.holdUp);
    case 'node_silent':
    case 'agent_missing':
      return [];
    default:
  }
  if (status === 'completed' || status === 'stale' || status === 'extracting') return [];
  const dry = isUnderWay(status) && status !== 'queued' && pull.bytesPerSec === 0;
  const name = registryOf(pull);
  return [
    node.pulls > 0 && status !== 'failed' && `the node’s ${flowWords(node, dry)}`,
    name !== undefined && registry.pulls > 0 && `${name}’s ${flowWords(registry, dry)}`,
  ].filter((words) => words !== false);
}

/** Below a quarter of these: who of the two is faster shows where the fault lies. */
function slowWords(pull: Pull, { nodeBytesPerSec = 0, registryBytesPerSec = 0 }: HoldUp): string[] {
  const name = registryOf(pull) ?? 'the registry';
  return [
    'that is slow',
    nodeBytesPerSec > 0 && `the node’s other pulls get ${formatRate(nodeBytesPerSec)} each`,
    registryBytesPerSec > 0 && `${name}’s other pulls get ${formatRate(registryBytesPerSec)} each`,
  ].filter((words) => words !== false);
}

function flowWords({ pulls, bytesPerSec }: Flow, dry: boolean): string {
  const one = pulls === 1;
  const others = one ? 'other pull' : plural(pulls, 'other pull');
  if (bytesPerSec === 0) return `${others} ${one ? 'gets' : 'get'} nothing${dry ? ' either' : ''}`;
  return `${others} ${one ? 'runs' : 'run'} at ${formatRate(bytesPerSec)}${one ? '' : ' in total'}`;
}
