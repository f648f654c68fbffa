// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../stream/wire';
import { changedFields } from './pullChanges';

/** Most finished pulls kept; beyond it the oldest go first. */
export const MAX_FINISHED = 20_000;

export interface PullsState {
  readonly pulls: ReadonlyMap<string, Pull>;
  /** Ids told since the current connection opened; null once swept or when nothing was lost. */
  readonly told: ReadonlySet<string> | null;
}

export type PullsAction =
  /** The newest state of some pulls. */
  | { readonly type: 'told'; readonly pulls: readonly Pull[] }
  /** A new connection: from here on note which pulls are told. */
  | { readonly type: 'connected' }
  /** The new connection's snapshot is in: `fresh` drops what it did not tell. */
  | { readonly type: 'settled'; readonly fresh: boolean }
  /** Drops what ended more than `historyMs` ago: the server does not tell when it forgets a pull. */
  | { readonly type: 'expire'; readonly now: number; readonly historyMs: number };

export const EMPTY: PullsState = { pulls: new Map(), told: null };

/** Pure; returns the same object when nothing changed. */
export function reducePulls(state: PullsState, action: PullsAction): PullsState {
  switch (action.type) {
    case 'told':
      return take(state, action.pulls);
    case 'connected':
      return state.pulls.size === 0 ? state : { ...state, told: new Set() };
    case 'settled':
      return settle(state, action.fresh);
    case 'expire':
      return expire(state, action.now, action.historyMs);
  }
}

function take(state: PullsState, newest: readonly Pull[]): PullsState {
  let pulls: Map<string, Pull> | null = null;
  const told = state.told === null ? null : new Set(state.told);
  for (const pull of newest) {
    told?.add(pull.id);
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
  if (pulls === null && told === null) return state;
  return { pulls: pulls ?? state.pulls, told };
}

function settle(state: PullsState, fresh: boolean): PullsState {
  const { told } = state;
  if (told === null) return state;
  if (!fresh) return { ...state, told: null };
  const pulls = new Map([...state.pulls].filter(([id]) => told.has(id)));
  return { ...state, pulls: pulls.size === state.pulls.size ? state.pulls : pulls, told: null };
}

function expire(state: PullsState, now: number, historyMs: number): PullsState {
  const gone: string[] = [];
  const finished: Pull[] = [];
  for (const pull of state.pulls.values()) {
    if (pull.completedAt === undefined) continue;
    if (now - pull.completedAt > historyMs) gone.push(pull.id);
    else finished.push(pull);
  }
  if (finished.length > MAX_FINISHED) {
    finished.sort((a, b) => (a.completedAt ?? 0) - (b.completedAt ?? 0));
    for (const pull of finished.slice(0, finished.length - MAX_FINISHED)) gone.push(pull.id);
  }
  if (gone.length === 0) return state;
  const pulls = new Map(state.pulls);
  for (const id of gone) pulls.delete(id);
  return { ...state, pulls };
}
