// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { render } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { NoDialog, later } from './later';

vi.mock('./otherPages', () => {
  throw new Error('the server is away');
});

const Keys = later((pages) => pages.Shortcuts, NoDialog);

it('closes a dialog that cannot be loaded, so that the next wish for it tries again', async () => {
  const onClose = vi.fn();
  render(<Keys onClose={onClose} />);
  await vi.waitFor(() => expect(onClose).toHaveBeenCalled());
});
