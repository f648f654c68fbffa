// SPDX-License-Identifier: Apache-2.0
import { useMemo, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from '../src/App';
import { StoreContext } from '../src/state/context';
import { createStore } from '../src/state/store';
import '../src/ui/base.css';
import { Parts } from './Parts';
import { STORIES, type Story } from './states';
import './stories.css';

/** The story is in the fragment; the rest of the address belongs to the page that is shown. */
function useStory(): Story | undefined {
  const hash = useSyncExternalStore(
    (listener) => {
      window.addEventListener('hashchange', listener);
      return () => window.removeEventListener('hashchange', listener);
    },
    () => window.location.hash,
  );
  return STORIES.find((story) => story.name === decodeURIComponent(hash.slice(1)));
}

function Shown({ story }: { story: Story }) {
  const store = useMemo(() => createStore(story.state()), [story]);
  return (
    <StoreContext value={store}>
      <App />
    </StoreContext>
  );
}

function Stories() {
  const story = useStory();
  return (
    <div className="stories">
      <nav aria-label="Stories">
        <a href="/#">parts</a>
        {STORIES.map(({ name, search }) => (
          <a
            key={name}
            href={`/${search ?? ''}#${encodeURIComponent(name)}`}
            aria-current={name === story?.name ? 'page' : undefined}
          >
            {name}
          </a>
        ))}
      </nav>
      <div>{story === undefined ? <Parts /> : <Shown key={story.name} story={story} />}</div>
    </div>
  );
}

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(<Stories />);
