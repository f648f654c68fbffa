// SPDX-License-Identifier: Apache-2.0
import { useContext, useEffect } from 'react';
import { StoreContext } from '../state/context';
import { pageSign } from '../state/pageSign';

const EVERY_MS = 2000;

/** Keeps the tab's title and icon at what the pulls are about, seen from another tab too. */
export function usePageSign(page: string) {
  const store = useContext(StoreContext);
  useEffect(() => {
    const show = () => {
      const { pulls, summary } = store.get();
      const { title, icon } = pageSign(pulls.pulls.values(), summary, page);
      if (document.title !== title) document.title = title;
      const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
      const href = link?.getAttribute('href')?.replace(/[^/]*$/, `${icon}.svg`);
      if (href !== undefined && link?.getAttribute('href') !== href) {
        link?.setAttribute('href', href);
      }
    };
    show();
    const timer = setInterval(show, EVERY_MS);
    return () => clearInterval(timer);
  }, [store, page]);
}
