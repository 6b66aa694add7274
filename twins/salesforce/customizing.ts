import { type Refusal, refusal } from './errors.ts';
import { findField, type ObjectType } from './metadata.ts';
import type { StoredRecord } from './store.ts';
import type { Org } from './validate.ts';
import { parseValue, type Value } from './values.ts';

type Values = Readonly<Record<string, Value>>;

/** A record of which the field's text matches is not saved, whichever field the save is about. */
export interface ValidationRule {
  readonly object: string;
  readonly field: string;
  readonly pattern: RegExp;
  readonly message: string;
}

/** A record that gets a value which a living record has already is a duplicate. */
export interface DuplicateRule {
  readonly object: string;
  readonly field: string;
  /** Objects whose records are compared, by their field of the same name. */
  readonly against: readonly string[];
  /** `alert`: the caller may insist; `block`: nobody may. */
  readonly action: 'alert' | 'block';
}

/** A flow before the save: when the field changes, another one, or the same, becomes something else. */
export interface Automation {
  readonly object: string;
  readonly when: string;
  readonly set: string;
  /** From the values about to be saved. Pure. */
  readonly to: (values: Values) => Value;
}

/** What an administrator has set up in the org. */
export interface Customizing {
  readonly validationRules: readonly ValidationRule[];
  readonly duplicateRules: readonly DuplicateRule[];
  /** In the order they run in; each sees what the ones before it did. */
  readonly automations: readonly Automation[];
}
export const plainOrg: Customizing = { validationRules: [], duplicateRules: [], automations: [] };

/** Object and field of everything that rules speak of. */
export const fieldsNamedBy = ({
  validationRules,
  duplicateRules,
  automations,
}: Customizing): readonly (readonly [object: string, field: string])[] => [
  ...validationRules.map(({ object, field }) => [object, field] as const),
  ...duplicateRules.flatMap(({ object, against, field }) => [object, ...against].map((name) => [name, field] as const)),
  ...automations.flatMap(({ object, when, set }) => [[object, when] as const, [object, set] as const]),
];

/** What automations can make of a field, by name: for those who cannot hand a function over. */
export const formulas = {
  copy: (value: Value): Value => value,
  upperCase: (value: Value): Value => (typeof value === 'string' ? value.toUpperCase() : value),
  properCase: (value: Value): Value =>
    typeof value === 'string'
      ? value
          .toLowerCase()
          .replace(/(^|[\s-])(\p{L})/gu, (_, gap: string, letter: string) => gap + letter.toUpperCase())
      : value,
} as const;

/** The values as the org's flows leave them, spelled as any value is stored; or what is wrong with what a flow set. */
export function automate(
  org: Org,
  object: ObjectType,
  before: StoredRecord | undefined,
  values: Record<string, Value>,
): readonly Refusal[] {
  const refusals: Refusal[] = [];
  for (const { object: name, when, set, to } of org.customizing.automations) {
    const field = name === object.name ? findField(object, set) : undefined;
    if (field === undefined || (values[when] ?? null) === (before?.values[when] ?? null)) continue;
    const parsed = parseValue(field, to(values));
    if ('value' in parsed) values[field.name] = parsed.value;
    else refusals.push(refusal('CANNOT_EXECUTE_FLOW_TRIGGER', parsed.refused.message, [field.name]));
  }
  return refusals;
}

export function brokenRules(org: Org, object: ObjectType, values: Values): readonly Refusal[] {
  return org.customizing.validationRules
    .filter((rule) => rule.object === object.name && String(values[rule.field] ?? '').search(rule.pattern) >= 0)
    .map((rule) => refusal('FIELD_CUSTOM_VALIDATION_EXCEPTION', rule.message, [rule.field]));
}

/**
 * Rules look at a record when it comes into being and when the field changes, and compare it with what was there before
 * the transaction: two rows of one call are no duplicates of each other. Converted leads do not count.
 */
export function foundDuplicates(
  org: Org,
  object: ObjectType,
  before: StoredRecord | undefined,
  values: Values,
  context: { readonly insists: boolean; readonly isNew: (id: string) => boolean },
): readonly Refusal[] {
  return org.customizing.duplicateRules.flatMap((rule) => {
    const value = values[rule.field] ?? null;
    const allowSave = rule.action === 'alert';
    if (rule.object !== object.name || value === null || value === before?.values[rule.field]) return [];
    if (allowSave && context.insists) return [];
    const matches = rule.against.flatMap((name) => {
      const other = org.object(name);
      const found = other ? org.store.find(other, rule.field, value) : [];
      return found
        .filter(({ id, values: held }) => id !== before?.id && held['IsConverted'] !== true && !context.isNew(id))
        .map(({ id }) => ({ object: name, id }));
    });
    if (matches.length === 0) return [];
    const duplicates = { rule: `${rule.object}_${rule.field}_Rule`, object: rule.object, allowSave, matches };
    return [{ ...refusal('DUPLICATES_DETECTED', 'Use one of these records?'), duplicates }];
  });
}
