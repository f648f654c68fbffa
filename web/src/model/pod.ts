// SPDX-License-Identifier: Apache-2.0
import {
  type Decoded,
  choice,
  flag,
  listOf,
  number,
  optional,
  optionalObject,
  readerOf,
  text,
  time,
  withDefault,
} from './fields';
import { HOLD_UP_FIELDS } from './pull';

const CONTAINER_KINDS = ['sandbox', 'volume', 'init', 'main', 'ephemeral'] as const;
const CONTAINER_STATES = ['waiting', 'failed', 'ready', 'started'] as const;

const POD_OUTCOMES = ['ready', 'deleted', 'left'] as const;

/** A container of Pod of docs/openapi.json; `holdUp` is its own where it has no pull. */
export const CONTAINER_FIELDS = {
  name: text,
  kind: choice(CONTAINER_KINDS),
  image: withDefault(text, ''),
  state: choice(CONTAINER_STATES),
  pullId: optional(text),
  holdUp: optionalObject(readerOf('holdUp', { ...HOLD_UP_FIELDS, registry: optional(text) })),
};

export type Container = Decoded<typeof CONTAINER_FIELDS>;

/** Pod of docs/openapi.json: what it waits for, container by container in the order of their start. */
export const POD_STORY_FIELDS = {
  namespace: text,
  podName: text,
  nodeName: withDefault(text, ''),
  waiting: flag,
  waitingSince: optional(time),
  /** What became of it when it waited no more. */
  outcome: choice(POD_OUTCOMES),
  endedAt: optional(time),
  /** Until all its images are there. */
  readyEtaSeconds: optional(number),
  containers: listOf(readerOf('container', CONTAINER_FIELDS)),
};

export type PodStory = Decoded<typeof POD_STORY_FIELDS>;

export const readPodStory = readerOf('pod', POD_STORY_FIELDS);
