// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react';
import { flushSync } from 'react-dom';

/** More rows than this are not put on paper: some fifteen sheets. */
export const MOST_PRINTED = 500;

/** Whether the page is being printed; true before the browser lays it out for that. */
export function usePrinting(): boolean {
  const [printing, setPrinting] = useState(false);
  useEffect(() => {
    const before = () => flushSync(() => setPrinting(true));
    const after = () => setPrinting(false);
    window.addEventListener('beforeprint', before);
    window.addEventListener('afterprint', after);
    return () => {
      window.removeEventListener('beforeprint', before);
      window.removeEventListener('afterprint', after);
    };
  }, []);
  return printing;
}
