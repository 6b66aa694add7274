/** What platforms do not take, as data: those who write, those who refuse and the oracle know the same. */
import type { MappedField } from './fields.ts';
import type { Stored } from './stores.ts';
import type { World } from './world.ts';

/** What a validation rule of the org does not take. */
export const refused = { field: 'department', pattern: /7$/ } as const;
/** What the workspace does not take. */
export const rejected = { field: 'department', pattern: /3$/ } as const;

/** Does Intercom refuse it in this world? */
export const isRejected = ({ on }: World, { canonical }: MappedField, value: Stored): boolean =>
  on.has('rejects') && canonical === rejected.field && rejected.pattern.test(String(value ?? ''));

/** Does Salesforce? */
export const isRefused = ({ on }: World, { canonical }: MappedField, value: Stored): boolean =>
  on.has('refuse') && canonical === refused.field && refused.pattern.test(String(value ?? ''));
