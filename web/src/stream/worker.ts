// SPDX-License-Identifier: Apache-2.0
// The thread that listens to the server. Ten thousand pulls bring as many messages a second: here
// they are read and checked, so that the page's own thread is free for who looks at it.
import { createStore } from '../state/store';
import { startMirror } from './mirror';
import { type Source, startSource } from './source';

export type Command =
  | { readonly type: 'start'; readonly api: string }
  | { readonly type: 'taken' }
  | { readonly type: 'openDetail'; readonly id: string | null }
  | { readonly type: 'watchNodes'; readonly wanted: boolean };

const store = createStore();
const mirror = startMirror(store, (update) => self.postMessage(update));
let source: Source | undefined;

self.onmessage = ({ data: command }: MessageEvent<Command>) => {
  switch (command.type) {
    case 'start':
      source = startSource(store, command.api);
      break;
    case 'taken':
      mirror.taken();
      break;
    case 'openDetail':
      source?.openDetail(command.id);
      break;
    case 'watchNodes':
      source?.watchNodes(command.wanted);
      break;
  }
};
