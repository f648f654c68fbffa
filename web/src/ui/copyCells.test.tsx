// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { cleanup, fireEvent, render } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';
import { ImageName } from './ImageName';
import { copyCells } from './copyCells';

afterEach(cleanup);

function row(reference: string, node: string) {
  return (
    <div role="row">
      <div role="gridcell">
        <ImageName reference={reference} />
      </div>
      <div role="gridcell">{node}</div>
    </div>
  );
}

/** What is copied of the elements that `selector` finds, from the first to the last. */
function copied(selector: string): string | undefined {
  const { container } = render(
    <div className="table" onCopy={copyCells}>
      {row('ghcr.io/acme/web:1.0', 'n1')}
      {row('redis:8', 'n2')}
      <div role="row">
        <p>open</p>
      </div>
    </div>,
  );
  const chosen = [...container.querySelectorAll(selector)];
  const [first] = chosen;
  const last = chosen.at(-1);
  if (first === undefined || last === undefined) throw new Error('nothing to select');
  const range = document.createRange();
  range.setStartBefore(first);
  range.setEndAfter(last);
  window.getSelection()?.removeAllRanges();
  window.getSelection()?.addRange(range);
  const setData = vi.fn<(type: string, text: string) => void>();
  const table = container.querySelector('.table');
  if (table !== null) fireEvent.copy(table, { clipboardData: { setData } });
  return setData.mock.calls[0]?.[1];
}

it.each([
  ['.image-name', 'ghcr.io/acme/web:1.0\tn1\nredis:8'],
  ['[role=row]:first-child .image-name > *', 'ghcr.io/acme/web:1.0'],
  ['[role=row]:first-child [role=gridcell]', 'ghcr.io/acme/web:1.0\tn1'],
  ['p', undefined],
])('copies %s as it reads', (selector, text) => {
  expect(copied(selector)).toBe(text);
});
