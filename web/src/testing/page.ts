// SPDX-License-Identifier: Apache-2.0
import { cleanup, screen } from '@testing-library/react';
import { afterEach, beforeEach, vi } from 'vitest';
import { installBrowserParts } from './render';
import { T0, makePull } from './samples';

export const web = makePull({ id: 'web', imageRef: 'acme/web:2', nodeName: 'n1' });
export const db = makePull({ id: 'db', imageRef: 'acme/db:1', nodeName: 'n2', startedAt: T0 + 1 });

/** Those of pulls. */
export const rows = () => screen.getAllByRole('row').filter((row) => row.matches('.pull-row'));
export const names = () =>
  rows().map((row) => row.querySelector('.image-name')?.getAttribute('title'));

/** Each test of the file has a page of its own, a minute after T0. */
export function setUpPage() {
  beforeEach(() => {
    installBrowserParts();
    window.history.replaceState(null, '', '/');
    vi.useFakeTimers({ now: T0 + 60_000, toFake: ['Date'] });
  });
  afterEach(() => {
    cleanup();
    vi.useRealTimers();
  });
}
