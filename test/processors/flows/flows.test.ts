/** Who is created on the other platform, as far as a flow has a say. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { syncFlows } from '../../../processors/flows/index.ts';
import { found } from '../../../processors/unify/identity.ts';
import { noPosition } from '../../../processors/unify/values.ts';
import type { CanonicalField, EntityState, Value } from '../../../schemas/types.ts';
import { plainWorld } from '../../support/plain-world.ts';
import { twoWay } from '../../support/two-way.ts';

const field = (value: Value): CanonicalField => ({
  value,
  version: 1,
  time: 0,
  source: 'intercom:contact:i1',
  reason: 'first',
  offset: 0,
  at: noPosition,
  by: '',
  previous: null,
  lost: null,
  turns: [],
  frozen: false,
});
const value = fc.constantFrom<Value>(null, '', 'x', 7, true, ['x']);
const names = ['email', 'firstName', 'lastName', 'name', 'title'] as const;
const fields = fc.dictionary(fc.constantFrom(...names), value);
const platform = fc.constantFrom('salesforce' as const, 'intercom' as const);
const entityWith = (kind: EntityState['entity'], values: Readonly<Record<string, Value>>): EntityState => ({
  ...found(plainWorld(twoWay()).world, kind, 'intercom:contact:i1'),
  fields: Object.fromEntries(Object.entries(values).map(([name, one]) => [name, field(one)])),
});
const hasText = (one: Value | undefined): boolean => typeof one === 'string' && one !== '';

describe('a person', () => {
  it('is created with an email, and in Salesforce with a last name; why not is said', () => {
    fc.assert(
      fc.property(fields, platform, (values, on) => {
        const why = syncFlows.customer.reasonAgainstCreate(entityWith('customer', values), on, {
          hasMembers: () => true,
        });
        const lacks = hasText(values['email'])
          ? on === 'salesforce' && !hasText(values['lastName'])
            ? 'no last name'
            : ''
          : 'no email';
        expect(why).toBe(lacks);
      }),
    );
  });
});

describe('a company', () => {
  it('is created with a name, and in Intercom with people; its people are asked for only then', () => {
    fc.assert(
      fc.property(fields, platform, fc.boolean(), (values, on, people) => {
        let asked = 0;
        const hasMembers = (): boolean => {
          asked += 1;
          return people;
        };
        const why = syncFlows.account.reasonAgainstCreate(entityWith('account', values), on, { hasMembers });
        const isNamed = hasText(values['name']);
        expect(why).toBe(isNamed ? (on === 'intercom' && !people ? 'no people' : '') : 'no name');
        expect(asked).toBe(isNamed && on === 'intercom' ? 1 : 0);
      }),
    );
  });
});
