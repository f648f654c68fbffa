// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../model/pull';
import { imagesOf } from './images';
import { changedFields } from './pullChanges';
import { statusOf } from './status';

/** Most finished pulls kept; beyond it the oldest go first, completed ones before failed. */
export const MAX_FINISHED = 20_000;
/** So many more may come before they go. */
const SLACK = 2000;

export interface PullsState {
  readonly pulls: ReadonlyMap<string, Pull>;
  /** While all comes afresh: ids held from before that have not come again yet. Else null. */
  readonly unconfirmed: ReadonlySet<string> | null;
}

export type PullsAction =
  /** The newest state of some pulls. */
  | { readonly type: 'received'; readonly pulls: readonly Pull[] }
  /** From here on all comes afresh, perhaps by another server: what is held may be over. */
  | { readonly type: 'afresh' }
  /** All has come: drops the rest. */
  | { readonly type: 'settled' }
  /** Drops what ended more than `historyMs` ago: the server does not say when it forgets a pull. */
  | { readonly type: 'expire'; readonly now: number; readonly historyMs: number };

export const EMPTY: PullsState = { pulls: new Map(), unconfirmed: null };

/** Pure; returns the same object when nothing changed. */
export function reducePulls(state: PullsState, action: PullsAction): PullsState {
  switch (action.type) {
    case 'received':
      return take(state, action.pulls);
    case 'afresh':
      return state.pulls.size === 0
        ? state
        : { ...state, unconfirmed: new Set(state.pulls.keys()) };
    case 'settled':
      return settle(state);
    case 'expire':
      return expire(state, action.now, action.historyMs);
  }
}

function take(state: PullsState, newest: readonly Pull[]): PullsState {
  let pulls: Map<string, Pull> | null = null;
  const unconfirmed = state.unconfirmed && new Set(state.unconfirmed);
  if (unconfirmed !== null) {
    const renamed = renamedPulls(state.pulls, unconfirmed, newest);
    if (renamed.length > 0) pulls = new Map(state.pulls);
    for (const id of [...renamed, ...newest.map((pull) => pull.id)]) unconfirmed.delete(id);
    for (const id of renamed) pulls?.delete(id);
  }
  for (const pull of newest) {
    const known = (pulls ?? state.pulls).get(pull.id);
    if (pull.phase === 'cancelled') {
      // It had not begun, and nothing waits for it any more.
      if (known === undefined) continue;
      pulls ??= new Map(state.pulls);
      pulls.delete(pull.id);
      continue;
    }
    if (known !== undefined && changedFields(known, pull) === null) continue;
    pulls ??= new Map(state.pulls);
    pulls.set(pull.id, pull);
  }
  if (pulls === null && unconfirmed === null) return state;
  if (pulls !== null && pulls.size > MAX_FINISHED + SLACK) dropOldest(pulls, SLACK);
  return { pulls: pulls ?? state.pulls, unconfirmed };
}

/** Takes finished pulls away until MAX_FINISHED are left, once there are `slack` more. */
function dropOldest(pulls: Map<string, Pull>, slack: number) {
  const finished: Pull[] = [];
  for (const pull of pulls.values()) if (pull.completedAt !== undefined) finished.push(pull);
  if (finished.length <= MAX_FINISHED + slack) return;
  const isDone = (pull: Pull) => statusOf(pull) === 'completed';
  finished.sort(
    (a, b) => Number(isDone(b)) - Number(isDone(a)) || (a.completedAt ?? 0) - (b.completedAt ?? 0),
  );
  for (const { id } of finished.slice(0, finished.length - MAX_FINISHED)) pulls.delete(id);
}

/**
 * Pulls from before that a restarted server has under another id: the same image on the same
 * node. Both side by side would be a pull too many.
 */
function renamedPulls(
  pulls: ReadonlyMap<string, Pull>,
  unconfirmed: ReadonlySet<string>,
  newest: readonly Pull[],
): string[] {
  const fresh = newest.filter(({ id, phase }) => phase !== 'cancelled' && !unconfirmed.has(id));
  if (fresh.length === 0) return [];
  const again = new Set(newest.map(({ id }) => id));
  const left: Pull[] = [];
  for (const id of unconfirmed) {
    const pull = pulls.get(id);
    if (pull !== undefined && !again.has(id) && statusOf(pull) !== 'completed') left.push(pull);
  }
  const { keyOf } = imagesOf([...left, ...fresh]);
  const key = (pull: Pull) => `${pull.nodeName} ${keyOf(pull)}`;
  const here = new Set(fresh.map(key));
  return left.filter((pull) => here.has(key(pull))).map(({ id }) => id);
}

function settle(state: PullsState): PullsState {
  const { unconfirmed } = state;
  if (unconfirmed === null) return state;
  const pulls = new Map([...state.pulls].filter(([id]) => !unconfirmed.has(id)));
  return { pulls: pulls.size === state.pulls.size ? state.pulls : pulls, unconfirmed: null };
}

function expire(state: PullsState, now: number, historyMs: number): PullsState {
  const pulls = new Map(state.pulls);
  for (const { id, completedAt } of state.pulls.values()) {
    if (completedAt !== undefined && now - completedAt > historyMs) pulls.delete(id);
  }
  dropOldest(pulls, 0);
  return pulls.size === state.pulls.size ? state : { ...state, pulls };
}
