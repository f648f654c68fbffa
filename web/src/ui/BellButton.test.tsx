// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { act, cleanup, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';
import { liveState, renderWith } from '../testing/render';
import { T0, makePull, pullMap } from '../testing/samples';
import { BellButton } from './BellButton';
import { useRinging } from './useBells';

function Page() {
  useRinging();
  return <BellButton bell={{ kind: 'pull', value: 'pull-1' }} what="it" />;
}

/** A browser that says `permission`, and what it says when asked. */
function installNotification(permission: NotificationPermission, answer = permission) {
  const shown = vi.fn();
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- the browser's is one
  class FakeNotification {
    static permission = permission;
    static requestPermission = () => Promise.resolve(answer);
    constructor(title: string, options: NotificationOptions) {
      shown(title, options.body);
    }
  }
  vi.stubGlobal('Notification', FakeNotification);
  vi.stubGlobal('isSecureContext', true);
  return shown;
}

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it('is not there where the browser allows no notification', () => {
  const { unmount } = renderWith(liveState([makePull()]), <Page />);
  expect(screen.queryByRole('button')).toBeNull();
  unmount();
  installNotification('denied');
  renderWith(liveState([makePull()]), <Page />);
  expect(screen.queryByRole('button')).toBeNull();
});

it('rings once when the pull is ready, after the browser was asked', async () => {
  const shown = installNotification('default', 'granted');
  const { store } = renderWith(liveState([makePull()]), <Page />);
  const button = screen.getByRole('button', { name: /^notify me/ });
  await userEvent.click(button);
  expect(button.getAttribute('aria-pressed')).toBe('true');
  const done = makePull({ phase: 'completed', completedAt: T0 + 3000 });
  const complete = () =>
    act(() => store.set({ pulls: { pulls: pullMap(done), unconfirmed: null } }));
  complete();
  complete();
  expect(shown.mock.calls).toEqual([['Ready: acme/frontend:1.204.0 on worker-1', 'pulled in 3s']]);
  expect(button.getAttribute('aria-pressed')).toBe('false');
});

it('is not set when the browser refuses, and can be taken back', async () => {
  installNotification('default', 'denied');
  const { unmount } = renderWith(liveState([makePull()]), <Page />);
  const button = screen.getByRole('button');
  await userEvent.click(button);
  expect(button.getAttribute('aria-pressed')).toBe('false');
  unmount();
  installNotification('granted');
  renderWith(liveState([makePull()]), <Page />);
  await userEvent.click(screen.getByRole('button'));
  await userEvent.click(screen.getByRole('button'));
  expect(screen.getByRole('button').getAttribute('aria-pressed')).toBe('false');
});
