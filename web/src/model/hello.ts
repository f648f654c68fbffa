// SPDX-License-Identifier: Apache-2.0
import { type Decoded, number, optional, readerOf, text } from './fields';

/** Hello of docs/schemas/hello.schema.json: the first message of an event stream. */
export const HELLO_FIELDS = {
  /** Which run of the server speaks; another after a restart, and of each replica. */
  run: text,
  /** The id behind which the stream goes on. */
  version: number,
  /** What whoever runs it calls the cluster. */
  cluster: optional(text),
};

export type Hello = Decoded<typeof HELLO_FIELDS>;

export const readHello = readerOf('hello', HELLO_FIELDS);
