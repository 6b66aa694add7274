/** A flow is a business rule: a pure function over what is known of a customer or account. */
import type { EntityState } from '../../schemas/types.ts';

export interface FlowView {
  /** Accounts: does it have people? A question, because answering it may cost a look-up. */
  hasMembers(): boolean;
}

/** Keeps an entity in step on both platforms, as the mapping says; the flow decides who is created at all. */
export interface SyncFlow {
  /** Why the entity is not to be created on that platform; empty when it is. */
  reasonAgainstCreate(entity: EntityState, platform: 'salesforce' | 'intercom', view: FlowView): string;
}

/** Has the field a text in it? */
export const hasText = (entity: EntityState, field: string): boolean => {
  const value = entity.fields[field]?.value;
  return typeof value === 'string' && value !== '';
};
