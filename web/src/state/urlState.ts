// SPDX-License-Identifier: Apache-2.0
import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { GROUPS, type Group, SORT_COLUMNS, type Sort } from './view';

export const PAGES = ['live', 'images', 'nodes', 'health'] as const;
/** That of a pod is reached by its name. */
export type Page = (typeof PAGES)[number] | 'pod';

/** All that the address holds, so that it can be shared and reloaded. */
export interface UrlState {
  readonly page: Page;
  /** `namespace/name` of the pod whose page is shown; else null. */
  readonly pod: string | null;
  readonly query: string;
  readonly group: Group;
  readonly sort: Sort | null;
  readonly open: string | null;
  /** Names of the groups whose pulls are hidden. */
  readonly closed: readonly string[];
}

export function readUrl(search: string): UrlState {
  const params = new URLSearchParams(search);
  const sort = params.get('sort') ?? '';
  const descending = sort.startsWith('-');
  const column = SORT_COLUMNS.find((name) => name === (descending ? sort.slice(1) : sort));
  const pod = /^[^/]+\/[^/]+$/.exec(params.get('pod') ?? '')?.[0] ?? null;
  return {
    page: pod === null ? (PAGES.find((name) => name === params.get('page')) ?? 'live') : 'pod',
    pod,
    query: params.get('q') ?? '',
    group: GROUPS.find((name) => name === params.get('group')) ?? 'none',
    sort: column === undefined ? null : { column, descending },
    open: params.get('open'),
    closed: params.getAll('closed'),
  };
}

/** The query string of a state, empty for the default one. */
export function writeUrl(state: UrlState): string {
  const params = new URLSearchParams();
  if (state.page === 'pod' && state.pod !== null) params.set('pod', state.pod);
  else if (state.page !== 'live') params.set('page', state.page);
  if (state.query !== '') params.set('q', state.query);
  if (state.group !== 'none') params.set('group', state.group);
  if (state.sort !== null) {
    params.set('sort', (state.sort.descending ? '-' : '') + state.sort.column);
  }
  if (state.open !== null) params.set('open', state.open);
  for (const name of state.closed) params.append('closed', name);
  const text = params
    .toString()
    .replaceAll('%3A', ':')
    .replaceAll('%2F', '/')
    .replaceAll('%3D', '=');
  return text === '' ? '' : `?${text}`;
}

/** The address of a pod's page. */
export function podAddress(name: string): string {
  return writeUrl({ ...readUrl(''), page: 'pod', pod: name });
}

const CHANGED = 'pulltrace:url';

function subscribe(listener: () => void): () => void {
  window.addEventListener('popstate', listener);
  window.addEventListener(CHANGED, listener);
  return () => {
    window.removeEventListener('popstate', listener);
    window.removeEventListener(CHANGED, listener);
  };
}

/** Goes to an address that `writeUrl` has made, one step for the back button. */
export function visit(address: string): void {
  window.history.pushState(null, '', window.location.pathname + address);
  window.dispatchEvent(new Event(CHANGED));
  window.scrollTo(0, 0);
}

export type ChangeUrl = (change: Partial<UrlState>, how?: 'push' | 'replace') => void;

/** The state in the address, and how to change it; `push` makes a step for the back button. */
export function useUrlState(): [UrlState, ChangeUrl] {
  const search = useSyncExternalStore(subscribe, () => window.location.search);
  const change = useCallback<ChangeUrl>((part, how = 'push') => {
    const next = writeUrl({ ...readUrl(window.location.search), ...part });
    if (next === window.location.search) return;
    const address = window.location.pathname + next;
    if (how === 'push') window.history.pushState(null, '', address);
    else window.history.replaceState(null, '', address);
    window.dispatchEvent(new Event(CHANGED));
  }, []);
  // The same object while the address is the same: others remember by it.
  const state = useMemo(() => readUrl(search), [search]);
  return [state, change];
}
