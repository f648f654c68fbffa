// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { cleanup, screen } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';
import { App } from './App';
import { installBrowserParts, liveState, renderWith } from './testing/render';

vi.mock('./features/otherPages', () => {
  throw new Error('the server is away');
});

afterEach(cleanup);

it('says so when a page cannot be loaded', async () => {
  installBrowserParts();
  window.history.replaceState(null, '', '/?page=nodes');
  renderWith(liveState([]), <App />);
  expect(await screen.findByText('This page could not be loaded')).toBeTruthy();
  expect(screen.getByRole('link', { name: 'Live' })).toBeTruthy();
});
