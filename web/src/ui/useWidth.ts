// SPDX-License-Identifier: Apache-2.0
import { type RefObject, useLayoutEffect, useState } from 'react';

/** How wide the element is now, whole pixels; 0 before it is laid out. */
export function useWidth(element: RefObject<HTMLElement | null>, again: unknown = null): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const of = element.current;
    if (of === null) return;
    const measure = () => setWidth(Math.floor(of.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(of);
    return () => observer.disconnect();
  }, [element, again]);
  return width;
}
