// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react';
import { whenCalm } from '../lib/calm';
import { useSlice } from '../state/context';

const TICK_MS = 1000;

/** Those who show a time; all of them are notified at once, so that the page is drawn once. */
const shown = new Set<(now: number) => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function tick() {
  whenCalm(() => {
    const now = Date.now();
    for (const show of shown) show(now);
  });
}

function subscribe(show: (now: number) => void): () => void {
  shown.add(show);
  timer ??= setInterval(tick, TICK_MS);
  return () => {
    shown.delete(show);
    if (shown.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The server's time, one step a second. */
export function useNow(): number {
  const offset = useSlice('clockOffsetMs');
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => subscribe(setNow), []);
  return now + offset;
}
