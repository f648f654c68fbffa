// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react';
import { useSlice } from '../state/context';

/** The server's time, one step a second. */
export function useNow(): number {
  const offset = useSlice('clockOffsetMs');
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now + offset;
}
