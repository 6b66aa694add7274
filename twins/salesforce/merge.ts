import type { Transaction } from './dml.ts';
import { RowRefused, refusal } from './errors.ts';
import type { ObjectType } from './metadata.ts';
import { childrenOf } from './validate.ts';
import type { Row } from './values.ts';

/** Up to two records become one with a third; `row` is what the winner takes over from them, as the merge dialog asks. */
export interface Merge {
  readonly op: 'merge';
  readonly object: string;
  readonly id: string;
  readonly loserIds: readonly string[];
  readonly row: Row;
}

export interface MergeHabits {
  /** The losers' events come before the winner's. */
  readonly mergeDeletesFirst: boolean;
  /** What events and stamps tell of children that a merge moved: published sources do not say. */
  readonly reparenting: 'announced' | 'stamped' | 'silent';
}

/**
 * The losers are deleted and name the winner as the record they live on as; their children become the winner's. No
 * event links them: an UPDATE of the winner, if it changed, and a DELETE for each loser.
 */
export function mergeRecords(transaction: Transaction, object: ObjectType, merge: Merge): string {
  const { org } = transaction;
  const winner = transaction.record(object, merge.id);
  const losers = merge.loserIds.map((id) => transaction.record(object, id));
  const ids = new Set([winner, ...losers].map(({ id }) => id));
  const stop = (code: string, message: string) => new RowRefused(winner.id, [refusal(code, message)]);
  if (!object.mergeable) throw stop('INVALID_TYPE', `${object.name} cannot be merged`);
  if (ids.size !== losers.length + 1) throw stop('INVALID_ID_FIELD', 'a record cannot be merged with itself');
  if (ids.size < 2 || ids.size > 3) throw stop('EXCEEDED_ID_LIMIT', 'a merge takes two or three records');
  if ([winner, ...losers].some(({ values }) => values['IsConverted'] === true)) {
    throw stop('CANNOT_UPDATE_CONVERTED_LEAD', 'cannot reference converted lead');
  }
  const { mergeDeletesFirst, reparenting } = org.habits;
  const order = mergeDeletesFirst ? [...losers, winner] : [winner, ...losers];
  for (const record of order) transaction.touch(object, record, record);
  const row: Record<string, unknown> = { ...merge.row };
  for (const loser of losers) {
    for (const { child, field } of childrenOf(org, object)) {
      for (const record of org.store.find(child, field.name, loser.id)) {
        // Nobody becomes a child of itself.
        if (record.id === winner.id) row[field.name] ??= null;
        if (ids.has(record.id)) continue;
        const values = { ...record.values, [field.name]: winner.id };
        if (reparenting === 'announced') {
          transaction.save(child, { ...record, values }, record);
        } else {
          const stamp = reparenting === 'stamped' ? { SystemModstamp: transaction.stamp(record) } : {};
          transaction.put(child, { ...record, values: { ...values, ...stamp } }, record, true);
        }
      }
    }
    const gone = { ...loser, deleted: true, values: { ...loser.values, MasterRecordId: winner.id } };
    transaction.save(object, gone, loser);
  }
  // The winner last: a unique value that it takes over is free only now.
  transaction.update(object, winner, row);
  return winner.id;
}
