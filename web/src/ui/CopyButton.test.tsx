// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CopyButton } from './CopyButton';

beforeEach(() => vi.stubGlobal('isSecureContext', true));
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** The old way to the clipboard, which jsdom lacks. */
const allowCopy = (execCommand: () => boolean) => Object.assign(document, { execCommand });

it('copies and says so', async () => {
  const user = userEvent.setup();
  render(<CopyButton text="sha256:1" what="digest" />);
  await user.click(screen.getByRole('button', { name: 'Copy digest' }));
  expect(await screen.findByText('copied')).toBeTruthy();
  expect(await navigator.clipboard.readText()).toBe('sha256:1');
});

it('copies on a page without TLS too', async () => {
  const user = userEvent.setup();
  vi.stubGlobal('isSecureContext', false);
  let copied = '';
  allowCopy(() => {
    copied = (document.activeElement as HTMLTextAreaElement).value;
    return true;
  });
  render(<CopyButton text="plain" what="text" />);
  await user.click(screen.getByRole('button'));
  expect(await screen.findByText('copied')).toBeTruthy();
  expect(copied).toBe('plain');
  expect(document.querySelector('textarea')).toBeNull();
});

it('says when the browser refuses', async () => {
  const user = userEvent.setup();
  vi.stubGlobal('isSecureContext', false);
  allowCopy(() => false);
  render(<CopyButton text="x" what="text" />);
  await user.click(screen.getByRole('button'));
  expect(await screen.findByText('failed')).toBeTruthy();
});
