// SPDX-License-Identifier: Apache-2.0
// The thread that listens to the server. Ten thousand pulls bring as many messages a second: here
// they are read and checked, so that the page's own thread is free for who looks at it.
import { createStore } from '../state/store';
import { type Answers, type Wishes, startAnswers } from './answers';
import { startMirror } from './mirror';
import { startSource } from './source';

export type Command =
  | { readonly type: 'start'; readonly api: string }
  | { readonly type: 'taken' }
  | { readonly type: 'wish'; readonly wishes: Wishes };

const store = createStore();
const mirror = startMirror(store, (update) => self.postMessage(update));
let answers: Answers | undefined;

self.onmessage = ({ data: command }: MessageEvent<Command>) => {
  switch (command.type) {
    case 'start':
      startSource(store, command.api);
      answers = startAnswers(store, command.api);
      break;
    case 'taken':
      mirror.taken();
      break;
    case 'wish':
      answers?.wish(command.wishes);
      break;
  }
};
