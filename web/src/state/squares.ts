// SPDX-License-Identifier: Apache-2.0
import { formatDuration, formatPercent, plural } from '../lib/format';
import type { NodeStatus } from '../model/cluster';
import type { Pull } from '../model/pull';
import { isCheck } from './checks';
import { readySeconds } from './readiness';
import { isOfNow, statusOf, whatHappened } from './status';
import { lateManifestSeconds } from './times';

/** The worst first. */
const SQUARE_KINDS = [
  'failed',
  'stalled',
  'silent',
  'downloading',
  'extracting',
  'queued',
  'done',
  'idle',
  'agentless',
] as const;
export type SquareKind = (typeof SQUARE_KINDS)[number];

export const SQUARE_WORDS: Record<SquareKind, string> = {
  failed: 'failed',
  stalled: 'stalled',
  silent: 'silent',
  downloading: 'downloading',
  extracting: 'extracting',
  queued: 'queued',
  done: 'done',
  idle: 'idle',
  agentless: 'without an agent',
};

/** One node, as a square. */
export interface Square {
  readonly nodeName: string;
  readonly kind: SquareKind;
  readonly percent: number;
  /** The same in words, for who points at it or cannot see it. */
  readonly words: string;
  /** The pull that it stands for, if it is one alone. */
  readonly pullId: string | undefined;
}

/** A square for each of these pulls, each of another node, by the nodes' names. */
export function squaresOfPulls(pulls: readonly Pull[], now: number): Square[] {
  return pulls
    .map((pull): Square => {
      const kind = kindOfPull(pull, now);
      return {
        nodeName: pull.nodeName,
        kind,
        percent: pull.percent,
        words: `${pull.nodeName}: ${pullWords(pull, kind)}`,
        pullId: pull.id,
      };
    })
    .sort(byName);
}

/** A square for each node: the worst of what its pulls do. */
export function squaresOfNodes(
  nodes: readonly NodeStatus[],
  pulls: Iterable<Pull>,
  now: number,
): Square[] {
  const worst = new Map<string, { kind: SquareKind; pull: Pull; count: number }>();
  for (const pull of pulls) {
    if (isCheck(pull) || !isOfNow(pull)) continue;
    const kind = kindOfPull(pull, now);
    const known = worst.get(pull.nodeName);
    if (known === undefined) worst.set(pull.nodeName, { kind, pull, count: 1 });
    else {
      known.count++;
      if (isWorse(kind, known.kind)) Object.assign(known, { kind, pull });
    }
  }
  return nodes
    .map(({ nodeName, silent, lastReportAt }): Square => {
      const found = worst.get(nodeName);
      const own = lastReportAt === undefined ? 'agentless' : silent ? 'silent' : 'idle';
      const kind = own === 'silent' || found === undefined ? own : found.kind;
      const pulls = found === undefined ? 'no pull' : plural(found.count, 'pull');
      return {
        nodeName,
        kind,
        percent: found?.pull.percent ?? 0,
        words: `${nodeName}: ${SQUARE_WORDS[kind]}, ${pulls}`,
        pullId: undefined,
      };
    })
    .sort(byName);
}

function byName(a: Square, b: Square): number {
  return a.nodeName < b.nodeName ? -1 : a.nodeName > b.nodeName ? 1 : 0;
}

function isWorse(kind: SquareKind, than: SquareKind): boolean {
  return SQUARE_KINDS.indexOf(kind) < SQUARE_KINDS.indexOf(than);
}

function kindOfPull(pull: Pull, now: number): SquareKind {
  if (pull.holdUp?.kind === 'node_silent') return 'silent';
  const status = statusOf(pull);
  switch (status) {
    case 'completed':
      return 'done';
    case 'stale':
      return 'failed';
    case 'resolving':
      return lateManifestSeconds(pull, now) === undefined ? 'downloading' : 'stalled';
    default:
      return status;
  }
}

function pullWords(pull: Pull, kind: SquareKind): string {
  const ready = readySeconds(pull);
  switch (kind) {
    case 'failed':
      return whatHappened(pull);
    case 'downloading':
    case 'extracting': {
      const end = ready === undefined ? '' : `, ready in ${formatDuration(Math.max(1, ready))}`;
      return `${statusOf(pull)}, ${formatPercent(pull.percent)}${end}`;
    }
    case 'stalled':
      return `stalled at ${formatPercent(pull.percent)}`;
    default:
      return SQUARE_WORDS[kind];
  }
}

/** How many of each kind there are, in the order of the kinds. */
export function countKinds(squares: readonly Square[]): [kind: SquareKind, count: number][] {
  const counts = new Map<SquareKind, number>();
  for (const { kind } of squares) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return SQUARE_KINDS.flatMap((kind) => {
    const count = counts.get(kind);
    return count === undefined ? [] : [[kind, count] as [SquareKind, number]];
  });
}

export interface SquareLayout {
  /** Pixels from one square to the next. */
  readonly pitch: number;
  readonly columns: number;
  readonly height: number;
}

/** Many nodes have smaller squares, so that five thousand are in sight at once. */
export function layOutSquares(count: number, width: number): SquareLayout {
  const pitch = count <= 60 ? 16 : count <= 600 ? 13 : 10;
  const columns = Math.max(1, Math.floor(width / pitch));
  return { pitch, columns, height: Math.ceil(count / columns) * pitch };
}
