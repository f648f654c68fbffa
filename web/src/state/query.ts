// SPDX-License-Identifier: Apache-2.0
import { splitImageRef } from '../lib/imageRef';
import type { Pull } from '../model/pull';
import { isUnnamed } from './images';
import { isActive, statusOf } from './status';

export const TOKEN_KEYS = ['node', 'ns', 'pod', 'image', 'registry', 'status'] as const;
export type TokenKey = (typeof TOKEN_KEYS)[number];

export interface Token {
  readonly key: TokenKey;
  readonly value: string;
}

/** A search: tokens of one key are alternatives, different keys and words must all match. */
export interface Query {
  readonly tokens: readonly Token[];
  /** Free text as typed, without the tokens. */
  readonly text: string;
}

export const NO_QUERY: Query = { tokens: [], text: '' };

export function isEmpty(query: Query): boolean {
  return query.tokens.length === 0 && query.text.trim() === '';
}

function parseToken(word: string): Token | null {
  const colon = word.indexOf(':');
  if (colon < 0 || colon === word.length - 1) return null;
  const key = TOKEN_KEYS.find((candidate) => candidate === word.slice(0, colon).toLowerCase());
  return key === undefined ? null : { key, value: word.slice(colon + 1) };
}

/** Reads `status:failed node:a web` into its tokens and the free text that is left. */
export function parseQuery(input: string): Query {
  const tokens: Token[] = [];
  const words: string[] = [];
  for (const word of input.split(/\s+/)) {
    const token = parseToken(word);
    if (token !== null) tokens.push(token);
    else if (word !== '') words.push(word);
  }
  return { tokens: unique(tokens), text: words.join(' ') };
}

export function formatQuery(query: Query): string {
  const tokens = query.tokens.map((token) => `${token.key}:${token.value}`);
  return [...tokens, query.text.trim()].filter((part) => part !== '').join(' ');
}

/** Adds tokens typed into the free text; `rest` is what stays in the field. */
export function addTyped(query: Query, typed: string): Query {
  const read = parseQuery(typed);
  return { tokens: unique([...query.tokens, ...read.tokens]), text: read.text };
}

export function withoutToken(query: Query, index: number): Query {
  return { ...query, tokens: query.tokens.filter((_, at) => at !== index) };
}

function unique(tokens: readonly Token[]): Token[] {
  return tokens.filter(
    (token, index) =>
      tokens.findIndex((other) => other.key === token.key && other.value === token.value) === index,
  );
}

export type PullPredicate = (pull: Pull) => boolean;

/** Compiles a query once, so that testing a pull allocates little. */
export function compileQuery(query: Query): PullPredicate | null {
  if (isEmpty(query)) return null;
  const byKey = new Map<TokenKey, string[]>();
  for (const token of query.tokens) {
    const values = byKey.get(token.key) ?? [];
    values.push(token.value.toLowerCase());
    byKey.set(token.key, values);
  }
  const groups = [...byKey];
  const words = query.text.toLowerCase().split(/\s+/).filter(Boolean);
  return (pull) =>
    groups.every(([key, values]) => values.some((value) => matchesToken(pull, key, value))) &&
    words.every((word) => matchesWord(pull, word));
}

function matchesToken(pull: Pull, key: TokenKey, value: string): boolean {
  switch (key) {
    case 'node':
      return isOrHas(pull.nodeName, value);
    case 'image':
      return [pull.imageRef, pull.rootDigest, pull.manifestDigest].some((name) =>
        isOrHas(name, value),
      );
    case 'registry':
      return isOrHas(registryOf(pull), value);
    case 'ns':
      return pull.pods.some((pod) => isOrHas(pod.namespace, value));
    case 'pod':
      return pull.pods.some((pod) => isOrHas(pod.podName, value));
    case 'status': {
      const status = statusOf(pull);
      return value === 'active' ? isActive(status) : status === value;
    }
  }
}

/** The registry's host; Docker Hub when the name has none, undefined as long as there is no name. */
export function registryOf(pull: Pull): string | undefined {
  if (pull.registry !== undefined || isUnnamed(pull.imageRef)) return pull.registry;
  return splitImageRef(pull.imageRef).registry || 'docker.io';
}

function matchesWord(pull: Pull, word: string): boolean {
  return (
    has(pull.imageRef, word) ||
    has(pull.nodeName, word) ||
    has(registryOf(pull), word) ||
    has(pull.error, word) ||
    has(pull.manifestDigest, word) ||
    has(pull.rootDigest, word) ||
    pull.pods.some((pod) => has(pod.podName, word) || has(pod.namespace, word))
  );
}

/** `=name` is the whole name, any other value a part of it. */
function isOrHas(text: string | undefined, value: string): boolean {
  return value.startsWith('=') ? text?.toLowerCase() === value.slice(1) : has(text, value);
}

function has(text: string | undefined, part: string): boolean {
  return text?.toLowerCase().includes(part) ?? false;
}
