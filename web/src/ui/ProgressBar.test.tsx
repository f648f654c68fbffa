// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';
import { ProgressBar } from './ProgressBar';

afterEach(cleanup);

it.each([
  [0, 0, 0, 'var(--track) 0.00% 100.00%'],
  [
    0.25,
    0,
    0.5,
    'var(--cached) 0.00% 25.00%, var(--download) 25.00% 75.00%, var(--track) 75.00% 100.00%',
  ],
  [
    0.5,
    0.25,
    0.25,
    'var(--cached) 0.00% 50.00%, var(--extract) 50.00% 75.00%, var(--download) 75.00% 100.00%',
  ],
])('draws %d, %d, %d one after the other', (cached, extracted, downloaded, tones) => {
  const shares = { cached, remote: 0, extracted, downloaded };
  render(<ProgressBar {...shares} percent={12.7} label="Progress" />);
  const bar = screen.getByRole('progressbar', { name: 'Progress' });
  expect(bar.style.backgroundImage).toBe(`linear-gradient(to right, ${tones})`);
  expect(bar.getAttribute('aria-valuenow')).toBe('12');
});

it('hatches what is mounted and not fetched, and says so', () => {
  const shares = { cached: 0.1, remote: 0.8, extracted: 0.1, downloaded: 0 };
  render(<ProgressBar {...shares} percent={100} label="Progress" />);
  const bar = screen.getByRole('progressbar', { name: 'Progress' });
  expect(bar.style.backgroundImage).toBe(
    'linear-gradient(to right, var(--cached) 0.00% 10.00%, transparent 10.00% 90.00%, var(--extract) 90.00% 100.00%), var(--hatching)',
  );
  expect(bar.title).toContain('Hatched: mounted, fetched when it is read.');
});
