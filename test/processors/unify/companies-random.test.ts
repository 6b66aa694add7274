/** Which account a list of companies tells, and which list an account asks for: laws of the two, for any accounts and lists. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accountOfLink, linkOfAccount } from '../../../processors/unify/companies.ts';
import { found, newRef } from '../../../processors/unify/identity.ts';
import { leftBy } from '../../../processors/unify/keys.ts';
import { alike } from '../../../processors/unify/values.ts';
import type { World } from '../../../processors/unify/world.ts';
import { plainWorld } from '../../support/plain-world.ts';
import { twoWay } from '../../support/two-way.ts';

/** Accounts by number; the others are companies that nobody knows. */
const numbers = [0, 1, 2, 3] as const;
const listed = fc.subarray(['c0', 'c1', 'c2', 'c3', 'x', 'y']);
const office = fc.record({
  /** Of each account: has it a record in Salesforce, one in Intercom, is the latter gone. */
  accounts: fc.array(fc.record({ salesforce: fc.boolean(), intercom: fc.boolean(), gone: fc.boolean() }), {
    minLength: 4,
    maxLength: 4,
  }),
  left: fc.subarray([...numbers]),
  seen: listed,
  before: fc.option(listed, { nil: undefined }),
  current: fc.option(fc.constantFrom(...numbers), { nil: null }),
  primaryCompany: fc.constantFrom('current' as const, 'attached' as const),
});
type Office = typeof office extends fc.Arbitrary<infer T> ? T : never;

const idOf = (n: number): string => `account ${n}`;

/** Companies of accounts that are nowhere but in Intercom do not count: nothing is created from them. */
function worldOf({ accounts, left, primaryCompany }: Office): World {
  const { world } = plainWorld(twoWay({ primaryCompany, accounts: false }));
  for (const [n, one] of accounts.entries()) {
    const refs = [
      ...(one.intercom ? [`intercom:company:c${n}`] : []),
      ...(one.salesforce ? [`salesforce:Account:${n}`] : []),
    ];
    for (const ref of refs)
      world.putRef({ ...newRef(ref, 'account', idOf(n)), deleted: one.gone && ref.startsWith('intercom:') });
    world.putEntity({ ...found(world, 'account', refs[0] ?? ''), id: idOf(n), refs });
  }
  world.putItems(leftBy('person'), left.map(idOf));
  return world;
}

const isHome = ({ accounts }: Office, n: number): boolean =>
  accounts[n]?.intercom === true && accounts[n]?.gone === false;
const counts = (one: Office, n: number): boolean => isHome(one, n) && one.accounts[n]?.salesforce === true;
const numberOf = (company: string): number => (company.startsWith('c') ? Number(company.slice(1)) : -1);

describe('the companies that are wanted of a person', () => {
  it('are those attached, without those of accounts that were left, and with that of the account they have', () => {
    fc.assert(
      fc.property(office, (one) => {
        const { current, left, seen } = one;
        const wanted = linkOfAccount(worldOf(one), 'intercom', current === null ? null : idOf(current), seen, 'person');
        const isLeft = (company: string): boolean => {
          const n = numberOf(company);
          return left.some((other) => other === n) && n !== current && one.accounts[n]?.intercom === true;
        };
        const kept = seen.filter((company) => !isLeft(company));
        const missing = current === null || kept.includes(`c${current}`) ? [] : [`c${current}`];
        // While the account has no company there, what is wanted cannot be said.
        const isUnknown = current !== null && !isHome(one, current);
        expect(wanted === undefined).toBe(isUnknown);
        expect(isUnknown || alike([...kept, ...missing].sort(), wanted ?? null)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('ask for nothing more where they stand', () => {
    fc.assert(
      fc.property(office, (one) => {
        const world = worldOf(one);
        const account = one.current === null ? null : idOf(one.current);
        const wanted = linkOfAccount(world, 'intercom', account, one.seen, 'person');
        const again = linkOfAccount(world, 'intercom', account, wanted ?? one.seen, 'person');
        expect(alike(again ?? null, wanted ?? null)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the account that a list of companies tells', () => {
  it('is the one that asked for the list, or the list says nothing', () => {
    fc.assert(
      fc.property(office, (one) => {
        const world = worldOf(one);
        const account = one.current === null ? null : idOf(one.current);
        const wanted = linkOfAccount(world, 'intercom', account, one.seen, 'person');
        if (wanted === undefined) return;
        const told = accountOfLink(world, 'intercom', wanted, account, one.seen);
        expect(told === undefined || told === account).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is one of those that count, or the one there is, or none; at first sight the oldest of them', () => {
    fc.assert(
      fc.property(office, (one) => {
        const { current, seen, before } = one;
        const account = current === null ? null : idOf(current);
        const told = accountOfLink(worldOf(one), 'intercom', seen, account, before);
        const counted = numbers.filter((n) => counts(one, n) && seen.includes(`c${n}`)).map(idOf);
        expect([undefined, null, account, ...counted]).toContain(told);
        const isFirst = before === undefined && account === null && counted.length > 0;
        expect(!isFirst || told === counted[0]).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
