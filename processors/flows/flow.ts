/**
 * A flow is a business rule: a pure function over what is known of a customer or account. Flows are declared once, here
 * and in index.ts, for production, tests and docs.
 */
import type { EntityState } from '../../schemas/types.ts';

export interface FlowView {
  readonly platform: 'salesforce' | 'intercom';
  /** Accounts: does it have people? A question, because answering it may cost a look-up. */
  hasMembers(): boolean;
}

export interface SyncFlow {
  readonly name: 'contact-sync' | 'account-sync';
  readonly entity: 'customer' | 'account';
  readonly summary: string;
  /** Why the entity is not to be created on the platform; empty when it is. */
  reasonAgainstCreate(entity: EntityState, view: FlowView): string;
}
