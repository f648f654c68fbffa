// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react';
import { formatSpan } from '../../lib/format';
import type { Summary } from '../../model/cluster';
import type { Pull } from '../../model/pull';
import type { ChangeUrl } from '../../state/urlState';
import type { View } from '../../state/view';

/** The stream may still be about to bring the pull. */
const PATIENCE_MS = 1500;

interface LinkNoticeProps {
  open: string | null;
  view: View;
  pulls: ReadonlyMap<string, Pull>;
  summary: Summary | null;
  onUrl: ChangeUrl;
}

/** The address names a pull that is not to be seen: says why. */
export function LinkNotice({ open, view, pulls, summary, onUrl }: LinkNoticeProps) {
  const missing = open !== null && !view.items.some((item) => item.key === open) ? open : null;
  const [known, setKnown] = useState<string | null>(null);
  useEffect(() => {
    if (missing === null) return;
    const timer = setTimeout(() => setKnown(missing), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [missing]);
  if (missing === null || known !== missing) return null;
  if (pulls.has(missing)) {
    return (
      <p className="link-notice surface" role="note">
        The filter or a closed group hides the pull of this address.
        <button type="button" className="button" onClick={() => onUrl({ query: '', closed: [] })}>
          Show it
        </button>
      </p>
    );
  }
  const kept = summary === null ? '' : ` for ${formatSpan(summary.historySeconds)}`;
  return (
    <p className="link-notice surface" role="note">
      The server no longer knows the pull of this address; it keeps finished ones{kept}.
      <button type="button" className="button" onClick={() => onUrl({ open: null })}>
        Show all pulls
      </button>
    </p>
  );
}
