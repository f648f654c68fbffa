// SPDX-License-Identifier: Apache-2.0
import { type RenderResult, configure, render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { StoreContext } from '../state/context';
import { type AppState, INITIAL, type Store, createStore } from '../state/store';
import type { Summary } from '../model/cluster';
import type { Pull } from '../model/pull';
import { T0, pullMap } from './samples';

// What is waited for may come late where the machine is busy: a page is a script of its own.
configure({ asyncUtilTimeout: 10_000 });

/** What jsdom lacks and the components need: no layout, so nothing is ever observed. */
export function installBrowserParts() {
  class Observer {
    observe() {
      return undefined;
    }
    disconnect() {
      return undefined;
    }
    unobserve() {
      return undefined;
    }
  }
  globalThis.ResizeObserver = Observer;
  window.matchMedia = (media: string) =>
    Object.assign(new EventTarget(), { matches: false, media }) as MediaQueryList;
  window.scrollTo = () => undefined;
}

export const SUMMARY: Summary = {
  bytesPerSec: 0,
  activePulls: 0,
  queuedPulls: 0,
  failedPulls: 0,
  completedPulls: 0,
  checks: 0,
  nodesReporting: 2,
  nodesSilent: 0,
  historySeconds: 1800,
  serverVersion: '1',
  now: T0,
};

/** A live connection that has brought `pulls`. */
export function liveState(pulls: readonly Pull[], change: Partial<AppState> = {}): AppState {
  return {
    ...INITIAL,
    pulls: { pulls: pullMap(...pulls), unconfirmed: null },
    connection: { phase: 'live', lastMessageAt: T0 },
    summary: SUMMARY,
    ...change,
  };
}

export function renderWith(state: AppState, children: ReactNode): RenderResult & { store: Store } {
  const store = createStore(state);
  return { store, ...render(<StoreContext value={store}>{children}</StoreContext>) };
}
