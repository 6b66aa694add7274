/**
 * People who share an email: nobody can tell whose a record is, so they are judged by whom unify takes for one. Records of
 * one customer agree. Whoever is on one platform only waits, named in the journal, as long as somebody shares the email,
 * and is there on both once nobody does.
 */
import type { CustomerEvent } from '../../schemas/types.ts';
import type { FieldJudge } from './field-judge.ts';
import { personFields } from './fields.ts';
import { isTaken } from './merged.ts';
import { isAlive, type Parties } from './parties.ts';
import type { Judging } from './promises.ts';
import type { Shown } from './stores.ts';

export const refOf = ({ platform, id }: Shown): string =>
  platform === 'salesforce' ? `salesforce:Contact:${id}` : `intercom:contact:${id}`;

const emailOf = ({ values }: Shown): string => String(values['email'] ?? '').toLowerCase();

export function judgeSharing(judging: Judging, parties: Parties, fields: FieldJudge): void {
  const { ran, broken } = judging;
  const people = parties.all.filter(({ kind }) => kind === 'person');
  const sharing = people.filter((party) => parties.isAmbiguous(party) || parties.timesTakenApart(party) > 0);
  const records = people.flatMap(({ salesforce, intercom }) => [...salesforce, ...intercom]);
  const everybody = records.filter(isAlive);
  const gone = [
    ...records.filter((one) => !isAlive(one)).map(({ id }) => id),
    ...ran.people.merges.map(({ from }) => from),
  ];
  const customers = customersOf(judging);
  const judged = new Set<string>();
  for (const record of sharing.flatMap(({ salesforce, intercom }) => [...salesforce, ...intercom]).filter(isAlive)) {
    const owners = customers.filter(({ customer }) => customer.refs.includes(refOf(record)));
    const [owner] = owners;
    if (owner === undefined || owners.length > 1) {
      broken('merged', `${refOf(record)} belongs to ${owners.length} customers`, [record.id]);
      continue;
    }
    if (judged.has(owner.customerId)) continue;
    judged.add(owner.customerId);
    const mine = everybody.filter((one) => owner.customer.refs.includes(refOf(one)));
    const [salesforce, intercom] = (['salesforce', 'intercom'] as const).map((on) =>
      mine.filter(({ platform }) => platform === on),
    ) as [Shown[], Shown[]];
    const whose = [...new Set(mine.map(({ platform, kind, id }) => ran.people.whose(platform, kind, id)))];
    const name = `the customer of ${mine.map(refOf).join(' ')}`;
    if (salesforce.length > 0 && intercom.length > 0) {
      for (const a of salesforce)
        for (const b of intercom)
          for (const field of personFields) if (!isTaken(judging, field, a, b)) fields.agrees(name, whose, field, a, b);
      continue;
    }
    // Deleted, a record holds its place.
    const missing = salesforce.length === 0 ? 'salesforce' : 'intercom';
    if (owner.customer.refs.some((ref) => ref.startsWith(`${missing}:`))) continue;
    // Archived or merged away, a contact of somebody else keeps its email from everybody, and the journal says so.
    const isKept = judging.journal.some(
      ({ kind, id, reason }) =>
        kind === 'refused' && id === owner.customerId && gone.some((one) => reason.includes(one)),
    );
    if (isKept) continue;
    const emails = [emailOf(record), ...refusedEmail(judging, owner)];
    const rivals = [
      ...everybody.filter((one) => !mine.includes(one) && emails.includes(emailOf(one))).map(refOf),
      ...emails.flatMap((email) => leadsOf(judging, email)).filter((ref) => !owner.customer.refs.includes(ref)),
    ];
    const isTold = judging.journal.some(({ kind, id }) => kind === 'ambiguous' && id === owner.customerId);
    if (rivals.length > 0 && !isTold)
      broken(
        'agree',
        `${name} shares an email with ${rivals.join(' ')}, and nobody is told`,
        mine.map(({ id }) => id),
      );
    if (rivals.length === 0 && parties.isWanted(mine, whose))
      broken(
        'agree',
        `${name} is on one platform only, and nobody shares the email`,
        mine.map(({ id }) => id),
      );
  }
}

/** The email that counts for a customer, if their record was refused it, because another one has it. */
function refusedEmail({ journal }: Judging, { customerId, customer }: CustomerEvent): readonly string[] {
  const { email } = customer;
  const isRefused = journal.some(
    ({ kind, field, id, other }) => kind === 'refused' && field === 'email' && id === customerId && other === email,
  );
  return typeof email === 'string' && isRefused ? [email.toLowerCase()] : [];
}

/** Leads of Salesforce that nobody has converted. */
const leadsOf = ({ ran }: Judging, email: string): readonly string[] =>
  [...ran.stores.salesforce.store.all('Lead')]
    .filter(({ deleted, values }) => !deleted && values['IsConverted'] !== true && values['Email'] === email)
    .map(({ id }) => `salesforce:Lead:${id}`);

/** As events tell of them last, but for those that are another one now. */
export function customersOf({ ran }: Judging): readonly CustomerEvent[] {
  const last = new Map<string, CustomerEvent>();
  for (const { topic, value } of ran.unify.outputs)
    if (topic === 'customer.events' && value !== null)
      last.set((value as CustomerEvent).customerId, value as CustomerEvent);
  return [...last.values()].filter(({ type }) => type !== 'merged');
}
