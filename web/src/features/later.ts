// SPDX-License-Identifier: Apache-2.0
import { type ComponentType, createElement, useEffect, useState } from 'react';

type Later = typeof import('./otherPages');

/** `null`: it could not be loaded. */
let loaded: Later | null = null;

/** Loads what is not needed for the first sight: before anybody asks for it, as by then the server may be away. */
export async function loadLater(): Promise<Later | null> {
  loaded ??= await import('./otherPages').catch(() => null);
  return loaded;
}

/** In the place of what could not be loaded: its file may also have gone with the server's earlier version. */
export const NOT_LOADED = 'The server is away or was upgraded. Reload the page when it answers.';

/** In the place of a dialog: it closes at once, so that the next wish for it tries again. */
export function NoDialog({ onClose }: { onClose: () => void }) {
  useEffect(onClose, [onClose]);
  return null;
}

/**
 * A component of otherPages, which stands at once if they have been loaded; `Missing` where they cannot be. React's
 * lazy would show nothing for a third of a second at first, even then.
 */
export function later<Props extends object>(
  pick: (pages: Later) => ComponentType<Props>,
  Missing: ComponentType<Props>,
): ComponentType<Props> {
  return function LaterPart(props: Props) {
    const [pages, setPages] = useState<Later | null | undefined>(loaded ?? undefined);
    useEffect(() => {
      if (pages === undefined) void loadLater().then(setPages);
    }, [pages]);
    if (pages === undefined) return null;
    return createElement(pages === null ? Missing : pick(pages), props);
  };
}
