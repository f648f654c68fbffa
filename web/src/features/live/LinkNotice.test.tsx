// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { makePull, pullMap } from '../../testing/samples';
import { SUMMARY } from '../../testing/render';
import { LinkNotice } from './LinkNotice';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const pull = makePull({ id: 'here' });
const item = { kind: 'pull', key: 'here', pull } as const;

function notice(open: string | null, shown: boolean) {
  const onUrl = vi.fn();
  const view = { items: shown ? [item] : [], matched: 0, above: 0 };
  render(
    <LinkNotice open={open} view={view} pulls={pullMap(pull)} summary={SUMMARY} onUrl={onUrl} />,
  );
  const early = screen.queryByRole('note');
  act(() => {
    vi.advanceTimersByTime(2000);
  });
  return { early, words: screen.queryByRole('note')?.textContent, onUrl };
}

it.each([
  ['of no pull', null, false],
  ['of one in sight', 'here', true],
])('says nothing %s', (_, open, shown) => {
  expect(notice(open, shown).words).toBeUndefined();
});

it('says that a pull is kept no more, and how long it is kept', () => {
  const { early, words, onUrl } = notice('gone', true);
  expect(early).toBeNull();
  expect(words).toContain('The server no longer knows the pull of this address');
  expect(words).toContain('finished ones for 30 min');
  fireEvent.click(screen.getByRole('button'));
  expect(onUrl).toHaveBeenCalledWith({ open: null });
});

it('says that the filter hides a pull', () => {
  const { words, onUrl } = notice('here', false);
  expect(words).toContain('The filter or a closed group hides');
  fireEvent.click(screen.getByRole('button', { name: 'Show it' }));
  expect(onUrl).toHaveBeenCalledWith({ query: '', closed: [] });
});
