// SPDX-License-Identifier: Apache-2.0
import { createContext, useContext, useSyncExternalStore } from 'react';
import { type AppState, createStore, type Store } from './store';

export const StoreContext = createContext<Store>(createStore());

/** One slice of the state; the component draws again only when that slice is another object. */
export function useSlice<K extends keyof AppState>(key: K): AppState[K] {
  const store = useContext(StoreContext);
  return useSyncExternalStore(store.subscribe, () => store.get()[key]);
}
