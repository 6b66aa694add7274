/**
 * What a workspace does of itself when a field changes: sets another one, or rewrites the one that was written. It
 * happens inside the write, so the answer and the notification show the net effect.
 */
import { type Body, changedFields } from './fields.ts';
import type { Company, Contact } from './types.ts';

/** `when`: the field as a write names what it changed, `email` or `custom_attributes.level`. `set` must be pure. */
export type Automation =
  | { readonly object: 'contact'; readonly when: string; readonly set: (contact: Contact) => Body }
  | { readonly object: 'company'; readonly when: string; readonly set: (company: Company) => Body };

interface Rule<T> {
  readonly when: string;
  readonly set: (record: T) => Body;
}

/** In their order, each once, a later one seeing what an earlier one set. */
export function automated<T extends object>(
  rules: readonly Rule<T>[],
  before: object,
  after: T,
  write: (record: T, body: Body) => T,
): T {
  let record = after;
  for (const { when, set } of rules)
    if (changedFields(before, record).includes(when)) record = write(record, set(record));
  return record;
}
