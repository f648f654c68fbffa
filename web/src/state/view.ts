// SPDX-License-Identifier: Apache-2.0
import { type Pull, podNames } from '../model/pull';
import { UNNAMED, imagesOf } from './images';
import { foldedChecks } from './checks';
import type { PullPredicate } from './query';
import { type Readiness, ReadinessCount, readySeconds } from './readiness';
import { elapsedSeconds, lateManifestSeconds } from './times';
import { type Status, isActive, isUnderWay, isWaitedFor, statusOf } from './status';

export const SORT_COLUMNS = [
  'status',
  'image',
  'node',
  'pods',
  'progress',
  'speed',
  'size',
  'ready',
  'elapsed',
] as const;
export type SortColumn = (typeof SORT_COLUMNS)[number];

export interface Sort {
  readonly column: SortColumn;
  readonly descending: boolean;
}

export const GROUPS = ['none', 'image', 'node', 'namespace'] as const;
export type Group = (typeof GROUPS)[number];

/** What a group's head says of its pulls. */
export interface GroupTotals {
  readonly active: number;
  readonly queued: number;
  readonly failed: number;
  readonly done: number;
  readonly bytesPerSec: number;
  readonly ready: Readiness;
}

export type Item =
  | {
      readonly kind: 'section';
      readonly key: string;
      readonly label: string;
      readonly count: number;
    }
  | {
      readonly kind: 'group';
      readonly key: string;
      /** What the group's pulls have in common; the head's words may be others. */
      readonly name: string;
      readonly label: string;
      readonly totals: GroupTotals;
    }
  | { readonly kind: 'pull'; readonly key: string; readonly pull: Pull }
  | { readonly kind: 'detail'; readonly key: string; readonly pull: Pull };

/** The key of a group's item, by the name that the address has for it. */
export function groupKey(name: string): string {
  return `group ${name}`;
}

export interface View {
  readonly items: readonly Item[];
  /** Pulls shown, and how many of them stand above what is over. */
  readonly matched: number;
  readonly above: number;
}

export interface ViewOptions {
  readonly pulls: ReadonlyMap<string, Pull>;
  readonly matches: PullPredicate | null;
  readonly sort: Sort | null;
  readonly group: Group;
  /** Keys of the group items whose pulls are hidden. */
  readonly collapsed: ReadonlySet<string>;
  readonly openId: string | null;
  /** The stream has not brought all yet; it brings those under way last. */
  readonly arriving: boolean;
  /** How many are under way, queued ones included, is more than MOST_TO_LINGER. */
  readonly crowded: boolean;
  readonly now: number;
}

/** A finished pull keeps its place for this long, so that its end is seen where it happened. */
const LINGER_MS = 4000;
/** With more pulls under way, so many end each second that they would fill the screen. */
export const MOST_TO_LINGER = 500;

/** What the selector remembers of a pull. */
interface Entry {
  item: { readonly kind: 'pull'; readonly key: string; readonly pull: Pull };
  matches: boolean;
  gone: boolean;
  /** 0: under way or needing attention, 1: over. */
  rank: 0 | 1;
  sortKey: number | string;
}

/**
 * Filters, orders and groups. The selector remembers its order and touches only what changed,
 * so that a call costs little while ten thousand pulls go on.
 */
export function createViewSelector(): (options: ViewOptions) => View {
  const entries = new Map<string, Entry>();
  let order: Entry[] = [];
  let last: ViewOptions | undefined;
  return (options) => {
    const again = last?.matches !== options.matches || last.sort !== options.sort;
    last = options;
    if (update(entries, order, options, again)) order = order.filter((entry) => !entry.gone);
    const direction = options.sort?.descending === true ? -1 : 1;
    // Nearly sorted already, which the engine's sort makes use of.
    order.sort((a, b) => a.rank - b.rank || direction * compare(a.sortKey, b.sortKey));
    const matching = options.matches === null ? order : order.filter((entry) => entry.matches);
    let above = 0;
    for (const entry of matching) if (entry.rank === 0) above++;
    const items =
      options.group === 'none'
        ? sections(matching, above, options)
        : groups(matching, options.group, options);
    return { items, matched: matching.length, above };
  };
}

/**
 * Brings the entries up to date, all of them if `again`; true if some pull is gone. Both maps are
 * in the order in which their pulls came, so that they are read side by side: to look up each of
 * twenty thousand would take longer than all the rest.
 */
function update(
  entries: Map<string, Entry>,
  order: Entry[],
  options: ViewOptions,
  again: boolean,
): boolean {
  const timed = again || options.sort?.column === 'elapsed' || options.sort?.column === 'status';
  const lingerMs = options.crowded ? 0 : LINGER_MS;
  const folded = foldedChecks(options.pulls, options.openId, options.matches);
  const known = entries.values();
  let entry = known.next().value;
  let gone = false;
  const drop = (left: Entry) => {
    entries.delete(left.item.key);
    left.gone = gone = true;
  };
  for (const [id, pull] of options.pulls) {
    if (folded.has(id)) continue;
    for (; entry !== undefined && entry.item.key !== id; entry = known.next().value) drop(entry);
    if (entry === undefined) {
      const rank = rankOf(pull, options.now, lingerMs);
      const added: Entry = {
        item: { kind: 'pull', key: id, pull },
        matches: options.matches?.(pull) ?? true,
        gone: false,
        rank,
        sortKey: sortKey(pull, rank, options),
      };
      entries.set(id, added);
      order.push(added);
      continue;
    }
    const changed = entry.item.pull !== pull;
    if (changed) entry.item = { kind: 'pull', key: id, pull };
    if (changed || again) {
      entry.matches = options.matches?.(pull) ?? true;
    }
    // Time alone moves a pull that has just ended.
    if (changed || timed || (entry.rank === 0 && pull.completedAt !== undefined)) {
      entry.rank = rankOf(pull, options.now, lingerMs);
      entry.sortKey = sortKey(pull, entry.rank, options);
    }
    entry = known.next().value;
  }
  for (; entry !== undefined; entry = known.next().value) drop(entry);
  return gone;
}

function rankOf(pull: Pull, now: number, lingerMs: number): 0 | 1 {
  return needsAttention(pull, now, lingerMs) ? 0 : 1;
}

/** Under way, just over, or ended badly while a pod still waits for it. */
function needsAttention(pull: Pull, now: number, lingerMs: number): boolean {
  const status = statusOf(pull);
  if (isUnderWay(status)) return true;
  if (pull.completedAt !== undefined && now - pull.completedAt < lingerMs) return true;
  return isWaitedFor(pull);
}

const STATUS_ORDER: readonly Status[] = [
  'failed',
  'stalled',
  'stale',
  'downloading',
  'extracting',
  'resolving',
  'queued',
  'completed',
];

/** Its status; who waits too long for a manifest is no better off than who is stalled. */
function signOf(pull: Pull, now: number): Status {
  return lateManifestSeconds(pull, now) === undefined ? statusOf(pull) : 'stalled';
}

function sortKey(pull: Pull, rank: 0 | 1, { sort, now }: ViewOptions): number | string {
  switch (sort?.column) {
    case undefined:
      return rank === 0 ? pull.startedAt : -(pull.completedAt ?? pull.startedAt);
    case 'status':
      return STATUS_ORDER.indexOf(signOf(pull, now));
    case 'image':
      return (pull.repository ?? pull.imageRef).toLowerCase();
    case 'node':
      return pull.nodeName;
    case 'pods':
      return podNames(pull).length; // however many of their containers wait
    case 'progress':
      return pull.percent;
    case 'speed':
      return pull.bytesPerSec;
    case 'size':
      return pull.totalBytes;
    case 'ready':
      return readySeconds(pull) ?? Infinity;
    case 'elapsed':
      return elapsedSeconds(pull, now);
  }
}

function compare(a: number | string, b: number | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The open row's layers stand below each of its places. */
function pushPull(items: Item[], { item }: Entry, openId: string | null, key = item.key) {
  const { pull } = item;
  items.push(key === item.key ? item : { kind: 'pull', key, pull });
  if (pull.id === openId) items.push({ kind: 'detail', key: `${key} detail`, pull });
}

function sections(
  entries: readonly Entry[],
  above: number,
  { matches, openId, arriving }: ViewOptions,
): Item[] {
  const idle = above === 0 && matches === null && !arriving;
  const items: Item[] = [];
  entries.forEach((entry, index) => {
    if (index === above) {
      const count = entries.length - above;
      items.push({
        kind: 'section',
        key: 'section finished',
        label: idle ? 'No pull under way. Finished' : 'Finished',
        count,
      });
    }
    pushPull(items, entry, openId);
  });
  return items;
}

/** The groups that each pull is listed under: their keys, and what the heads say. */
function grouping(
  entries: readonly Entry[],
  by: Exclude<Group, 'none'>,
): { keysOf: (pull: Pull) => Iterable<string>; nameOf: (key: string) => string } {
  const same = (key: string) => key;
  switch (by) {
    case 'image': {
      const images = imagesOf(entries.map((entry) => entry.item.pull));
      const nameOf = (key: string) => images.nameOf(key).replace(UNNAMED, 'name not known yet');
      return { keysOf: (pull) => [images.keyOf(pull)], nameOf };
    }
    case 'node':
      return { keysOf: (pull) => [pull.nodeName], nameOf: same };
    case 'namespace':
      return { keysOf: namespacesOf, nameOf: same };
  }
}

const NO_NAMESPACE = ['no pod waits'];

/** All that wait for it: each namespace's people look under their own. */
function namespacesOf({ pods }: Pull): Iterable<string> {
  return pods.length === 0 ? NO_NAMESPACE : new Set(pods.map((pod) => pod.namespace));
}

function groups(
  entries: readonly Entry[],
  by: Exclude<Group, 'none'>,
  { collapsed, openId }: ViewOptions,
): Item[] {
  const { keysOf, nameOf } = grouping(entries, by);
  const byKey = new Map<string, Entry[]>();
  for (const entry of entries) {
    for (const key of keysOf(entry.item.pull)) {
      const members = byKey.get(key);
      if (members === undefined) byKey.set(key, [entry]);
      else members.push(entry);
    }
  }
  const placed = new Set<Entry>();
  const items: Item[] = [];
  for (const [name, members] of byKey) {
    const key = groupKey(name);
    items.push({ kind: 'group', key, name, label: nameOf(name), totals: totalsOf(members) });
    if (collapsed.has(key)) continue;
    for (const entry of members) {
      // In its second group a row needs a key of its own.
      const again = placed.has(entry) ? `${entry.item.key} in ${name}` : undefined;
      placed.add(entry);
      pushPull(items, entry, openId, again);
    }
  }
  return items;
}

function totalsOf(entries: readonly Entry[]): GroupTotals {
  let active = 0;
  let queued = 0;
  let failed = 0;
  let done = 0;
  let bytesPerSec = 0;
  const ready = new ReadinessCount();
  for (const { item } of entries) {
    const { pull } = item;
    ready.add(pull);
    const status = statusOf(pull);
    if (isActive(status)) {
      active++;
      bytesPerSec += pull.bytesPerSec;
    } else if (status === 'queued') queued++;
    else if (status === 'completed') done++;
    else failed++;
  }
  return { active, queued, failed, done, bytesPerSec, ready: ready.result() };
}
