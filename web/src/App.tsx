// SPDX-License-Identifier: Apache-2.0
import { useEffect } from 'react';
import { ImagesPage } from './features/images/ImagesPage';
import { LivePage } from './features/live/LivePage';
import { NodesPage } from './features/nodes/NodesPage';
import { useSlice } from './state/context';
import { type Page, useUrlState, writeUrl } from './state/urlState';
import type { RemoteSource } from './stream/remote';
import './App.css';
import { ConnectionState } from './ui/ConnectionState';
import { Icon } from './ui/Icon';
import { ThemeSwitch } from './ui/ThemeSwitch';

const PAGE_LABELS: Record<Page, string> = { live: 'Live', images: 'Images', nodes: 'Nodes' };

/** The frame around the pages. `source` is absent where there is no server, as in the stories. */
export function App({ source }: { source?: RemoteSource }) {
  const [url, onUrl] = useUrlState();
  const connection = useSlice('connection');

  useEffect(() => source?.openDetail(url.page === 'live' ? url.open : null), [source, url]);
  useEffect(() => source?.watchNodes(url.page === 'nodes'), [source, url.page]);
  useEffect(() => {
    document.title = `${PAGE_LABELS[url.page]} · Pulltrace`;
  }, [url.page]);

  return (
    <>
      <header className="app-header">
        <span className="app-name">
          <Icon name="logo" size={20} className="app-logo" />
          Pulltrace
        </span>
        <nav aria-label="Pages">
          {(Object.keys(PAGE_LABELS) as Page[]).map((page) => (
            <a
              key={page}
              href={writeUrl({ ...url, page, open: null }) || '?'}
              aria-current={page === url.page ? 'page' : undefined}
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                event.preventDefault();
                onUrl({ page, open: null });
                window.scrollTo(0, 0);
              }}
            >
              {PAGE_LABELS[page]}
            </a>
          ))}
        </nav>
        <ConnectionState />
        <ThemeSwitch />
      </header>
      <main className={connection.phase === 'reconnecting' ? 'is-stale' : undefined}>
        {url.page === 'live' && <LivePage url={url} onUrl={onUrl} />}
        {url.page === 'images' && <ImagesPage onUrl={onUrl} />}
        {url.page === 'nodes' && <NodesPage onUrl={onUrl} />}
      </main>
    </>
  );
}
