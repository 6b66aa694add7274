import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Dml } from '../../twins/salesforce/dml.ts';
import type { SalesforceModel } from '../../twins/salesforce/model.ts';
import type { StoredRecord } from '../../twins/salesforce/store.ts';
import { eventsOf, makeModel, start } from './salesforce-support.ts';

/** Four of each, some of which a history deletes, merges or converts. */
const objects = ['Account', 'Contact', 'Lead'] as const;
const seedRows: Record<(typeof objects)[number], (n: number) => Record<string, unknown>> = {
  Account: (n: number) => ({ Name: `A${n}`, Tributary_Id__c: `a${n}` }),
  Contact: (n: number) => ({ LastName: `C${n}`, Email: `p${n % 2}@x.example` }),
  Lead: (n: number) => ({ LastName: `L${n}`, Company: 'X', Phone: n === 3 ? '0' : null }),
};
function seeded(mergeEvents = true) {
  const made = makeModel({
    habits: { mergeEvents },
    customizing: {
      validationRules: [{ object: 'Contact', field: 'Phone', pattern: /^0/, message: 'no leading zero' }],
      duplicateRules: [{ object: 'Contact', field: 'Email', against: ['Contact'], action: 'alert' }],
    },
  });
  const ids = objects.map((object) =>
    made.model.load(
      object,
      [0, 1, 2, 3].map((n) => seedRows[object](n)),
      start,
    ),
  );
  made.model.lock(ids[0]?.[3] ?? '', start, start + 1_000_000);
  return { ...made, ids };
}

const which = fc.nat({ max: 3 });
const kind = fc.nat({ max: 2 });
type Step = (ids: readonly (readonly string[])[]) => Dml;
const at = (ids: readonly (readonly string[])[], object: number, n: number): string => ids[object]?.[n] ?? '';
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(which, which, fc.constantFrom('1', '0', '2')).map(
    ([n, account, Phone]): Step =>
      (ids) => ({ op: 'update', object: 'Contact', id: at(ids, 1, n), row: { Phone, AccountId: at(ids, 0, account) } }),
  ),
  fc.tuple(which, fc.constantFrom('a0', 'a1', 'new')).map(
    ([n, Tributary_Id__c]): Step =>
      (ids) => ({ op: 'update', object: 'Account', id: at(ids, 0, n), row: { Tributary_Id__c } }),
  ),
  fc.tuple(kind, which).map(
    ([k, n]): Step =>
      (ids) => ({ op: 'delete', object: objects[k] ?? '', id: at(ids, k, n) }),
  ),
  fc.tuple(kind, which).map(
    ([k, n]): Step =>
      (ids) => ({ op: 'undelete', object: objects[k] ?? '', id: at(ids, k, n) }),
  ),
  fc.tuple(kind, which, which, which).map(
    ([k, n, a, b]): Step =>
      (ids) => ({
        op: 'merge',
        object: objects[k] ?? '',
        id: at(ids, k, n),
        loserIds: [...new Set([at(ids, k, a), at(ids, k, b)])],
        row: k === 0 ? { Tributary_Id__c: `a${a}` } : {},
      }),
  ),
  fc.tuple(which, which, fc.boolean()).map(
    ([n, contact, fresh]): Step =>
      (ids) => ({
        op: 'convert',
        object: 'Lead',
        id: at(ids, 2, n),
        ...(!fresh && { contactId: at(ids, 1, contact) }),
      }),
  ),
);

const snapshot = (model: SalesforceModel): Map<string, StoredRecord> =>
  new Map(objects.flatMap((object) => [...model.store.all(object)].map((record) => [record.id, record])));

test('a refused row leaves neither a trace nor an event, whatever it had done by then', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const { model, caller, ids } = seeded();
      steps.forEach((make, n) => {
        const before = [snapshot(model), model.bus.size];
        const [result] = model.execute([make(ids)], caller, start + n * 1000);
        const after = [snapshot(model), model.bus.size];
        expect(after).toEqual(result?.success ? after : before);
      });
      for (const field of ['AccountId', 'Email', 'Tributary_Id__c']) {
        const contacts = model.object('Contact');
        if (contacts === undefined) throw new Error('no Contact');
        const values = new Set([...model.store.all('Contact')].map((record) => record.values[field] ?? null));
        for (const value of values) {
          if (value === null) continue;
          const scanned = [...model.store.all('Contact')].filter((r) => !r.deleted && r.values[field] === value);
          const found = model.store.find(contacts, field, value).map(({ id }) => id);
          expect(found.sort()).toEqual(scanned.map(({ id }) => id).sort());
        }
      }
    }),
  );
});

test('events tell who is alive, whether rows share a call or not, and nobody living belongs to a deleted account', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 10 }), fc.boolean(), (steps, together) => {
      const { model, caller, ids } = seeded(false);
      const alive = new Map([...snapshot(model)].map(([id, { values }]) => [id, { ...values }]));
      const rows = steps.map((make) => make(ids));
      for (const call of together ? [rows] : rows.map((row) => [row])) model.execute(call, caller, start + 1000);
      for (const { value } of eventsOf(model, start + 1000)) {
        const { changeType, recordIds } = value.ChangeEventHeader;
        for (const id of recordIds) {
          if (changeType === 'DELETE') alive.delete(id);
          else alive.set(id, {});
        }
      }
      const living = [...snapshot(model).values()].filter(({ deleted }) => !deleted);
      expect([...alive.keys()].sort()).toEqual(living.map(({ id }) => id).sort());
      for (const { id, values } of living) {
        const parent = model.store.get('Account', String(values['AccountId'] ?? ''));
        expect([id, parent === undefined || !parent.deleted]).toEqual([id, true]);
      }
    }),
  );
});
