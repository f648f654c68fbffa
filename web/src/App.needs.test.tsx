// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { act, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { App } from './App';
import { db, names, rows, setUpPage, web } from './testing/page';
import { SUMMARY, liveState, renderWith } from './testing/render';
import { T0, makePull } from './testing/samples';

vi.mock('./ui/Sparkline', () => ({ default: () => null }));

setUpPage();

describe('what needs you', () => {
  const pods = [{ namespace: 'shop', podName: 'web-0', container: 'main' }];
  const failed = makePull({
    ...web,
    phase: 'failed',
    error: 'no',
    errorClass: 'not_found',
    completedAt: T0 + 1000,
    pods,
    waiting: true,
  });

  it('is one line a cause, with its advice and command', async () => {
    const user = userEvent.setup();
    renderWith(liveState([failed, { ...failed, id: 'b', nodeName: 'n2' }, db]), <App />);
    const needs = screen.getByRole('region', { name: 'Needs you' });
    expect(needs.textContent).toContain('2 failures · 2 nodes · 1 pod · for 1m 00s');
    expect(needs.textContent).toContain('Check the name and tag');
    expect(needs.textContent).toContain('kubectl -n shop describe pod web-0');
    await user.click(within(needs).getByText('not found'));
    await user.click(within(needs).getByText('Show these pulls'));
    expect(names()).toEqual(['acme/web:2', 'acme/web:2']);
  });

  it('has the words of an error that nobody has classed, as text', async () => {
    const user = userEvent.setup();
    const error = 'ended without <b>an image</b> while fetching layer 3 of 3';
    const others = ['b', 'c'].map((id) => ({ ...failed, id, errorClass: undefined, error }));
    renderWith(
      liveState([...others, { ...failed, id: 'd', errorClass: 'other', error: 'x' }]),
      <App />,
    );
    const needs = screen.getByRole('region', { name: 'Needs you' });
    const headline = within(needs).getByText(error, { selector: 'strong' });
    expect(headline.title).toBe(error);
    expect(needs.textContent).toContain('3 failures · 2 different errors · 1 node');
    await user.click(headline);
    expect(within(needs).getByText(error, { selector: 'code' })).toBeTruthy();
    expect(within(needs).getByRole('button', { name: /copy error/i })).toBeTruthy();
  });

  it('shows three, and the rest when asked', async () => {
    const user = userEvent.setup();
    const all = ['a', 'b', 'c', 'd', 'e'].map((id) =>
      makePull({ id, imageRef: `${id}.example/x:1`, stalledSeconds: 20 }),
    );
    renderWith(liveState(all), <App />);
    const needs = screen.getByRole('region', { name: 'Needs you' });
    expect(within(needs).getAllByRole('listitem')).toHaveLength(3);
    await user.click(within(needs).getByRole('button', { name: 'and 2 more' }));
    expect(within(needs).getAllByRole('listitem')).toHaveLength(5);
  });

  it('leads to nodes that are silent, and is calm otherwise', async () => {
    const user = userEvent.setup();
    const { store } = renderWith(liveState([web]), <App />);
    expect(screen.getByText(/Nothing needs you/)).toBeTruthy();
    act(() => store.set({ summary: { ...SUMMARY, nodesSilent: 2 } }));
    expect(screen.queryByText(/Nothing needs you/)).toBeNull();
    await user.click(screen.getByText('2 nodes silent'));
    await user.click(screen.getByText('Show the nodes'));
    expect(window.location.search).toBe('?page=nodes');
  });

  it('claims nothing while the stream has not brought all', () => {
    renderWith(liveState([web], { summary: { ...SUMMARY, activePulls: 9 } }), <App />);
    expect(screen.queryByText(/Nothing needs you/)).toBeNull();
  });
});

it('shows the keys on ?, but not while somebody types', async () => {
  const user = userEvent.setup();
  const showModal = vi.fn();
  window.history.replaceState(null, '', '/?open=web');
  HTMLDialogElement.prototype.showModal = showModal;
  renderWith(liveState([web]), <App />);
  await user.click(screen.getByRole('textbox', { name: 'Filter pulls' }));
  await user.keyboard('?');
  expect(showModal).not.toHaveBeenCalled();
  await user.keyboard('{Escape}{Escape}');
  await user.keyboard('?');
  await vi.waitFor(() => expect(showModal).toHaveBeenCalledOnce());
  document.querySelector('dialog')?.setAttribute('open', '');
  await user.keyboard('{Escape}'); // the browser closes the dialog with it, and no row
  expect(window.location.search).toBe('?open=web');
  expect(screen.getByText('go to the search field')).toBeTruthy();
  const dialog = document.querySelector('dialog');
  act(() => void dialog?.dispatchEvent(new Event('close')));
  expect(document.querySelector('dialog')).toBeNull();
});

it('says in a sentence how a pull stands, in the open row and as the tooltip', async () => {
  const user = userEvent.setup();
  window.history.replaceState(null, '', '/?open=web');
  renderWith(liveState([web, db]), <App />);
  const words = /^acme\/web:2 has been downloading on n1 for 1m 00s at 10.0 MB\/s/;
  expect(screen.getByText(words)).toBeTruthy();
  await user.hover(rows()[0] ?? document.body);
  expect(rows()[0]?.getAttribute('title')).toMatch(words);
});
