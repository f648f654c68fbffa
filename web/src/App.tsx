// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from 'react';
import { NOT_LOADED, NoDialog, later, loadLater } from './features/later';
import { LivePage } from './features/live/LivePage';
import { useSlice } from './state/context';
import { olderFilter, parseQuery } from './state/query';
import { PAGES, useUrlState, writeUrl } from './state/urlState';
import type { RemoteSource } from './stream/remote';
import './App.css';
import { ConnectionState, Troubles } from './ui/ConnectionState';
import { EmptyState } from './ui/EmptyState';
import { Icon } from './ui/Icon';
import { ThemeSwitch } from './ui/ThemeSwitch';
import { useRinging } from './ui/useBells';
import { usePageSign } from './ui/usePageSign';

const PAGE_LABELS: Record<(typeof PAGES)[number], string> = {
  live: 'Live',
  images: 'Images',
  nodes: 'Nodes',
  health: 'Health',
};

const Missing = () => (
  <EmptyState title="This page could not be loaded">
    <p>{NOT_LOADED}</p>
  </EmptyState>
);
const ImagesPage = later((pages) => pages.ImagesPage, Missing);
const NodesPage = later((pages) => pages.NodesPage, Missing);
const HealthPage = later((pages) => pages.HealthPage, Missing);
const PodPage = later((pages) => pages.PodPage, Missing);
const Shortcuts = later((pages) => pages.Shortcuts, NoDialog);

/** The frame around the pages. `source` is absent where there is no server, as in the stories. */
export function App({ source }: { source?: RemoteSource }) {
  const [url, onUrl] = useUrlState();
  const connection = useSlice('connection');
  const [keys, setKeys] = useState(false);

  const { page: shown, open, pod, query } = url;
  const [older, setOlder] = useState<{ query: string; pages: number } | null>(null);
  // Of another search the first page is asked for anew.
  const olderPages = older?.query === query ? older.pages : 0;
  useEffect(() => {
    source?.wish({
      open: shown === 'live' ? open : null,
      nodes: shown === 'nodes' || shown === 'health',
      registries: shown === 'health',
      pod,
      older:
        shown === 'live' && olderPages > 0
          ? { pages: olderPages, filter: olderFilter(parseQuery(query)) }
          : null,
    });
  }, [source, shown, open, pod, query, olderPages]);
  useHelpKey(() => setKeys(true));
  useEffect(() => void loadLater(), []);
  const cluster = useSlice('summary')?.cluster;
  useRinging();
  usePageSign(url.page === 'pod' ? (pod ?? '') : PAGE_LABELS[url.page]);

  return (
    <>
      <header>
        <div className="app-header">
          <span className="app-name">
            <Icon name="logo" size={20} className="app-logo" />
            <span className="app-word">Pulltrace</span>
          </span>
          {cluster !== undefined && (
            <span className="app-cluster name ellipsis" title={`Cluster ${cluster}`}>
              {cluster}
            </span>
          )}
          <nav aria-label="Pages">
            {PAGES.map((page) => (
              <a
                key={page}
                href={writeUrl({ ...url, page, pod: null, open: null }) || '?'}
                aria-current={page === url.page ? 'page' : undefined}
                onClick={(event) => {
                  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                  event.preventDefault();
                  onUrl({ page, pod: null, open: null });
                  window.scrollTo(0, 0);
                }}
              >
                {PAGE_LABELS[page]}
              </a>
            ))}
          </nav>
          <ConnectionState />
          <button
            type="button"
            className="key shortcuts-button"
            aria-label="Keyboard shortcuts"
            title="Keyboard shortcuts (?)"
            onClick={() => setKeys(true)}
          >
            ?
          </button>
          <ThemeSwitch />
        </div>
        <Troubles />
      </header>
      <main className={connection.phase === 'reconnecting' ? 'is-stale' : undefined}>
        {url.page === 'live' && (
          <LivePage
            url={url}
            onUrl={onUrl}
            onOlder={() => setOlder({ query, pages: olderPages + 1 })}
          />
        )}
        {url.page === 'images' && <ImagesPage onUrl={onUrl} />}
        {url.page === 'pod' && <PodPage pod={pod ?? ''} onUrl={onUrl} />}
        {url.page === 'nodes' && <NodesPage onUrl={onUrl} />}
        {url.page === 'health' && <HealthPage onUrl={onUrl} />}
      </main>
      {keys && <Shortcuts onClose={() => setKeys(false)} />}
    </>
  );
}

/** `?` asks for the keys, from anywhere but a field. */
function useHelpKey(onHelp: () => void) {
  const latest = useRef(onHelp);
  useEffect(() => {
    latest.current = onHelp;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== '?' || event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as Element | null)?.closest('input, textarea, select')) return;
      event.preventDefault();
      latest.current();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}
