// SPDX-License-Identifier: Apache-2.0
import { wireEvent } from './samples';

/** The run of the server whose stream is read at first. */
export const RUN_1 = 'a'.repeat(16);

/** Stands in for the browser's; the test is the server. */
export class FakeEventSource {
  static readonly all: FakeEventSource[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string; lastEventId: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;

  private readonly listeners = new Map<string, (message: { data: string }) => void>();

  constructor(readonly url: string) {
    FakeEventSource.all.push(this);
  }

  addEventListener(name: string, listener: (message: { data: string }) => void) {
    this.listeners.set(name, listener);
  }

  /** As the server does, an id of `run` is gone on from, and any other is not. */
  hello(run = RUN_1, goesOn = run === RUN_1) {
    const asked = new URLSearchParams(this.url.split('?')[1]).get('lastEventId');
    const version = goesOn ? Number(asked?.split('.')[1] ?? 0) : 0;
    this.named('hello', JSON.stringify({ run, version }));
  }

  synced() {
    this.named('synced', '{}');
  }

  named(name: string, data: string) {
    this.listeners.get(name)?.({ data });
  }

  close() {
    this.closed = true;
  }

  send(id: number, change: Record<string, unknown>) {
    this.onmessage?.({ data: wireEvent(change), lastEventId: `${RUN_1}.${String(id)}` });
  }
}

/** The connection that was opened last. */
export const newest = () => {
  const source = FakeEventSource.all.at(-1);
  if (source === undefined) throw new Error('no connection was opened');
  return source;
};
