// SPDX-License-Identifier: Apache-2.0
import type { NodeStatus, RegistryStatus, Summary } from '../model/cluster';
import type { PullDetail } from '../model/decode';
import type { PodStory } from '../model/pod';
import type { Pull } from '../model/pull';
import { EMPTY, type PullsState } from './pulls';

export interface Connection {
  readonly phase: 'connecting' | 'live' | 'reconnecting';
  /** When the last message came, by this browser's clock; 0 before the first. */
  readonly lastMessageAt: number;
}

export interface Sample {
  readonly at: number;
  readonly bytesPerSec: number;
}

export interface Rejected {
  readonly count: number;
  readonly lastReason: string;
}

/** What the server says of the pod of the address. */
export interface PodAnswer {
  /** `namespace/name` */
  readonly name: string;
  /** As it was last known. */
  readonly story: PodStory | undefined;
  /** Why nothing newer is known. */
  readonly trouble: 'unknown' | 'unanswered' | null;
}

/** Finished pulls that are older than those that the stream brings, as far as they were asked for. */
export interface Older {
  readonly pulls: readonly Pull[];
  /** Whether the server has more. */
  readonly more: boolean;
  readonly state: 'asking' | 'there' | 'unanswered';
}

export interface AppState {
  readonly pulls: PullsState;
  readonly connection: Connection;
  readonly summary: Summary | null;
  readonly nodes: readonly NodeStatus[] | null;
  /** What came from each; null before the server has said, or where it never does. */
  readonly registries: readonly RegistryStatus[] | null;
  readonly pod: PodAnswer | null;
  readonly older: Older | null;
  /** Layers of the pull whose row is open. */
  readonly detail: PullDetail | null;
  /** Why they do not come: the server has no such pull, or does not answer. */
  readonly detailTrouble: 'unknown' | 'unanswered' | null;
  /** Total throughput, one sample a second, five minutes. */
  readonly throughput: readonly Sample[];
  readonly rejected: Rejected;
  /** Server's clock minus this browser's. */
  readonly clockOffsetMs: number;
}

export const INITIAL: AppState = {
  pulls: EMPTY,
  connection: { phase: 'connecting', lastMessageAt: 0 },
  summary: null,
  nodes: null,
  registries: null,
  pod: null,
  older: null,
  detail: null,
  detailTrouble: null,
  throughput: [],
  rejected: { count: 0, lastReason: '' },
  clockOffsetMs: 0,
};

export interface Store {
  get: () => AppState;
  /** Merges `change`; notifies subscribers only if a slice is another object. */
  set: (change: Partial<AppState>) => void;
  subscribe: (listener: () => void) => () => void;
}

export function createStore(initial: AppState = INITIAL): Store {
  let state = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => state,
    set: (change) => {
      const keys = Object.keys(change) as (keyof AppState)[];
      if (keys.every((key) => Object.is(state[key], change[key]))) return;
      state = { ...state, ...change };
      for (const listener of [...listeners]) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
