// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { act, renderHook } from '@testing-library/react';
import { beforeEach, describe, expect, it } from 'vitest';
import { readUrl, useUrlState, writeUrl } from './urlState';

describe('the address', () => {
  it.each([
    '',
    '?page=images',
    '?pod=shop/web-0',
    '?q=status:failed+node:a&group=node&sort=-speed&open=n1/abc',
    '?page=nodes&sort=image',
  ])('“%s” survives a round trip', (search) => {
    expect(writeUrl(readUrl(search))).toBe(search);
  });

  it('takes the default for what it does not know', () => {
    expect(readUrl('?page=admin&group=colour&sort=-colour')).toEqual({
      page: 'live',
      pod: null,
      query: '',
      group: 'none',
      sort: null,
      open: null,
      closed: [],
    });
  });
});

describe('useUrlState', () => {
  beforeEach(() => window.history.replaceState(null, '', '/'));

  it('reads what is there and follows changes', () => {
    window.history.replaceState(null, '', '/?q=web&group=image');
    const { result } = renderHook(() => useUrlState());
    expect(result.current[0]).toMatchObject({ query: 'web', group: 'image' });
    act(() => result.current[1]({ group: 'none' }));
    expect(result.current[0].group).toBe('none');
    expect(window.location.search).toBe('?q=web');
  });

  it('makes a step for the back button only when asked to', async () => {
    const { result } = renderHook(() => useUrlState());
    const steps = window.history.length;
    act(() => result.current[1]({ query: 'w' }, 'replace'));
    expect(window.history.length).toBe(steps);
    act(() => result.current[1]({ open: 'a' }));
    expect(window.history.length).toBe(steps + 1);
    await act(async () => {
      const back = new Promise((resolve) => window.addEventListener('popstate', resolve));
      window.history.back();
      await back;
    });
    expect(result.current[0]).toMatchObject({ query: 'w', open: null });
  });
});
