import type { Customizing } from './customizing.ts';
import { type Refusal, refusal } from './errors.ts';
import type { MergeHabits } from './merge.ts';
import { defaulted, type Field, findField, type ObjectType } from './metadata.ts';
import type { Store, StoredRecord } from './store.ts';
import { parseValue, type Row, type Value } from './values.ts';

/** What a transaction needs to know of the org it runs in. */
export interface Org {
  readonly store: Store;
  readonly habits: MergeHabits;
  readonly customizing: Customizing;
  object(name: string): ObjectType | undefined;
  objects(): readonly ObjectType[];
  /** Records that somebody else's transaction holds. */
  locksAt(now: number): ReadonlySet<string>;
}

/** Every field of any object that refers to this one, the merge's own trail apart. */
export const childrenOf = (org: Org, object: ObjectType): readonly { child: ObjectType; field: Field }[] =>
  org
    .objects()
    .flatMap((child) =>
      child.fields
        .filter(({ name, referenceTo }) => name !== 'MasterRecordId' && referenceTo?.includes(object.name))
        .map((field) => ({ child, field })),
    );

type Draft = { readonly values: Readonly<Record<string, Value>> } | { readonly refusals: readonly Refusal[] };

/**
 * A row as the platform would take it, or everything it has against it. Trouble with the shape of the row (unknown or
 * read-only field, wrong JSON type) hides what validation would say, since the platform stops there too.
 */
export function validate(org: Org, object: ObjectType, row: Row, current: StoredRecord | undefined): Draft {
  const shape: Refusal[] = [];
  const readOnly: Field[] = [];
  const content: Refusal[] = [];
  /** Given, and refused: not missing. */
  const refused = new Set<string>();
  const values: Record<string, Value> = {};
  for (const [name, raw] of Object.entries(row)) {
    if (name === 'attributes' || (name.toLowerCase() === 'id' && current !== undefined)) continue;
    const related = byRelationship(org, object, name, raw);
    const field = related?.field ?? findField(object, name);
    if (field === undefined) {
      shape.push(refusal('INVALID_FIELD', `No such column '${name}' on sobject of type ${object.name}`));
    } else if (field.type === 'id') {
      shape.push(refusal('INVALID_FIELD_FOR_INSERT_UPDATE', 'cannot specify Id in an insert call', [field.name]));
    } else if (!(current ? field.updateable : field.createable)) {
      readOnly.push(field);
    } else {
      const parsed = related ?? parseValue(field, raw);
      if ('value' in parsed) values[field.name] = parsed.value;
      else {
        refused.add(field.name);
        (parsed.refused.code === 'JSON_PARSER_ERROR' ? shape : content).push(parsed.refused);
      }
    }
  }
  if (readOnly.length > 0) shape.push(notWritable(readOnly));
  if (shape.length > 0) return { refusals: shape };
  const all = [
    ...missing(object, values, current, refused),
    ...content,
    ...brokenReferences(org, object, values, current),
    ...duplicates(org.store, object, values, current),
  ];
  return all.length > 0 ? { refusals: all } : { values };
}

/** `"Account": {"Tributary_Id__c": "…"}` names the parent by its external id instead of `AccountId`. */
function byRelationship(org: Org, object: ObjectType, name: string, raw: unknown) {
  if (raw === null || typeof raw !== 'object') return undefined;
  const field = object.fields.find((candidate) => candidate.relationship === name);
  if (field === undefined) return undefined;
  const parent = org.object(field.referenceTo?.[0] ?? '');
  const [key, value] = Object.entries(raw).find(([part]) => part !== 'attributes') ?? [];
  const keyField = parent && key !== undefined ? findField(parent, key) : undefined;
  const found =
    parent && keyField?.externalId && typeof value === 'string'
      ? org.store.find(parent, keyField.name, value)[0]
      : undefined;
  const text = `Foreign key external ID: ${String(value).toLowerCase()} not found for field ${key} in entity ${parent?.name}`;
  return { field, ...(found ? { value: found.id } : { refused: refusal('INVALID_FIELD', text) }) };
}

function notWritable(fields: readonly Field[]): Refusal {
  const names = fields.map(({ name }) => name);
  const text = `Unable to create/update fields: ${names.join(', ')}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.`;
  return refusal('INVALID_FIELD_FOR_INSERT_UPDATE', text, names);
}

function missing(
  object: ObjectType,
  values: Readonly<Record<string, Value>>,
  current: StoredRecord | undefined,
  refused: ReadonlySet<string>,
): readonly Refusal[] {
  const names = object.fields
    .filter((field) => field.required && !refused.has(field.name))
    .filter((field) =>
      field.name in values ? values[field.name] === null : current === undefined && !defaulted(field),
    )
    .map(({ name }) => name);
  return names.length === 0
    ? []
    : [refusal('REQUIRED_FIELD_MISSING', `Required fields are missing: [${names.join(', ')}]`, names)];
}

function brokenReferences(
  org: Org,
  object: ObjectType,
  values: Readonly<Record<string, Value>>,
  current: StoredRecord | undefined,
): readonly Refusal[] {
  return Object.entries(values).flatMap(([name, value]) => {
    const field = findField(object, name);
    if (field?.type !== 'reference' || typeof value !== 'string' || current?.values[name] === value) return [];
    const target = org.object(field.referenceTo?.[0] ?? '');
    if (target && !value.startsWith(target.keyPrefix)) {
      return [refusal('FIELD_INTEGRITY_EXCEPTION', `${field.label}: id value of incorrect type: ${value}`, [name])];
    }
    const parent = target && org.store.get(target.name, value);
    if (parent === undefined || parent.deleted) {
      return [refusal('INVALID_CROSS_REFERENCE_KEY', 'invalid cross reference id', [name])];
    }
    return name === 'OwnerId' && parent.values['IsActive'] === false
      ? [
          refusal(
            'INACTIVE_OWNER_OR_USER',
            `operation performed with inactive user [${value}] as owner of ${object.name.toLowerCase()}`,
          ),
        ]
      : [];
  });
}

/** Against living records only: the Recycle Bin frees a unique value. */
export function duplicates(
  store: Store,
  object: ObjectType,
  values: Readonly<Record<string, Value>>,
  current: StoredRecord | undefined,
): readonly Refusal[] {
  const unique = object.fields.filter((field) => field.unique);
  return unique.flatMap(({ name }) => {
    const value = values[name] ?? null;
    if (value === null) return [];
    const other = store.find(object, name, value).find(({ id }) => id !== current?.id);
    const text = `duplicate value found: ${name} duplicates value on record with id: ${other?.id.slice(0, 15)}`;
    return other ? [refusal('DUPLICATE_VALUE', text, [name])] : [];
  });
}
