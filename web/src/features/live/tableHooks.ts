// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from 'react';

/** Arrows and j/k, from anywhere but a field. */
export function useTableKeys(onStep: (step: 1 | -1) => void) {
  const latest = useRef(onStep);
  useEffect(() => {
    latest.current = onStep;
  });
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target as Element | null;
      // Down leads out of the search field, to what it has found.
      const leaves = event.key === 'ArrowDown' && target?.closest('.search') != null;
      if (!leaves && target?.closest('input, textarea, select, [role="radiogroup"]')) return;
      const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key] as 1 | -1 | undefined;
      if (step === undefined) return;
      event.preventDefault();
      latest.current(step);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}

/** Narrow screens give each pull three lines. */
export function useRowHeight(): number {
  const query = '(max-width: 830px)';
  const [narrow, setNarrow] = useState(() => window.matchMedia(query).matches);
  useEffect(() => {
    const media = window.matchMedia(query);
    const onChange = () => setNarrow(media.matches);
    media.addEventListener('change', onChange);
    return () => media.removeEventListener('change', onChange);
  }, []);
  return narrow ? 84 : 40;
}
