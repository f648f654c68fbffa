// SPDX-License-Identifier: Apache-2.0
// The thread that listens to the server, one for all pages of a browser where it has shared ones. Ten
// thousand pulls bring as many messages a second: here they are read and checked, so that the page's own
// thread is free for who looks at it.
import type { Wishes } from './answers';
import { createHub } from './hub';

export type Command =
  | { readonly type: 'start'; readonly api: string }
  | { readonly type: 'taken' }
  | { readonly type: 'wish'; readonly wishes: Wishes }
  /** The page is still there. */
  | { readonly type: 'here' }
  | { readonly type: 'bye' };

/** What a page and this thread speak through; a shared one has a port for each page. */
type Door = Pick<MessagePort, 'postMessage' | 'onmessage' | 'addEventListener'>;

const hub = createHub();

function attach(door: Door) {
  const client = hub.connect((update) => door.postMessage(update));
  door.onmessage = ({ data }: MessageEvent<Command>) => client.receive(data);
  // Where the browser says so; else the page's own word, or its silence.
  door.addEventListener('close', () => client.close());
}

const scope = self as unknown as Door & { onconnect?: ((event: MessageEvent) => void) | null };
if ('onconnect' in scope) {
  scope.onconnect = ({ ports: [port] }) => {
    if (port !== undefined) attach(port);
  };
} else {
  attach(scope);
}
