// SPDX-License-Identifier: Apache-2.0
import { splitImageRef } from '../lib/imageRef';
import type { Pull } from '../model/pull';
import { isUnnamed } from './images';
import { STATUSES, isActive, statusOf } from './status';

export const TOKEN_KEYS = ['node', 'ns', 'pod', 'image', 'registry', 'platform', 'status'] as const;
export type TokenKey = (typeof TOKEN_KEYS)[number];

const STATUS_VALUES = ['active', ...STATUSES] as const;

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

export function isEmpty(query: Query): boolean {
  return query.tokens.length === 0 && query.text.trim() === '';
}

/** What people type in place of a key. */
const ALIASES: Partial<Record<string, TokenKey>> = { namespace: 'ns', reg: 'registry' };

/** The tokens of one word, `ns:a,b` being two; none if it is no token. */
function parseTokens(word: string): Token[] {
  const colon = word.indexOf(':');
  if (colon < 0) return [];
  const name = word.slice(0, colon).toLowerCase();
  const key = ALIASES[name] ?? TOKEN_KEYS.find((candidate) => candidate === name);
  if (key === undefined) return [];
  const values = word.slice(colon + 1).split(',');
  return values.filter((value) => value !== '').map((value) => ({ key, value }));
}

/** Why a query finds nothing, where its words show it; else undefined. */
export function queryHint(query: Query): string | undefined {
  for (const { key, value } of query.tokens) {
    if (key !== 'status' || STATUS_VALUES.some((status) => status.startsWith(value.toLowerCase())))
      continue;
    return `Unknown status “${value}”. Statuses are ${STATUS_VALUES.join(', ')}.`;
  }
  for (const word of query.text.split(/\s+/)) {
    const name = /^-?([a-z]+):/i.exec(word)?.[1];
    if (name === undefined) continue;
    return `“${word}” is not a filter and was searched as text. Filters are ${TOKEN_KEYS.join(':, ')}:.`;
  }
  return undefined;
}

/** Reads `status:failed node:a web` into its tokens and the free text that is left. */
export function parseQuery(input: string): Query {
  const tokens: Token[] = [];
  const words: string[] = [];
  for (const word of input.split(/\s+/)) {
    const found = parseTokens(word);
    tokens.push(...found);
    if (found.length === 0 && word !== '') words.push(word);
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
    case 'platform':
      return isOrHas(pull.platform, value);
    case 'ns':
      return pull.pods.some((pod) => isOrHas(pod.namespace, value));
    case 'pod':
      return pull.pods.some((pod) => isOrHas(pod.podName, value));
    case 'status': {
      const status = statusOf(pull);
      // The first letters do: status:fail.
      return 'active'.startsWith(value) ? isActive(status) : status.startsWith(value);
    }
  }
}

/**
 * What of a search the server can narrow down, as parameters of `/api/v1/pulls`: at least all that match are
 * left.
 */
export function olderFilter({ tokens }: Query): string {
  const only = (key: TokenKey) => {
    const [first, ...others] = tokens.filter((token) => token.key === key);
    return others.length === 0 ? first?.value : undefined;
  };
  const whole = (value: string | undefined) =>
    value?.startsWith('=') === true ? value.slice(1) : undefined;
  const image = only('image')?.replace(/^=/, '');
  const parameters = [
    ['node', whole(only('node'))],
    ['namespace', whole(only('ns'))],
    ['pod', whole(only('pod'))],
    // A digest is no part of a name.
    ['image', image?.startsWith('sha256:') === true ? undefined : image],
  ] as const;
  return parameters
    .map(([name, value]) => (value === undefined ? '' : `&${name}=${encodeURIComponent(value)}`))
    .join('');
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
