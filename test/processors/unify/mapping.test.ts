import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../core/config.ts';
import { fromPlatform, toPlatform } from '../../../processors/unify/mapping.ts';
import { compileRules, type Link } from '../../../processors/unify/rules.ts';
import { noPosition } from '../../../processors/unify/values.ts';
import { World } from '../../../processors/unify/world.ts';
import type { CanonicalField, Value } from '../../../schemas/types.ts';
import { change } from '../../support/fold-runner.ts';

const rules = compileRules(loadConfig({ env: {} }));
const world = new World(
  { get: () => undefined, put: () => undefined, savepoint: () => () => undefined },
  { offset: 0, time: 0, key: '', lineage: 0, change: change({ kind: 'tick' }) },
  rules,
);
const field = (value: Value): CanonicalField => ({
  value,
  version: 1,
  time: 0,
  at: noPosition,
  source: '',
  by: '',
  reason: '',
  offset: 0,
  previous: null,
  lost: null,
  turns: [],
  frozen: false,
});
const link = (platform: 'salesforce' | 'intercom', name: string): Link => {
  const found = rules.entities.customer.sides[platform].byField.get(name);
  if (found === undefined) throw new Error(`no link ${name}`);
  return found;
};

/** What Intercom is asked for when Salesforce says a value of a field. */
function across(salesforce: string, intercom: string, value: Value): Value | undefined {
  const canonical = fromPlatform(world, link('salesforce', salesforce), value);
  const fields = Object.fromEntries(Object.entries(canonical).map(([name, one]) => [name, field(one)]));
  return toPlatform(world, link('intercom', intercom), fields, undefined);
}

describe('values on their way from Salesforce to Intercom', () => {
  it('never shift a date by a day, whatever the date', () => {
    const days = fc.integer({ min: -20_000, max: 40_000 });
    fc.assert(
      fc.property(days, (day) => {
        const text = new Date(day * 86_400_000).toISOString().slice(0, 10);
        expect(across('Renewal_Date__c', 'custom_attributes.renewal_date', text)).toBe(day * 86_400);
        const back = fromPlatform(world, link('intercom', 'custom_attributes.renewal_date'), day * 86_400);
        expect(back).toEqual({ renewalDate: text });
      }),
    );
  });

  it('keep the instant of a datetime in any offset', () => {
    const name = 'custom_attributes.last_order_at';
    const expected = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000;
    for (const text of [
      '2026-01-02T03:04:05.000+0000',
      '2026-01-02T17:04:05.000+1400',
      '2026-01-01T16:04:05.000-1100',
    ]) {
      expect(across('Last_Order_At__c', name, text)).toBe(expected);
    }
    expect(fromPlatform(world, link('intercom', name), expected)).toEqual({
      lastOrderAt: '2026-01-02T03:04:05.000+0000',
    });
  });

  it('take a set for the same whatever its order', () => {
    const one = across('Languages__c', 'custom_attributes.languages', ['German', 'English']);
    expect(across('Languages__c', 'custom_attributes.languages', 'English;German')).toBe(one);
  });

  it('lower the case of an email and never ask for an empty one', () => {
    expect(across('Email', 'email', 'Ada@Orchard.Example')).toBe('ada@orchard.example');
    expect(across('Email', 'email', null)).toBe(undefined);
  });

  it('clear every other field with null, for null and for empty text', () => {
    for (const [from, to] of [
      ['Phone', 'phone'],
      ['Title', 'custom_attributes.job_title'],
      ['Score__c', 'custom_attributes.score'],
      ['Languages__c', 'custom_attributes.languages'],
    ] as const) {
      expect(across(from, to, null)).toBe(null);
      expect(across(from, to, '')).toBe(null);
    }
  });

  it('make one name of two parts, and of the last name alone', () => {
    const name = link('intercom', 'name');
    expect(toPlatform(world, name, { firstName: field('Ada'), lastName: field('Byron') }, undefined)).toBe('Ada Byron');
    expect(toPlatform(world, name, { firstName: field(null), lastName: field('Byron') }, undefined)).toBe('Byron');
    expect(toPlatform(world, name, {}, undefined)).toBe(undefined);
  });

  it('keep text exactly, emoji, apostrophes and right-to-left included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        expect(across('Title', 'custom_attributes.job_title', text)).toBe(text);
      }),
    );
  });
});
