/** What an object and a field are. The objects themselves, as data, are in `objects.ts`. */
export type FieldType =
  | 'id'
  | 'string'
  | 'textarea'
  | 'email'
  | 'phone'
  | 'url'
  | 'picklist'
  | 'multipicklist'
  | 'boolean'
  | 'int'
  | 'double'
  | 'currency'
  | 'date'
  | 'datetime'
  | 'reference'
  | 'address';

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly type: FieldType;
  readonly length?: number;
  readonly precision?: number;
  readonly scale?: number;
  readonly picklist?: readonly string[];
  readonly restricted?: true;
  readonly required?: true;
  readonly unique?: true;
  readonly externalId?: true;
  readonly idLookup?: true;
  readonly createable: boolean;
  readonly updateable: boolean;
  /** The compound that REST describe and the change event know it under, and its name inside the event's record. */
  readonly compound?: readonly [name: string, part: string];
  readonly referenceTo?: readonly string[];
  readonly relationship?: string;
  /** What the field is when a creation does not say; a boolean is false unless told. */
  readonly initial?: true | string;
  /** Deleting the parent deletes this record too, in the same transaction. */
  readonly cascade?: true;
  /** Semantic type in the `doc` of the change-event schema, where it does not follow from `type`. */
  readonly doc?: string;
}

export interface ObjectType {
  readonly name: string;
  readonly label: string;
  readonly plural: string;
  readonly keyPrefix: string;
  /** Setup objects (User) can only be deactivated. */
  readonly deletable: boolean;
  readonly mergeable: boolean;
  readonly fields: readonly Field[];
  /** The fixed order of the standard fields in the change-event schema; custom fields follow in the order of the object. */
  readonly events: readonly string[];
}

export type Facts = Partial<Omit<Field, 'name' | 'label' | 'type'>>;

const labelOf = (name: string): string =>
  name
    .replace(/__c$/, '')
    .replace(/Id$/, ' ID')
    .replace(/_/g, ' ')
    .replace(/([a-z])([A-Z])/g, '$1 $2');

/** A writable field; facts say what else is to know about it. */
export const field = (type: FieldType, name: string, facts: Facts = {}): Field => ({
  name,
  label: labelOf(name),
  type,
  createable: true,
  updateable: true,
  ...facts,
});
/** By definition and not by org: thousands of orgs of a simulation share the definitions. */
const fieldsByName = new WeakMap<ObjectType, ReadonlyMap<string, Field>>();

/** API names are case-insensitive on the platform. */
export function findField(object: ObjectType, name: string): Field | undefined {
  let fields = fieldsByName.get(object);
  if (fields === undefined) {
    fields = new Map(object.fields.map((candidate) => [candidate.name.toLowerCase(), candidate]));
    fieldsByName.set(object, fields);
  }
  return fields.get(name.toLowerCase());
}

/** Set by the platform when a creation does not say otherwise, so never "missing". */
export const defaulted = (candidate: Field): boolean =>
  candidate.type === 'boolean' ||
  candidate.initial !== undefined ||
  candidate.name === 'OwnerId' ||
  !candidate.createable;
