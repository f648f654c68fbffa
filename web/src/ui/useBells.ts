// SPDX-License-Identifier: Apache-2.0
import { useContext, useEffect, useSyncExternalStore } from 'react';
import { type Bell, type Ring, type SetBell, ringOf, setBell } from '../state/bells';
import { StoreContext } from '../state/context';
import type { AppState } from '../state/store';
import { visit } from '../state/urlState';

const LOOK_EVERY_MS = 1000;

/** The bells of this tab. */
let bells: readonly SetBell[] = [];
/** The browser has refused a notification, as phones do outside of a service worker. */
let refused = false;
const listeners = new Set<() => void>();

function change(next: readonly SetBell[]) {
  bells = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether the browser would show a notification, or ask whether it may. */
function mayNotify(): boolean {
  if (refused || typeof Notification === 'undefined' || !window.isSecureContext) return false;
  return Notification.permission !== 'denied';
}

export interface BellState {
  /** Undefined where the browser allows no notification. */
  readonly isSet: boolean | undefined;
  readonly toggle: () => void;
}

const same = (a: Bell, b: Bell) => a.kind === b.kind && a.value === b.value;

export function useBell(bell: Bell): BellState {
  const store = useContext(StoreContext);
  const isSet = useSyncExternalStore(subscribe, () =>
    mayNotify() ? bells.some((other) => same(other, bell)) : undefined,
  );
  return {
    isSet,
    toggle: () => {
      if (isSet === true) change(bells.filter((other) => !same(other, bell)));
      else void mayRing().then((may) => change(may ? [...bells, setIt(bell, store.get())] : bells));
    },
  };
}

function setIt(bell: Bell, { pulls }: AppState): SetBell {
  return setBell(bell, pulls.pulls);
}

async function mayRing(): Promise<boolean> {
  if (Notification.permission === 'granted') return true;
  return (await Notification.requestPermission()) === 'granted';
}

/** Rings what is due, also while the tab is hidden; each bell once. */
export function useRinging() {
  const store = useContext(StoreContext);
  useEffect(() => {
    let lookedAt = 0;
    return store.subscribe(() => {
      if (bells.length === 0 || Date.now() - lookedAt < LOOK_EVERY_MS) return;
      lookedAt = Date.now();
      const { pulls, pod, connection } = store.get();
      if (connection.phase !== 'live') return;
      const left = bells.filter((bell) => {
        const ring = ringOf(bell, pulls.pulls, pod);
        if (ring !== undefined) notify(ring);
        return ring === undefined;
      });
      if (left.length < bells.length) change(left);
    });
  }, [store]);
}

function notify({ title, body, address }: Ring) {
  try {
    const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]')?.href;
    const note = new Notification(title, { body, tag: address, ...(icon && { icon }) });
    note.onclick = () => {
      window.focus();
      visit(address);
      note.close();
    };
  } catch {
    refused = true;
  }
}
