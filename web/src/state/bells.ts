// SPDX-License-Identifier: Apache-2.0
import { formatDuration, plural } from '../lib/format';
import { splitImageRef } from '../lib/imageRef';
import { type Pull, fullPodName } from '../model/pull';
import { isUnnamed } from './images';
import { compileQuery, parseQuery } from './query';
import { endedBadly, isOfNow, statusOf, whatHappened } from './status';
import type { PodAnswer } from './store';
import { podAddress, readUrl, writeUrl } from './urlState';

/** What somebody wants to hear the end of: a pull's id, a pod's `namespace/name`, or a search. */
export interface Bell {
  readonly kind: 'pull' | 'pod' | 'query';
  readonly value: string;
}

/** A bell that is set. */
export interface SetBell extends Bell {
  /** Pulls that had failed before: no news of them. */
  readonly failed: ReadonlySet<string>;
}

export interface Ring {
  readonly title: string;
  readonly body: string;
  /** Where it can be seen. */
  readonly address: string;
}

type Pulls = ReadonlyMap<string, Pull>;

export function setBell(bell: Bell, pulls: Pulls): SetBell {
  const failed = meant(bell, pulls).filter(hasFailed);
  return { ...bell, failed: new Set(failed.map(({ id }) => id)) };
}

/** What to say now: that one has failed, or that all are ready; undefined while they are awaited. */
export function ringOf(bell: SetBell, pulls: Pulls, pod: PodAnswer | null): Ring | undefined {
  const mine = meant(bell, pulls);
  const [first] = mine;
  if (first === undefined) return undefined;
  const label = labelOf(bell, first);
  const address = addressOf(bell);
  const failed = mine.find((pull) => hasFailed(pull) && !bell.failed.has(pull.id));
  if (failed !== undefined) {
    const body = `${nameOf(failed)} on ${failed.nodeName}: ${whatHappened(failed)}`;
    return { title: `Failed: ${label}`, body, address };
  }
  if (bell.kind === 'pod' && pod?.name === bell.value && pod.story?.waiting === true)
    return undefined;
  if (mine.some(isOfNow)) return undefined;
  const done = mine.filter((pull) => statusOf(pull) === 'completed');
  if (done.length === 0) return undefined;
  return { title: `Ready: ${label}`, body: doneWords(done), address };
}

function hasFailed(pull: Pull): boolean {
  return endedBadly(statusOf(pull));
}

function meant({ kind, value }: Bell, pulls: Pulls): Pull[] {
  if (kind === 'pull') {
    const pull = pulls.get(value);
    return pull === undefined ? [] : [pull];
  }
  const matches =
    kind === 'query'
      ? compileQuery(parseQuery(value))
      : ({ pods }: Pull) => pods.some((pod) => fullPodName(pod) === value);
  return [...pulls.values()].filter((pull) => matches?.(pull) ?? true);
}

function labelOf({ kind, value }: Bell, first: Pull): string {
  if (kind === 'pull') return `${nameOf(first)} on ${first.nodeName}`;
  return kind === 'pod' ? value : `the pulls of “${value}”`;
}

function nameOf({ imageRef }: Pull): string {
  if (isUnnamed(imageRef)) return 'an image';
  const { repository, version } = splitImageRef(imageRef);
  return repository + version;
}

function doneWords(done: readonly Pull[]): string {
  const [only, ...others] = done;
  if (only === undefined || others.length > 0) return `${plural(done.length, 'pull')} completed`;
  const seconds = ((only.completedAt ?? only.startedAt) - only.startedAt) / 1000;
  return `pulled in ${formatDuration(seconds)}`;
}

function addressOf({ kind, value }: Bell): string {
  if (kind === 'pod') return podAddress(value);
  const part = kind === 'pull' ? { open: value } : { query: value };
  return writeUrl({ ...readUrl(''), ...part });
}
