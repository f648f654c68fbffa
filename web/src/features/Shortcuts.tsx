// SPDX-License-Identifier: Apache-2.0
import { Dialog } from '../ui/Dialog';
import './Shortcuts.css';

const KEYS: readonly (readonly [keys: readonly string[], what: string])[] = [
  [['/'], 'go to the search field'],
  [['j', '↓'], 'next row; ↓ also from the search field'],
  [['k', '↑'], 'previous row'],
  [['Enter', 'Space'], 'open or close the row or group'],
  [['Esc'], 'close the open row; in the search field: empty it, then leave it'],
  [['Backspace'], 'in the empty search field: remove the last filter'],
  [['?'], 'show these shortcuts'],
];

/** The keys that there are, over the page. */
export function Shortcuts({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" className="shortcuts" onClose={onClose}>
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
    </Dialog>
  );
}
