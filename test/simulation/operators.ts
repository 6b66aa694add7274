/**
 * What operators said is answered and stands: each action once in the journal, however often it comes; records that were
 * pinned belong to one customer and those taken apart to none that had them; a field that was released and is fought over
 * all the same is frozen anew.
 */
import type { JournalEntry } from '../../schemas/types.ts';
import { wholeSecond } from './dates.ts';
import { personFields } from './fields.ts';
import { isAlive, type Parties } from './parties.ts';
import type { Operation } from './people.ts';
import type { Judging } from './promises.ts';
import { customersOf, refOf } from './sharing.ts';
import type { Shown } from './stores.ts';

export function judgeOperators(judging: Judging, parties: Parties): void {
  const { operations } = judging.ran.people;
  if (operations.length === 0) return;
  for (const operation of operations) {
    const answers = judging.journal.filter((entry) => isAnswer(entry, operation));
    if (answers.length !== 1)
      judging.broken(
        'operators',
        `${operation.verb} of ${operation.subject} (${operation.by}) was answered ${answers.length} times`,
        [operation.subject],
      );
  }
  const taken = operations.filter((one) => isTaken(judging, one));
  for (const one of taken) {
    const later = taken.slice(taken.indexOf(one) + 1);
    if (one.verb === 'unfreeze') isFrozenAnew(judging, parties, one, later);
    // The last word on any of the records concerned stands.
    else if (later.every(({ verb, whose }) => (verb !== 'pin' && verb !== 'unlink') || whose !== one.whose))
      stands(judging, parties, one);
  }
}

/** That two customers became one for its sake is told besides. */
const isAnswer = ({ reason }: JournalEntry, { by }: Operation): boolean =>
  reason.endsWith(`(${by})`) && !reason.includes('is the same: ');

const isTaken = ({ journal }: Judging, operation: Operation): boolean =>
  journal.some((entry) => entry.kind !== 'rejected' && isAnswer(entry, operation));

function stands(judging: Judging, parties: Parties, { at, verb, subject, argument }: Operation): void {
  const living = parties.all
    .filter(({ kind }) => kind === 'person')
    .flatMap(({ salesforce, intercom }) => [...salesforce, ...intercom])
    .filter(isAlive);
  if (!living.some((one) => refOf(one) === subject)) return;
  const owner = customersOf(judging).find(({ customer }) => customer.refs.includes(subject));
  const beside = living.filter((one) => refOf(one) !== subject && owner?.customer.refs.includes(refOf(one)));
  if (verb === 'pin' && living.some((one) => refOf(one) === argument) && !beside.some((one) => refOf(one) === argument))
    judging.broken('operators', `${subject} was pinned to ${argument}, and is not with it`, [subject, argument]);
  // What was made for it since then is its own.
  const older = beside.filter(({ platform, id }) => judging.ran.stores.createdAt(platform, id) < wholeSecond(at));
  if (verb === 'unlink' && older.length > 0)
    judging.broken('operators', `${subject} was taken apart, and is with ${older.map(refOf).join(' ')}`, [subject]);
}

/** Two who never give in: released, they end again. */
function isFrozenAnew(judging: Judging, parties: Parties, one: Operation, later: readonly Operation[]): void {
  if (later.some(({ verb, whose }) => verb === 'unfreeze' && whose === one.whose)) return;
  const party = parties.all.find(({ kind, whose }) => kind === 'person' && whose === one.whose);
  // Two halves differ rightly.
  if (party === undefined || parties.timesTakenApart(party) > 0) return;
  const [a, b] = [party.salesforce.find(isAlive), party.intercom.find(isAlive)];
  if (a === undefined || b === undefined || isAlike(judging, a, b)) return;
  const opened = judging.journal.findIndex((entry) => isAnswer(entry, one));
  const isFrozen = judging.journal.some(
    ({ kind, field, id }, n) => kind === 'frozen' && field === 'department' && n > opened && id !== '',
  );
  if (!isFrozen)
    judging.broken('operators', `department of person ${one.whose} was released, differs, and is not frozen anew`, [
      a.id,
      b.id,
    ]);
}

const department = personFields.filter(({ canonical }) => canonical === 'department');
const isAlike = ({ alike }: Judging, a: Shown, b: Shown): boolean =>
  department.every((field) => alike(field, a.values[field.canonical] ?? null, b.values[field.canonical] ?? null));
