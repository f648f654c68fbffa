// SPDX-License-Identifier: Apache-2.0
import { type PullChanges, applyPullChanges, createPullDiff, partsOf } from '../state/pullChanges';
import { type AppState, INITIAL, type Store } from '../state/store';
import type { Pull } from '../model/pull';

/** The state as it goes from one thread to another: pulls by their changes, the rest whole. */
export interface Update {
  readonly rest: Partial<Omit<AppState, 'pulls'>>;
  readonly pulls: PullChanges | null;
  /** The reader forgets what it knew: this begins with all there is. */
  readonly anew: boolean;
  /** More parts of the same update follow at once. */
  readonly more: boolean;
}

/** An input never waits for more than this many changed pulls to be read. */
const PART = 500;

export interface Mirror {
  /** The last update has been taken. */
  taken: () => void;
  stop: () => void;
}

/**
 * Gives `post` whatever is new in the store, the next time only after `taken` was called: a reader
 * that is slow gets fewer and larger updates, never a queue of them. A fresh reader knows INITIAL.
 */
export function startMirror(store: Store, post: (update: Update) => void): Mirror {
  const diff = createPullDiff();
  let sent: AppState = INITIAL;
  let anew = true;
  let waiting = false;
  let scheduled = false;

  function send() {
    scheduled = false;
    if (waiting) return;
    const state = store.get();
    const rest: Record<string, unknown> = {};
    for (const key of Object.keys(state) as (keyof AppState)[]) {
      if (key !== 'pulls' && state[key] !== sent[key]) rest[key] = state[key];
    }
    const pulls = diff(state.pulls.pulls);
    sent = state;
    if (pulls === null && Object.keys(rest).length === 0) return;
    waiting = true;
    const parts = pulls === null ? [null] : partsOf(pulls, PART);
    parts.forEach((part, index) => {
      const more = index < parts.length - 1;
      post({ rest: more ? {} : rest, pulls: part, anew, more });
      anew = false;
    });
  }

  /** Several changes in one turn are one update. */
  function schedule() {
    if (scheduled || waiting) return;
    scheduled = true;
    queueMicrotask(send);
  }

  const unsubscribe = store.subscribe(schedule);
  return {
    stop: () => {
      unsubscribe();
      waiting = true;
    },
    taken: () => {
      waiting = false;
      schedule();
    },
  };
}

/**
 * Makes the other thread's changes in this one's store, those of all parts of an update with the
 * last of them. True when an update is whole.
 */
export function createReceiver(store: Store): (part: Update) => boolean {
  let next: Map<string, Pull> | null = null;
  let base: Partial<AppState> = {};
  return ({ rest, pulls, anew, more }) => {
    if (anew) {
      base = INITIAL;
      next = new Map();
    }
    if (pulls !== null) {
      next ??= new Map(store.get().pulls.pulls);
      applyPullChanges(next, pulls);
    }
    if (more) return false;
    const merged = { ...base, ...rest };
    store.set(next === null ? merged : { ...merged, pulls: { pulls: next, unconfirmed: null } });
    next = null;
    base = {};
    return true;
  };
}
