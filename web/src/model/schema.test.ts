// SPDX-License-Identifier: Apache-2.0
// The page's fields, held against the contract in docs/, both ways.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HISTORY_FIELDS, NODE_FIELDS, REGISTRY_FIELDS, SUMMARY_FIELDS } from './cluster';
import type { Fields } from './fields';
import { CONTAINER_FIELDS, POD_STORY_FIELDS } from './pod';
import { HELLO_FIELDS } from './hello';
import { HOLD_UP_FIELDS, LAYER_FIELDS, POD_FIELDS, PULL_FIELDS } from './pull';

interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8'));
const { $defs: pulls } = read('schemas/pulls.schema.json') as { $defs: Record<string, Schema> };
const { components } = read('openapi.json') as {
  components: { schemas: Record<string, Schema> };
};

const CONTRACT: readonly {
  name: string;
  fields: Fields;
  schema: Schema | undefined;
  /** What the page does not show, or reads in another way. */
  left: readonly string[];
}[] = [
  {
    name: 'PullStatus',
    fields: PULL_FIELDS,
    schema: pulls.PullStatus,
    left: ['layers', 'version'],
  },
  {
    name: 'PullStatus.pods',
    fields: POD_FIELDS,
    schema: pulls.PullStatus?.properties?.pods?.items,
    left: [],
  },
  {
    name: 'PullStatus.holdUp',
    fields: HOLD_UP_FIELDS,
    schema: pulls.PullStatus?.properties?.holdUp,
    left: [],
  },
  { name: 'LayerStatus', fields: LAYER_FIELDS, schema: pulls.LayerStatus, left: ['pullId'] },
  {
    name: 'Hello',
    fields: HELLO_FIELDS,
    schema: read('schemas/hello.schema.json') as Schema,
    left: [],
  },
  {
    name: 'Summary',
    fields: SUMMARY_FIELDS,
    schema: components.schemas.Summary,
    left: ['startedAt', 'waitingPods'],
  },
  { name: 'Pod', fields: POD_STORY_FIELDS, schema: components.schemas.Pod, left: [] },
  {
    name: 'Pod.containers',
    fields: CONTAINER_FIELDS,
    schema: components.schemas.Pod?.properties?.containers?.items,
    left: [],
  },
  {
    name: 'NodeList.nodes',
    fields: NODE_FIELDS,
    schema: components.schemas.NodeList?.properties?.nodes?.items,
    left: [],
  },
  {
    name: 'NodeList.nodes.history',
    fields: HISTORY_FIELDS,
    schema: components.schemas.NodeList?.properties?.nodes?.items?.properties?.history,
    left: [],
  },
  {
    name: 'RegistryList.registries',
    fields: REGISTRY_FIELDS,
    schema: components.schemas.RegistryList?.properties?.registries?.items,
    left: ['failed'],
  },
  {
    name: 'RegistryList.registries.history',
    fields: HISTORY_FIELDS,
    schema: components.schemas.RegistryList?.properties?.registries?.items?.properties?.history,
    left: [],
  },
];

function kindOf(schema: Schema | undefined): string | undefined {
  if (schema?.enum !== undefined) return 'choice';
  if (schema?.format === 'date-time') return 'time';
  const kinds: Record<string, string> = {
    string: 'text',
    integer: 'number',
    number: 'number',
    boolean: 'flag',
    array: 'list',
    object: 'object',
  };
  return kinds[schema?.type ?? ''];
}

describe.each(CONTRACT)('$name', ({ fields, schema, left }) => {
  const members = schema?.properties ?? {};

  it('has a field for every member of the schema, and no other', () => {
    const known = [...Object.keys(fields), ...left];
    expect(known.sort()).toEqual(Object.keys(members).sort());
  });

  it.each(Object.entries(fields))('%s is what the schema says', (name, field) => {
    expect(field.kind).toBe(kindOf(members[name]));
    if (field.choices !== undefined) expect(field.choices).toEqual(members[name]?.enum);
    // An absent member must not make a whole answer unreadable.
    if (field.required) expect(schema?.required).toContain(name);
  });
});
