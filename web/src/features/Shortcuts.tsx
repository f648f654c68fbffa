// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from 'react';
import './Shortcuts.css';

const KEYS: readonly (readonly [keys: readonly string[], what: string])[] = [
  [['/'], 'to the search field'],
  [['j', '↓'], 'next row; ↓ also from the search field'],
  [['k', '↑'], 'previous row'],
  [['Enter', 'Space'], 'open or close the row or group'],
  [['Esc'], 'close the open row; in the search field: empty it, then leave it'],
  [['Backspace'], 'in the empty search field: take the last chip away'],
  [['?'], 'these keys'],
];

/** The keys that there are, over the page. */
export function Shortcuts({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      className="shortcuts surface"
      aria-labelledby="shortcuts-head"
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) dialog.current?.close();
      }}
    >
      <h2 id="shortcuts-head">Keys</h2>
      <dl>
        {KEYS.map(([keys, what]) => (
          <div key={what}>
            <dt>
              {keys.map((key) => (
                <kbd key={key} className="key">
                  {key}
                </kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit" className="button">
          Close
        </button>
      </form>
    </dialog>
  );
}
