// SPDX-License-Identifier: Apache-2.0
import { type PullChanges, applyPullChanges, createPullDiff } from '../state/pullChanges';
import { type AppState, INITIAL, type Store } from '../state/store';

/** The state as it is told from one thread to another: pulls by their changes, the rest whole. */
export interface Update {
  readonly rest: Partial<Omit<AppState, 'pulls'>>;
  readonly pulls: PullChanges | null;
}

/**
 * Tells `post` whatever is new in the store, the next time only after `taken` was called: a reader
 * that is slow gets fewer and larger updates, never a queue of them. A fresh reader knows INITIAL.
 */
export function startMirror(store: Store, post: (update: Update) => void): { taken: () => void } {
  const diff = createPullDiff();
  let told: AppState = INITIAL;
  let waiting = false;
  let scheduled = false;

  function tell() {
    scheduled = false;
    if (waiting) return;
    const state = store.get();
    const rest: Record<string, unknown> = {};
    for (const key of Object.keys(state) as (keyof AppState)[]) {
      if (key !== 'pulls' && state[key] !== told[key]) rest[key] = state[key];
    }
    const pulls = diff(state.pulls.pulls);
    told = state;
    if (pulls === null && Object.keys(rest).length === 0) return;
    waiting = true;
    post({ rest, pulls });
  }

  /** Several changes in one turn are one update. */
  function schedule() {
    if (scheduled || waiting) return;
    scheduled = true;
    queueMicrotask(tell);
  }

  store.subscribe(schedule);
  return {
    taken: () => {
      waiting = false;
      schedule();
    },
  };
}

/** Makes the other thread's changes in this one's store. */
export function applyUpdate(store: Store, { rest, pulls }: Update) {
  if (pulls === null) store.set(rest);
  else {
    const before = store.get().pulls.pulls;
    store.set({ ...rest, pulls: { pulls: applyPullChanges(before, pulls), told: null } });
  }
}
