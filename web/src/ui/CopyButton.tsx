// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react';
import './CopyButton.css';

/** Copies `text`, and says so for two seconds. */
export function CopyButton({ text, what }: { text: string | (() => string); what: string }) {
  const [answer, setAnswer] = useState<'copied' | 'failed' | null>(null);
  useEffect(() => {
    if (answer === null) return;
    const timer = setTimeout(() => setAnswer(null), 2000);
    return () => clearTimeout(timer);
  }, [answer]);
  return (
    <button
      type="button"
      className="copy-button"
      aria-label={`Copy ${what}`}
      onClick={() => {
        copy(typeof text === 'string' ? text : text()).then(
          () => setAnswer('copied'),
          () => setAnswer('failed'),
        );
      }}
    >
      <span aria-live="polite">{answer ?? 'copy'}</span>
    </button>
  );
}

async function copy(text: string): Promise<void> {
  // The clipboard interface exists on secure origins only; a cluster's page is often plain HTTP.
  if ('clipboard' in navigator && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'visually-hidden';
  document.body.append(area);
  area.focus();
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the one way without a secure origin
  const done = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!done) throw new Error('copy refused');
}
