// SPDX-License-Identifier: Apache-2.0

/** Thrown for anything that is not what the wire contract says; the message names the field. */
export class DecodeError extends Error {}

/** One field of a JSON object: what the wire says of it, and how it is read. */
export interface Field<Value> {
  readonly kind: 'text' | 'number' | 'flag' | 'time' | 'choice' | 'list' | 'object';
  /** Its absence is an error. */
  readonly required: boolean;
  /** All that a choice may be. */
  readonly choices?: readonly string[];
  /** Reads the member `key`; it may be absent. */
  readonly read: (value: unknown, key: string) => Value;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

type ValueOf<F> = F extends Field<infer Value> ? Value : never;

/** What an object with these fields is once it is read; what may be absent may be left out. */
export type Decoded<F extends Fields> = {
  readonly [K in keyof F as undefined extends ValueOf<F[K]> ? never : K]: ValueOf<F[K]>;
} & {
  readonly [K in keyof F as undefined extends ValueOf<F[K]> ? K : never]?: ValueOf<F[K]>;
};

/** A field that may be absent where it is made optional. */
interface Scalar<Value> extends Field<Value> {
  readonly readIfThere: (value: unknown, key: string) => Value | undefined;
}

function scalar<Value>(
  kind: Field<Value>['kind'],
  readThere: (value: unknown, key: string) => Value | undefined,
): Scalar<Value> {
  const readIfThere = (value: unknown, key: string) =>
    value === undefined || value === null ? undefined : readThere(value, key);
  return {
    kind,
    required: true,
    readIfThere,
    read: (value, key) => {
      const result = readIfThere(value, key);
      if (result === undefined) throw new DecodeError(`${key} is missing`);
      return result;
    },
  };
}

function readText(value: unknown, key: string): string | undefined {
  if (typeof value !== 'string') throw new DecodeError(`${key} is not a string`);
  return value === '' ? undefined : value;
}

/** Colours of a terminal, other control characters, and what turns the direction of writing. */
const UNSEEN =
  // eslint-disable-next-line no-control-regex -- these are what it looks for
  /\u001b\[[0-9;]*m|[\u0000-\u0008\u000b-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A text that is never empty. What could make it read as another one is seen as a mark. */
export const text = scalar<string>('text', (value, key) =>
  readText(value, key)?.replace(UNSEEN, (found) => (found.length > 1 ? '' : '\ufffd')),
);

export const number = scalar<number>('number', (value, key) => {
  if (typeof value !== 'number') throw new DecodeError(`${key} is not a number`);
  return value;
});

export const flag = scalar<boolean>('flag', (value, key) => {
  if (typeof value !== 'boolean') throw new DecodeError(`${key} is not a boolean`);
  return value;
});

/** Epoch milliseconds; RFC 3339 on the wire. */
export const time = scalar<number>('time', (value, key) => {
  const words = readText(value, key);
  if (words === undefined) return undefined;
  const at = Date.parse(words);
  if (Number.isNaN(at)) throw new DecodeError(`${key} is not a time`);
  return at;
});

/** The same field where it may be absent. */
export function optional<Value>({ kind, readIfThere }: Scalar<Value>): Field<Value | undefined> {
  return { kind, required: false, read: readIfThere };
}

/** The same field, which is `absent` where it is absent. */
export function withDefault<Value>(
  { kind, readIfThere }: Scalar<Value>,
  absent: Value,
): Field<Value> {
  return { kind, required: false, read: (value, key) => readIfThere(value, key) ?? absent };
}

/** One of these words; one that a later server has invented reads as if it were absent. */
export function choice<const Word extends string>(
  choices: readonly Word[],
): Field<Word | undefined> {
  const { readIfThere } = text;
  return {
    kind: 'choice',
    required: false,
    choices,
    read: (value, key) => {
      const word = readIfThere(value, key);
      return choices.find((known) => known === word);
    },
  };
}

/** A list, empty where it is absent; all empty ones are the same object. */
export function listOf<Item>(read: (value: unknown) => Item): Field<readonly Item[]> {
  const none: readonly Item[] = [];
  return {
    kind: 'list',
    required: false,
    read: (value, key) => {
      if (value === undefined || value === null) return none;
      if (!Array.isArray(value)) throw new DecodeError(`${key} is not a list`);
      return value.length === 0 ? none : value.map(read);
    },
  };
}

/** An object, undefined where it is absent. */
export function optionalObject<Item>(read: (value: unknown) => Item): Field<Item | undefined> {
  return {
    kind: 'object',
    required: false,
    read: (value) => (value === undefined || value === null ? undefined : read(value)),
  };
}

export function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DecodeError(`${what} is not an object`);
  }
  return value as Record<string, unknown>;
}

/** A reader of objects with these fields; it throws DecodeError, and ignores other members. */
export function readerOf<F extends Fields>(
  what: string,
  fields: F,
): (value: unknown) => Decoded<F> {
  const rows = Object.entries(fields).map(([key, { read }]) => ({ key, read }));
  // A copy of this has all members from the start, which is much quicker than to add them.
  const blank: Record<string, unknown> = Object.fromEntries(
    rows.map(({ key }) => [key, undefined]),
  );
  return (value) => {
    const from = objectOf(value, what);
    const result = { ...blank };
    for (const { key, read } of rows) result[key] = read(from[key], key);
    return result as Decoded<F>;
  };
}

export function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new DecodeError('not JSON');
  }
}
