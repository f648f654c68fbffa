// SPDX-License-Identifier: Apache-2.0
import { defaultRangeExtractor, useWindowVirtualizer } from '@tanstack/react-virtual';
import {
  type KeyboardEvent,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { hasActedSince } from '../../lib/calm';
import { secondsSince } from '../../lib/format';
import { useSlice } from '../../state/context';
import { isUnderWay, isWaitedFor, statusOf } from '../../state/status';
import { holdUpNote, stalledSeconds } from '../../state/holdUp';
import type { Peers } from '../../state/peers';
import { sentenceOf } from '../../state/sentence';
import { elapsedSeconds, lateManifestSeconds, retrySeconds } from '../../state/times';
import type { Item, Sort, View } from '../../state/view';
import type { Pull } from '../../model/pull';
import { copyCells } from '../../ui/copyCells';
import { MOST_PRINTED, usePrinting } from '../../ui/usePrinting';
import { NOT_LOADED, later } from '../later';
import { GroupHead } from './GroupHead';
import { PullRow } from './PullRow';
import './PullTable.css';
import { TableHead } from './TableHead';
import { COLUMN_COUNT } from './columns';
import { useRowHeight, useTableKeys } from './tableHooks';

const HEADER_PX = 32;

const PullDetail = later(
  (pages) => pages.PullDetail,
  () => (
    <div role="gridcell" className="detail-missing dim">
      {NOT_LOADED}
    </div>
  ),
);

interface PullTableProps {
  view: View;
  /** What goes on beside a pull. */
  peersOf: (pull: Pull) => Peers;
  now: number;
  sort: Sort | null;
  openId: string | null;
  /** The stream has not sent all pulls yet. */
  arriving: boolean;
  collapsed: ReadonlySet<string>;
  /** Left out where no pod is known, as without Kubernetes. */
  podColumn: boolean;
  onSort: (sort: Sort | null) => void;
  onOpen: (id: string | null) => void;
  /** Opens or closes the group of that name. */
  onCollapse: (name: string) => void;
}

/** The virtualized table: only the rows in sight are in the page. */
export function PullTable(props: PullTableProps) {
  const { view, peersOf, now, openId } = props;
  const { items } = view;
  const body = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  const [current, setCurrent] = useState<string | null>(null);
  const rowPx = useRowHeight();
  const printing = usePrinting();

  useLayoutEffect(() => {
    const measure = () => {
      const top = body.current?.getBoundingClientRect().top ?? 0;
      setMargin(Math.round(top + window.scrollY));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);

  const currentIndex = useMemo(
    () => (current === null ? -1 : items.findIndex((item) => item.key === current)),
    [items, current],
  );
  // The virtualizer measures everything again when this function is another one.
  const getItemKey = useCallback((index: number) => items[index]?.key ?? index, [items]);
  const virtualizer = useWindowVirtualizer({
    count: items.length,
    estimateSize: (index) => estimate(items[index], rowPx),
    getItemKey,
    overscan: 2,
    scrollMargin: margin,
    scrollPaddingStart: HEADER_PX,
    // The focused row stays in the page, so that focus is not lost by scrolling.
    rangeExtractor: (range) => {
      if (printing) return items.slice(0, MOST_PRINTED).map((_, index) => index);
      const shown = defaultRangeExtractor(range);
      if (currentIndex < 0 || shown.includes(currentIndex)) return shown;
      return [...shown, currentIndex].sort((a, b) => a - b);
    },
  });

  useEffect(() => virtualizer.measure(), [virtualizer, rowPx]);

  const place = placeOf(items, openId, current);
  const detailPx = virtualizer.measurementsCache[place + 1]?.size ?? 0;
  useShowOpen(place, detailPx, openId, props.arriving, (index, align) => {
    virtualizer.scrollToIndex(index, { align });
  });

  const move = (key: string | undefined) => {
    if (key === undefined) return;
    setCurrent(key);
    virtualizer.scrollToIndex(items.findIndex((item) => item.key === key));
    requestAnimationFrame(() => {
      const rows = [...(body.current?.children ?? [])] as HTMLElement[];
      rows.find((row) => row.dataset.key === key)?.focus({ preventScroll: true });
    });
  };

  useTableKeys((step) => {
    move(neighbour(items, currentIndex, step));
  });

  const onRowKey = (event: KeyboardEvent, item: Item) => {
    if (event.target !== event.currentTarget) return;
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    activate(item, props);
  };

  const firstKey = items.find((item) => item.kind === 'pull' || item.kind === 'group')?.key;
  const tabKey = currentIndex >= 0 ? current : firstKey;

  return (
    <div
      className={props.podColumn ? 'pull-table surface' : 'pull-table surface no-pods'}
      role="treegrid"
      aria-label="Image pulls"
      aria-rowcount={items.length + 1}
      aria-colcount={COLUMN_COUNT}
      onCopy={copyCells}
    >
      <TableHead podColumn={props.podColumn} sort={props.sort} onSort={props.onSort} />
      <div
        role="rowgroup"
        ref={body}
        className="table-body pull-body"
        style={{ height: `${virtualizer.getTotalSize()}px` }}
      >
        {virtualizer.getVirtualItems().map((row) => {
          const item = items[row.index];
          if (item === undefined) return null;
          const open = item.kind === 'pull' && item.pull.id === openId;
          const usable = item.kind === 'pull' || item.kind === 'group';
          return (
            <div
              key={row.key}
              ref={item.kind === 'detail' ? virtualizer.measureElement : undefined}
              data-index={row.index}
              data-key={item.key}
              role="row"
              aria-rowindex={row.index + 2}
              aria-level={item.kind === 'detail' ? 2 : 1}
              aria-expanded={expanded(item, open, props.collapsed)}
              tabIndex={usable ? (item.key === tabKey ? 0 : -1) : undefined}
              className={rowClass(item, open)}
              style={{ top: `${row.start - margin}px` }}
              onFocus={usable ? () => setCurrent(item.key) : undefined}
              onClick={usable ? () => activate(item, props) : undefined}
              onPointerEnter={({ currentTarget }) => {
                if (item.kind !== 'pull') return;
                // Made when somebody looks: one a row and second would be work for nobody.
                currentTarget.title = sentenceOf(item.pull, peersOf(item.pull), now);
              }}
              onKeyDown={usable ? (event) => onRowKey(event, item) : undefined}
            >
              {item.kind === 'pull' && (
                <PullRow
                  pull={item.pull}
                  elapsed={wholeUnlessShort(elapsedSeconds(item.pull, now), item.pull)}
                  finishedAgo={finishedAgo(item.pull, now)}
                  podCell={props.podColumn}
                  behind={statusOf(item.pull) === 'queued' ? peersOf(item.pull).behind : undefined}
                  retry={retrySeconds(item.pull, now)}
                  late={lateManifestSeconds(item.pull, now)}
                  stalled={stalledSeconds(item.pull, now)}
                  note={holdUpNote(item.pull, now)}
                  today={dayOf(now)}
                />
              )}
              {item.kind === 'detail' && (
                <PullDetail
                  pull={item.pull}
                  sentence={sentenceOf(item.pull, peersOf(item.pull), now)}
                  now={now}
                />
              )}
              {item.kind === 'group' && (
                <GroupHead
                  label={item.label}
                  totals={item.totals}
                  collapsed={props.collapsed.has(item.key)}
                />
              )}
              {item.kind === 'section' && (
                <div role="gridcell" className="section-head dim">
                  {item.label} <span className="section-count">{item.count}</span>
                </div>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/**
 * Brings the open row into sight: that of a link to the top, when it has come, and until somebody does something again
 * when all have and when its detail has another height, without which the page may be too short for that; one that was
 * opened here no further than it takes, and again when its layers have come.
 */
function useShowOpen(
  index: number,
  detailPx: number,
  openId: string | null,
  arriving: boolean,
  show: (index: number, align: 'start' | 'auto') => void,
) {
  const detail = useSlice('detail');
  const [linked] = useState(openId);
  const [cameAt] = useState(() => performance.now());
  const isLinked = openId === linked;
  const stage = isLinked ? `${arriving} ${detailPx}` : `${detail?.pull.id === openId}`;
  const shown = useRef('');
  const latest = useRef(show);
  useEffect(() => {
    latest.current = show;
  });
  useEffect(() => {
    const step = `${openId ?? ''} ${stage}`;
    if (index < 0 || shown.current === step) return;
    if (isLinked && shown.current !== '' && hasActedSince(cameAt)) return;
    shown.current = step;
    if (isLinked) latest.current(index, 'start');
    else latest.current(index + 1, 'auto');
  }, [index, openId, isLinked, stage, cameAt]);
}

/** Where the pull stands; in several groups, where it was opened. */
function placeOf(items: readonly Item[], openId: string | null, current: string | null): number {
  if (openId === null) return -1;
  const isIt = (item: Item) => item.kind === 'pull' && item.pull.id === openId;
  const here = items.findIndex((item) => item.key === current && isIt(item));
  return here >= 0 ? here : items.findIndex(isIt);
}

function activate(item: Item, { openId, onOpen, onCollapse }: PullTableProps) {
  if (item.kind === 'pull') {
    // A click that ends a text selection is not meant for the row.
    if ((window.getSelection()?.toString() ?? '') !== '') return;
    onOpen(item.pull.id === openId ? null : item.pull.id);
  }
  if (item.kind === 'group') onCollapse(item.name);
}

function estimate(item: Item | undefined, rowPx: number): number {
  switch (item?.kind) {
    case 'detail':
      return 300;
    case 'group':
    case 'section':
      return 36;
    default:
      return rowPx;
  }
}

function expanded(item: Item, open: boolean, collapsed: ReadonlySet<string>): boolean | undefined {
  if (item.kind === 'pull') return open;
  if (item.kind === 'group') return !collapsed.has(item.key);
  return undefined;
}

function rowClass(item: Item, open: boolean): string {
  switch (item.kind) {
    case 'pull':
      return `pull-columns pull-row${open ? ' is-open' : ''}${isUnderWay(statusOf(item.pull)) ? '' : ' is-over'}`;
    case 'detail':
      return 'detail-row';
    case 'group':
      return 'group-row';
    case 'section':
      return 'section-row';
  }
}

/** Clock times of a row change their form once a day, not each second. */
function dayOf(now: number): number {
  return new Date(now).setHours(0, 0, 0, 0);
}

function wholeUnlessShort(seconds: number, pull: Pull): number {
  return pull.completedAt === undefined || isWaitedFor(pull) ? Math.floor(seconds) : seconds;
}

function finishedAgo(pull: Pull, now: number): number | undefined {
  if (pull.completedAt === undefined) return undefined;
  return secondsSince(pull.completedAt, now);
}

function neighbour(items: readonly Item[], from: number, step: 1 | -1): string | undefined {
  for (let at = from + step; at >= 0 && at < items.length; at += step) {
    const item = items[at];
    if (item?.kind === 'pull' || item?.kind === 'group') return item.key;
  }
  return undefined;
}
