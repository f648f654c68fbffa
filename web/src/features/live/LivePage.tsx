// SPDX-License-Identifier: Apache-2.0
import { useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import { formatCount, plural } from '../../lib/format';
import { useSlice } from '../../state/context';
import { needsOf } from '../../state/needs';
import { MAX_FINISHED } from '../../state/pulls';
import type { Older } from '../../state/store';
import { createOverviewSelector } from '../../state/overview';
import { peersIn } from '../../state/peers';
import { type Query, compileQuery, formatQuery, isEmpty, parseQuery } from '../../state/query';
import type { ChangeUrl, UrlState } from '../../state/urlState';
import { type Group, MOST_TO_LINGER, createViewSelector, groupKey } from '../../state/view';
import { allPulls } from '../../model/cluster';
import type { Pull } from '../../model/pull';
import { BellButton } from '../../ui/BellButton';
import { Segmented } from '../../ui/Segmented';
import { useNow } from '../../ui/useNow';
import { NoDialog, later } from '../later';
import { NoMatch, NothingYet } from './EmptyStates';
import './LivePage.css';
import { LinkNotice } from './LinkNotice';
import { NeedsYou } from './NeedsYou';
import { PullTable } from './PullTable';
import { SearchField, useSearchKey } from './SearchField';
import { SortChoice } from './SortChoice';
import { OlderPulls } from './OlderPulls';
import { SummaryStrip } from './SummaryStrip';

const GROUP_OPTIONS: readonly { value: Group; label: string }[] = [
  { value: 'none', label: 'No grouping' },
  { value: 'image', label: 'Image' },
  { value: 'node', label: 'Node' },
  { value: 'namespace', label: 'Namespace' },
];

/** With this share of the pulls the page's own counts are the better ones. */
const ALMOST_ALL = 0.9;

const ExportDialog = later((pages) => pages.ExportDialog, NoDialog);

interface LivePageProps {
  url: UrlState;
  onUrl: ChangeUrl;
  /** Asks for one more page of older pulls. */
  onOlder: () => void;
}

export function LivePage({ url, onUrl, onOlder }: LivePageProps) {
  const { pulls } = useSlice('pulls');
  const older = useSlice('older');
  const listed = useMemo(() => withOlder(pulls, older), [pulls, older]);
  const throughput = useSlice('throughput');
  const summary = useSlice('summary');
  const connection = useSlice('connection');
  const now = useLiveNow(connection.phase === 'reconnecting');
  const [exported, setExported] = useState<readonly Pull[] | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const [select] = useState(createViewSelector);

  const query = useMemo(() => parseQuery(url.query), [url.query]);
  // Typing stays fluent: the table follows a moment later if it must.
  const wanted = useDeferredValue(query);
  const matches = useMemo(() => compileQuery(wanted), [wanted]);
  const held = useHeld(pulls, now);
  const [addUp] = useState(createOverviewSelector);
  const overview = useMemo(() => addUp(held), [addUp, held]);
  const peersOf = useMemo(() => peersIn(held), [held]);
  const silentNodes = summary?.nodesSilent ?? 0;
  const { anyPods } = overview;
  const needs = useMemo(
    () => needsOf({ pulls: held, silentNodes, anyPods, now }),
    [held, silentNodes, anyPods, now],
  );
  const { sort, group, open, closed } = url;
  const collapsed = useMemo(() => new Set(closed.map(groupKey)), [closed]);
  const arriving = summary !== null && pulls.size < ALMOST_ALL * allPulls(summary, MAX_FINISHED);
  const crowded = overview.active + overview.queued > MOST_TO_LINGER;
  const view = useMemo(
    () =>
      select({
        pulls: listed,
        matches,
        sort,
        group,
        collapsed,
        openId: open,
        arriving,
        crowded,
        now,
      }),
    [select, listed, matches, sort, group, collapsed, open, arriving, crowded, now],
  );

  useSearchKey(input);
  useEscape(open !== null, () => onUrl({ open: null }));

  const onQuery = (next: Query, how: 'typing' | 'done') =>
    onUrl({ query: formatQuery(next) }, how === 'done' ? 'push' : 'replace');

  return (
    <>
      <h1 className="visually-hidden">Live image pulls</h1>
      <SummaryStrip
        overview={arriving ? { ...overview, active: summary.activePulls } : overview}
        throughput={throughput}
        summary={summary}
        onStatus={(statuses) =>
          onUrl({ query: statuses.map((status) => `status:${status}`).join(' ') })
        }
        onNodes={() => onUrl({ page: 'nodes', open: null })}
      />
      {summary !== null && (needs.length > 0 || (pulls.size > 0 && !arriving)) && (
        <NeedsYou
          needs={needs}
          now={now}
          onQuery={(wish) => onUrl({ query: wish })}
          onNodes={() => onUrl({ page: 'nodes', open: null })}
        />
      )}
      <div className="live-tools">
        <SearchField query={query} onChange={onQuery} input={input} />
        <SortChoice
          podColumn={overview.anyPods}
          sort={sort}
          onSort={(next) => onUrl({ sort: next })}
        />
        <Segmented
          label="Group by"
          options={GROUP_OPTIONS}
          value={group}
          onChange={(value) => onUrl({ group: value, closed: [] })}
        />
        {pulls.size > 0 && (
          <button
            type="button"
            className="button export-button"
            onClick={() => setExported(matching(listed, matches))}
          >
            Export
          </button>
        )}
        {exported !== null && (
          <ExportDialog pulls={exported} query={url.query} onClose={() => setExported(null)} />
        )}
      </div>
      {!isEmpty(query) && view.matched > 0 && (
        <div className="dim match-count">
          <span aria-live="polite">
            {formatCount(view.matched)} of {plural(listed.size, 'pull')}
          </span>
          {view.above > 0 && (
            <BellButton bell={{ kind: 'query', value: url.query }} what="all of them" />
          )}
        </div>
      )}
      {!arriving && connection.phase === 'live' && (
        <LinkNotice open={open} view={view} pulls={pulls} summary={summary} onUrl={onUrl} />
      )}
      {pulls.size === 0 ? (
        <NothingYet connection={connection} summary={summary} />
      ) : view.matched === 0 && !isEmpty(query) ? (
        <NoMatch query={url.query} total={pulls.size} onClear={() => onUrl({ query: '' })} />
      ) : (
        <PullTable
          view={view}
          peersOf={peersOf}
          now={now}
          sort={sort}
          openId={open}
          arriving={arriving}
          collapsed={collapsed}
          podColumn={overview.anyPods}
          onSort={(next) => onUrl({ sort: next })}
          onOpen={(id) => onUrl({ open: id })}
          onCollapse={(name) => onUrl({ closed: toggled(closed, name) }, 'replace')}
        />
      )}
      {summary !== null && !arriving && (
        <OlderPulls {...{ older, summary, onOlder }} held={pulls.size} />
      )}
    </>
  );
}

/** What the stream brings, and then what was asked for besides. */
function withOlder(
  pulls: ReadonlyMap<string, Pull>,
  older: Older | null,
): ReadonlyMap<string, Pull> {
  if (older === null || older.pulls.length === 0) return pulls;
  const all = new Map(pulls);
  for (const pull of older.pulls) if (!all.has(pull.id)) all.set(pull.id, pull);
  return all;
}

/** All that match, in closed groups too: those under way first. */
function matching(
  pulls: ReadonlyMap<string, Pull>,
  matches: ((pull: Pull) => boolean) | null,
): readonly Pull[] {
  const over = ({ completedAt }: Pull) => completedAt ?? 0;
  return [...pulls.values()]
    .filter((pull) => matches?.(pull) ?? true)
    .sort((a, b) => over(a) - over(b) || a.startedAt - b.startedAt);
}

/** The server's time; it stands still while the server is away, as do all other figures. */
function useLiveNow(away: boolean): number {
  const now = useNow();
  const [held, setHeld] = useState(now);
  if (!away && held !== now) setHeld(now);
  return away ? held : now;
}

/** The pulls to add up: of very many it is worth it once a second, and calmer to read. */
function useHeld(pulls: ReadonlyMap<string, Pull>, now: number): ReadonlyMap<string, Pull> {
  const [held, setHeld] = useState({ pulls, at: now });
  const due = held.pulls.size < 1000 || held.at !== now;
  if (held.pulls !== pulls && due) setHeld({ pulls, at: now });
  return held.pulls;
}

function toggled(names: readonly string[], name: string): readonly string[] {
  return names.includes(name) ? names.filter((other) => other !== name) : [...names, name];
}

function useEscape(wanted: boolean, onEscape: () => void) {
  const latest = useRef(onEscape);
  useEffect(() => {
    latest.current = onEscape;
  });
  useEffect(() => {
    if (!wanted) return;
    const onKey = (event: KeyboardEvent) => {
      // A dialog over the page takes it for itself.
      if (event.key !== 'Escape' || document.querySelector('dialog[open]') !== null) return;
      if ((event.target as Element | null)?.closest('input')) return;
      latest.current();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [wanted]);
}
