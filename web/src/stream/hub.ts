// SPDX-License-Identifier: Apache-2.0
import { type AppState, type Store, createStore } from '../state/store';
import { type Answers, NO_WISHES, startAnswers } from './answers';
import { type Update, startMirror } from './mirror';
import { startSource } from './source';
import type { Command } from './worker';

/** A page that says nothing for so long is gone; a hidden one speaks once a minute at least. */
const GONE_MS = 150_000;
const LOOK_MS = 30_000;

/** These each page has for itself. */
const OWN: ReadonlySet<keyof AppState> = new Set([
  'detail',
  'detailTrouble',
  'nodes',
  'registries',
  'pod',
  'older',
]);

export interface Client {
  receive: (command: Command) => void;
  close: () => void;
}

export interface Hub {
  connect: (post: (update: Update) => void) => Client;
}

/**
 * One stream for all pages of a browser: each has a mirror of what came, taken at its own pace, and asks
 * its own questions. One that is frozen gets nothing until it wakes, and then all that it has missed.
 */
export function createHub(): Hub {
  const shared = createStore();
  let started = false;

  return {
    connect: (post) => {
      let api = '';
      let wishes = NO_WISHES;
      let heardAt = Date.now();
      let page: Page | undefined;
      const timer = setInterval(() => {
        if (Date.now() - heardAt > GONE_MS) drop();
      }, LOOK_MS);

      function open() {
        page ??= openPage(shared, api, post);
        page.answers.wish(wishes);
      }

      function drop() {
        page?.close();
        page = undefined;
      }

      return {
        receive: (command) => {
          heardAt = Date.now();
          if (command.type === 'start') {
            drop();
            ({ api } = command);
            if (!started) startSource(shared, api);
            started = true;
          }
          if (command.type === 'wish') ({ wishes } = command);
          if (command.type === 'bye') drop();
          else if (page === undefined || command.type === 'wish') open();
          else if (command.type === 'taken') page.taken();
        },
        close: () => {
          clearInterval(timer);
          drop();
        },
      };
    },
  };
}

interface Page {
  readonly answers: Answers;
  readonly taken: () => void;
  readonly close: () => void;
}

function openPage(shared: Store, api: string, post: (update: Update) => void): Page {
  const own = createStore();
  const mirror = startMirror(own, post);
  const copy = () => own.set(partsOf(shared.get()));
  const unsubscribe = shared.subscribe(copy);
  copy();
  const answers = startAnswers(own, api);
  return {
    answers,
    taken: mirror.taken,
    close: () => {
      unsubscribe();
      answers.stop();
      mirror.stop();
    },
  };
}

function partsOf(state: AppState): Partial<AppState> {
  const parts = Object.entries(state).filter(([key]) => !OWN.has(key as keyof AppState));
  return Object.fromEntries(parts);
}
