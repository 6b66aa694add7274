/**
 * People whose records were merged are one person from then on, with every record that is left of them: all of them agree
 * as one person's do, what is edited afterwards goes across, and nothing more is asked of the record that ended. Intercom
 * gives an email to one contact only, so of several contacts one has it, and the journal names the others.
 */
import type { Command, CustomerEvent, JournalEntry } from '../../schemas/types.ts';
import { losing } from './conditions.ts';
import { isStray } from './duplicates.ts';
import type { FieldJudge } from './field-judge.ts';
import { type MappedField, type PlatformName, personFields } from './fields.ts';
import { isAlive, type Parties } from './parties.ts';
import type { People } from './people.ts';
import type { Judging } from './promises.ts';
import type { Ran } from './simulate.ts';
import type { Shown } from './stores.ts';

interface Group {
  readonly name: string;
  readonly whose: readonly number[];
  readonly salesforce: readonly Shown[];
  readonly intercom: readonly Shown[];
  /** When the last merge of them happened. */
  readonly since: number;
}

/** An edit has come to both sides within this. */
const underWayMs = 60_000;

const objects = { salesforce: 'Contact', intercom: 'contact' } as const;
const refOf = (platform: PlatformName, id: string): string => `${platform}:${objects[platform]}:${id}`;

export function judgeMerged(judging: Judging, parties: Parties, fields: FieldJudge): void {
  askedOfEnded(judging);
  for (const group of groupsOf(judging, parties)) {
    const unheard = unheardMerge(judging, group);
    // Excused as a whole: to everybody but Intercom they are still two.
    if (unheard !== '') {
      judging.broken(
        'merged',
        `${group.name}: ${unheard} was merged away`,
        [unheard],
        'its notification was lost, and Intercom says of it at most that it is gone',
      );
      continue;
    }
    isOnePerson(judging, group);
    agree(judging, fields, group);
    belong(judging, parties, group);
    isChosen(judging, group);
  }
}

/** The contact of which nobody was told whom it was merged into: by no notification, nor by a call that found it gone. */
function unheardMerge({ ran }: Judging, { whose }: Group): string {
  if (!losing.some((one) => ran.history.world.on.has(one))) return '';
  const unheard = ran.people.merges.find(
    (merge) => merge.on === 'intercom' && whose.includes(merge.who) && !isTold(ran, merge),
  );
  return unheard?.from ?? '';
}

type Merge = People['merges'][number];

/** Was anybody told into whom they were merged? */
function isTold({ log }: Ran, { on, from }: Merge): boolean {
  const ref = refOf(on, from);
  return log.records.some(
    ({ change: { observation, result } }) =>
      (observation?.ref === ref && observation.op === 'moved') || (result?.ref === ref && result.into !== null),
  );
}

/** Who was merged away was brought back: they are two again. */
const isUndone = ({ stores }: Ran, { on, from }: Merge): boolean => stores.find(on, 'person', from)?.alive === true;

/** Merged with somebody, as far as anybody could know: not where it was undone before it was told. */
export const wasMerged = (ran: Ran, whose: number): boolean =>
  ran.people.merges.some(
    (merge) => (merge.who === whose || merge.loser === whose) && (!isUndone(ran, merge) || isTold(ran, merge)),
  );

/** Who was merged with whom, however often. */
function groupsOf(judging: Judging, parties: Parties): readonly Group[] {
  const { ran } = judging;
  // Who is there again is nobody's any more: what they are depends on when their merge was told.
  const merges = ran.people.merges.filter((merge) => !isUndone(ran, merge));
  const groups: Set<number>[] = [];
  for (const { who, loser } of merges) {
    const mine = groups.filter((group) => group.has(who) || group.has(loser));
    const union = new Set([who, loser, ...mine.flatMap((group) => [...group])]);
    groups.splice(0, groups.length, ...groups.filter((group) => !mine.includes(group)), union);
  }
  return groups.flatMap((members) => {
    const whose = [...members].sort((a, b) => a - b);
    const isLeft = (shown: Shown): boolean => isAlive(shown) && !isStray(judging, members, shown);
    const theirs = parties.all.filter((party) => party.kind === 'person' && members.has(party.whose));
    // Of who shares an email with others nobody knows which records are theirs.
    if (theirs.some((party) => parties.isAmbiguous(party))) return [];
    return {
      name: `person ${whose.join('+')}`,
      whose,
      salesforce: theirs.flatMap(({ salesforce }) => salesforce).filter(isLeft),
      intercom: theirs.flatMap(({ intercom }) => intercom).filter(isLeft),
      since: Math.max(...merges.filter(({ who }) => members.has(who)).map(({ at }) => at)),
    };
  });
}

/** The last event of just one customer names the records that are left. */
function isOnePerson({ ran, broken }: Judging, { name, salesforce, intercom }: Group): void {
  const last = new Map<string, CustomerEvent>();
  for (const { topic, value } of ran.unify.outputs)
    if (topic === 'customer.events' && value !== null)
      last.set((value as CustomerEvent).customerId, value as CustomerEvent);
  const refs = [...salesforce, ...intercom].map(({ platform, id }) => refOf(platform, id));
  const theirs = [...last.values()].filter(
    ({ type, customer }) => type !== 'merged' && refs.some((ref) => customer.refs.includes(ref)),
  );
  if (theirs.length > 1)
    broken(
      'merged',
      `${name} is ${theirs.length} people: ${theirs.map(({ customer }) => customer.refs.join(' ')).join('; ')}`,
      refs,
    );
}

function agree(judging: Judging, fields: FieldJudge, group: Group): void {
  const { ran } = judging;
  const { name, whose, salesforce, intercom, since } = group;
  const about = [...salesforce, ...intercom].map(({ id }) => id);
  for (const a of salesforce)
    for (const b of intercom)
      for (const field of personFields) {
        if (isTaken(judging, field, a, b)) continue;
        if (!fields.agrees(name, whose, field, a, b)) continue;
        const edits = ran.people.edits.filter(
          (edit) => edit.kind === 'person' && edit.field === field.canonical && about.includes(edit.id),
        );
        // Which of their older values stands is the merge's matter.
        const isEdited = edits.some(({ first, at }) => !first && at > since);
        if (isEdited && field.fillIfEmpty !== true) fields.stands(name, field, edits, a, b);
      }
}

/**
 * Somebody chose which of two records lives: what it showed then counts for all of them, if nobody has edited the field
 * since, or so shortly before that it was under way. Fields with rules of their own have these.
 */
function isChosen({ ran, alike, broken }: Judging, { name, whose, salesforce, intercom }: Group): void {
  const [merge, ...others] = ran.people.merges.filter(({ who }) => whose.includes(who));
  // While the first snapshot is read, what counted is not settled.
  if (merge === undefined || others.length > 0 || !ran.settled) return;
  const records = [...salesforce, ...intercom];
  for (const field of personFields) {
    const value = merge.chosen[field.canonical] ?? null;
    const isPlain =
      field.type !== 'email' && field.type !== 'optOut' && field.owner === undefined && !field.fillIfEmpty;
    const isEdited = ran.people.edits.some(
      (edit) => whose.includes(edit.whose) && edit.field === field.canonical && edit.at > merge.at - underWayMs,
    );
    if (!isPlain || isEdited || value === null || value === '') continue;
    for (const { platform, id, values } of records)
      if (!alike(field, values[field.canonical] ?? null, value))
        broken('merged', `${name}: ${field.canonical} of who was chosen is ${value}, not so on ${platform}`, [id]);
  }
}

/** Their contacts belong to one account, and in Intercom to its company; what a merge brought along besides is left alone. */
function belong({ broken }: Judging, parties: Parties, { name, salesforce, intercom }: Group): void {
  const accounts = salesforce.map(({ companies }) => companies.map((id) => parties.companyOf('salesforce', id)).join());
  const about = [...salesforce, ...intercom].map(({ id }) => id);
  if (new Set(accounts).size > 1) broken('agree', `${name} belongs to the accounts ${accounts.join(' and ')}`, about);
  const [account = ''] = accounts;
  for (const { id, companies } of intercom)
    if (account !== '' && !companies.some((one) => String(parties.companyOf('intercom', one)) === account))
      broken('agree', `${name}: belongs to company ${account} in Salesforce and not so as ${id} in Intercom`, about);
}

const isToldGone = ({ log }: Ran, id: string): boolean =>
  log.records.some(
    ({ change: { observation, result } }) =>
      (observation?.op === 'deleted' && observation.ref.endsWith(`:${id}`)) ||
      (result?.outcome === 'gone' && result.ref.endsWith(`:${id}`)),
  );

/**
 * Another contact has the email, archived or not, or had it when it was merged away or, unheard, deleted, and Intercom gives
 * it to no other: the journal says so.
 */
export function isTaken({ ran, journal, alike }: Judging, field: MappedField, a: Shown, b: Shown): boolean {
  const wanted = a.values[field.canonical] ?? null;
  if (field.type !== 'email' || alike(field, b.values[field.canonical] ?? null, wanted)) return false;
  const holders = [
    ...ran.stores
      .shown()
      .filter(
        ({ platform, values }) => platform === 'intercom' && alike(field, values[field.canonical] ?? null, wanted),
      )
      .map(({ id }) => id),
    ...ran.people.merges.filter(({ on }) => on === 'intercom').map(({ from }) => from),
    ...ran.people.deletions.map((one) => one.id).filter((one) => !isToldGone(ran, one)),
  ].filter((id) => id !== b.id);
  return journal.some((entry) => isRefusal(entry, b.id, field) && holders.some((id) => entry.reason.includes(id)));
}

const isRefusal = ({ kind, source, field }: JournalEntry, id: string, { intercom }: MappedField): boolean =>
  kind === 'refused' && field === intercom && source.endsWith(id);

/** Once it is said where a record lives on, nothing new is asked of it, unless it is there again. */
function askedOfEnded({ ran, broken }: Judging): void {
  const ended = new Set<string>();
  const asked = new Set<string>();
  for (const { topic, value } of ran.unify.outputs) {
    if (value === null) continue;
    if (topic === 'journal') {
      const { kind, source, reason } = value as JournalEntry;
      if (kind === 'moved' && reason.startsWith('merged or converted into')) ended.add(source);
      else if (kind === 'moved' && reason.endsWith('is there again')) ended.delete(source);
    } else if (topic === 'salesforce.commands' || topic === 'intercom.commands') {
      const { id, ref, verb } = value as Command;
      // Sent again under a new epoch it is none.
      if (ended.has(ref) && !asked.has(id))
        broken('merged', `${verb} is asked of ${ref}, which was merged away`, [ref]);
      asked.add(id);
    }
  }
}
