/**
 * Histories that once broke a promise, as small as they get. Kept as what people did, not as a number: how histories are
 * made up may change, these stay.
 */
import type { Action, Company, History, Person, Switch } from './world.ts';

export interface Kept {
  /** What it shows, as a sentence. */
  readonly shows: string;
  readonly seed: number;
  readonly faults: readonly Switch[];
  readonly people: readonly Partial<Person>[];
  readonly companies?: readonly Company[];
  readonly actions: readonly Action[];
}

const nobody: Person = { salesforce: false, intercom: false, sharesEmailOf: null, company: null, lead: false };

export const historyOf = ({ seed, faults, people, companies = [], actions }: Kept): History => ({
  seed,
  world: { name: faults.join(','), on: new Set(faults) },
  people: people.map((person) => ({ ...nobody, ...person })),
  companies,
  actions,
});

export const kept: readonly Kept[] = [
  {
    shows:
      'a row that was read before the event of its own creation, whose transaction took seconds, is not the older one',
    seed: 3000244,
    faults: ['delay', 'long', 'skew'],
    people: [{ salesforce: true }, { salesforce: true }, { intercom: true, company: 0 }],
    companies: [{ on: 'intercom' }],
    actions: [],
  },
  {
    shows: 'whom a late create made is attached to their company all the same: that is a call of its own',
    seed: 1_000_595,
    faults: ['late', 'cold'],
    people: [{ salesforce: true }, { intercom: true, company: 0 }, { intercom: true }, { salesforce: true }],
    companies: [{ on: 'intercom' }],
    actions: [{ at: 4709, do: 'move', who: 3, on: 'salesforce', company: 0 }],
  },
  {
    shows: 'a record that a create makes long after it was asked brings no older value back',
    seed: 1_000_104,
    faults: ['late'],
    people: [{ intercom: true }],
    actions: [
      { at: 623, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.2@x.example' },
      { at: 667, do: 'delete', who: 0, on: 'salesforce' },
    ],
  },
  {
    shows: 'what was edited in a record that is gone counts for the one that a late call made in its place',
    seed: 1_000_104,
    faults: ['late'],
    people: [{ intercom: true }],
    actions: [
      { at: 415, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A13' },
      { at: 667, do: 'delete', who: 0, on: 'salesforce' },
    ],
  },
  {
    shows: 'of an edit that was merged away before anybody was told of it nobody can know',
    seed: 830_012,
    faults: ['lost', 'late', 'cold'],
    people: [{ intercom: true }, { intercom: true }, { salesforce: true, intercom: true }],
    actions: [
      { at: 6072, do: 'edit', who: 1, on: 'intercom', field: 'phone', value: 'p1 phone A00' },
      { at: 29801, do: 'merge', who: 0, loser: 1, on: 'intercom' },
    ],
  },
  {
    shows: 'who is brought back before their merge was told is a person of their own as before',
    seed: 830_166,
    faults: [],
    people: [{ intercom: true }, { intercom: true }],
    actions: [
      { at: 11609, do: 'merge', who: 0, loser: 1, on: 'salesforce' },
      { at: 11879, do: 'undelete', who: 1, on: 'salesforce' },
    ],
  },
  {
    shows: 'a contact that was found gone gives way to the one that carries our id then, which was chosen in a merge',
    seed: 320_462,
    faults: ['delay'],
    people: [{ intercom: true, visitor: true }, { intercom: true }, { intercom: true }],
    actions: [
      { at: 509, do: 'signup', who: 0 },
      { at: 1636, do: 'edit', who: 2, on: 'salesforce', field: 'title', value: 'p2 title a40' },
      { at: 1813, do: 'merge', who: 0, loser: 2, on: 'intercom' },
    ],
  },
  {
    shows:
      'who is attached to a company that nobody told of belongs to it when it is known, and to their old account no more',
    seed: 2,
    faults: ['cold', 'companies'],
    people: [{ salesforce: true, intercom: true, company: 0 }],
    companies: [{ on: 'salesforce' }, { on: 'intercom' }],
    actions: [{ at: 741, do: 'move', who: 0, on: 'intercom', company: 1 }],
  },
  {
    shows: 'a call that attaches somebody long after it timed out, and after they left, is undone',
    seed: 12,
    faults: ['late', 'companies'],
    people: [{ salesforce: true, company: 0 }],
    companies: [{ on: 'salesforce' }],
    actions: [{ at: 6291, do: 'move', who: 0, on: 'salesforce', company: null }],
  },
  {
    shows: 'who is attached again while our own call may still do the same ends the same on both sides',
    seed: 28,
    faults: ['5xx', 'companies'],
    people: [{ salesforce: true, company: 0 }],
    companies: [{ on: 'salesforce' }],
    actions: [
      { at: 36880, do: 'move', who: 0, on: 'salesforce', company: null },
      { at: 55059, do: 'move', who: 0, on: 'intercom', company: 0 },
    ],
  },
  {
    shows: 'what a platform makes of a create that is carried out late is no edit',
    seed: 300105,
    faults: ['late', 'norm'],
    people: [{ salesforce: true }, { salesforce: true }],
    actions: [],
  },
  {
    shows: 'a contact that a late call makes once more after theirs was merged away is not taken for theirs',
    seed: 800057,
    faults: ['late', 'skew'],
    people: [{ intercom: true }, { intercom: true }, { intercom: true }],
    actions: [{ at: 36635, do: 'merge', who: 1, loser: 2, on: 'salesforce' }],
  },
  {
    shows: 'an email that is handed over is given to who takes it, although it was refused just before it was free',
    seed: 21,
    faults: ['handover'],
    people: [
      { salesforce: true, intercom: true },
      { salesforce: true, intercom: true },
    ],
    actions: [
      { at: 1131, do: 'edit', who: 0, on: 'salesforce', field: 'email', value: 'p0.left@x.example' },
      { at: 1151, do: 'edit', who: 1, on: 'salesforce', field: 'email', value: 'p0@x.example' },
    ],
  },
  {
    shows: 'who changes what we had written comes after it, though Salesforce tells only the second',
    seed: 100171,
    faults: [],
    people: [{ salesforce: true }],
    actions: [
      { at: 3469, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.6@x.example' },
      { at: 3904, do: 'edit', who: 0, on: 'salesforce', field: 'email', value: 'p0.7@x.example' },
    ],
  },
  {
    shows: 'who changes what we had written comes after it, whatever the clocks say',
    seed: 100022,
    faults: ['skew'],
    people: [{ intercom: true }],
    actions: [
      { at: 2178, do: 'edit', who: 0, on: 'intercom', field: 'seats', value: 102 },
      { at: 4064, do: 'edit', who: 0, on: 'salesforce', field: 'seats', value: 103 },
    ],
  },
  {
    shows: 'what a flow made of our create is no edit, where the record is read before the stream has told of it',
    seed: 100016,
    faults: ['norm'],
    people: [{ intercom: true, company: 0 }],
    companies: [{ on: 'intercom' }],
    actions: [],
  },
  {
    shows:
      'who is overwritten in Salesforce by the newer value of somebody in Intercom is told of, within one second too',
    seed: 50003,
    faults: [],
    people: [{ salesforce: true }],
    actions: [
      { at: 10693, do: 'edit', who: 0, on: 'intercom', field: 'assistant', value: 'p0 assistant a13' },
      { at: 10926, do: 'edit', who: 0, on: 'salesforce', field: 'assistant', value: 'p0 assistant A25' },
    ],
  },
  {
    shows: 'who is attached to another company just before their own is written back is detached from it',
    seed: 3524,
    faults: ['oneway', 'companies'],
    people: [{ salesforce: true }, { salesforce: true, company: 0 }, { salesforce: true, intercom: true, company: 1 }],
    companies: [{ on: 'salesforce' }, { on: 'salesforce' }],
    actions: [{ at: 65790, do: 'move', who: 1, on: 'intercom', company: 1 }],
  },
  {
    shows: 'of two companies attached within one second the one that the owner does not name is detached',
    seed: 3033,
    faults: ['oneway', 'companies'],
    people: [
      { salesforce: true, company: 0 },
      { salesforce: true, company: 1 },
    ],
    companies: [{ on: 'salesforce' }, { on: 'salesforce' }],
    actions: [{ at: 1559, do: 'move', who: 0, on: 'intercom', company: 1 }],
  },
  {
    shows: 'a company that nobody told of, because nobody belonged to it, is read when somebody is attached to it',
    seed: 50034,
    faults: ['companies'],
    people: [{ salesforce: true }],
    companies: [{ on: 'salesforce' }, { on: 'intercom' }],
    actions: [{ at: 35339, do: 'move', who: 0, on: 'intercom', company: 1 }],
  },
  {
    shows: 'who is attached to the company of another account of ours is detached again where Salesforce owns that',
    seed: 1035,
    faults: ['oneway', 'companies'],
    people: [{ salesforce: true }, { salesforce: true, company: 1 }],
    companies: [{ on: 'salesforce' }, { on: 'salesforce' }],
    actions: [{ at: 13689, do: 'move', who: 0, on: 'intercom', company: 1 }],
  },
  {
    shows: 'what the side without a say enters where the owner has nothing is taken back',
    seed: 3,
    faults: [],
    people: [{ intercom: true }],
    actions: [{ at: 4065, do: 'edit', who: 0, on: 'intercom', field: 'title', value: 'p0 title a07' }],
  },
  {
    shows:
      'a person who is attached to a company in Intercom and belongs to none in Salesforce belongs to it there too',
    seed: 33,
    faults: ['companies'],
    people: [{ salesforce: true }, { salesforce: true, company: 0 }],
    companies: [{ on: 'salesforce' }],
    actions: [{ at: 18541, do: 'move', who: 0, on: 'intercom', company: 0 }],
  },
  {
    shows: 'who was in Intercom first is known by their email also where Salesforce owns it',
    seed: 2,
    faults: ['oneway'],
    people: [{ salesforce: true, intercom: true }],
    actions: [{ at: 878, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A1' }],
  },
  {
    shows: 'merged contacts of Intercom leave no second person in Salesforce written over',
    seed: 28,
    faults: ['merge'],
    people: [{ salesforce: true }, { intercom: true }, { intercom: true }],
    actions: [{ at: 1708, do: 'merge', who: 2, loser: 1, on: 'intercom' }],
  },
  {
    shows: 'a record that was taken apart is not what a create of the other half finds by its mark',
    seed: 148,
    faults: ['operate', 'norm'],
    people: [{ intercom: true }],
    actions: [
      { at: 9928, do: 'operate', verb: 'unlink', who: 0, on: 'salesforce' },
      { at: 19743, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.3@x.example' },
    ],
  },
  {
    shows:
      'who is pinned to somebody who has a record of the kind gives up the mark of who they left, or a create of those would write over them',
    seed: 70651,
    faults: ['operate'],
    people: [{ salesforce: true }, { salesforce: true }, { intercom: true }],
    actions: [
      { at: 8694, do: 'operate', verb: 'unlink', who: 2, on: 'intercom' },
      { at: 11009, do: 'edit', who: 2, on: 'intercom', field: 'email', value: 'p2.6@x.example' },
      { at: 47262, do: 'operate', verb: 'pin', who: 2, on: 'salesforce' },
    ],
  },
  {
    shows: 'what a create makes of somebody who was taken apart is theirs, though it tells of itself before the answer',
    seed: 70704,
    faults: ['operate'],
    people: [{ salesforce: true, company: 0 }, { intercom: true }],
    companies: [{ on: 'salesforce' }],
    actions: [
      { at: 5285, do: 'edit', who: 0, on: 'salesforce', field: 'email', value: 'p0.0@x.example' },
      { at: 5899, do: 'operate', verb: 'unlink', who: 0, on: 'salesforce' },
      { at: 12392, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.5@x.example' },
      { at: 71688, do: 'operate', verb: 'pin', who: 0, on: 'salesforce' },
    ],
  },
  {
    shows: 'what was read, and entered long before, is no newer than an edit when its record is pinned to somebody',
    seed: 71343,
    faults: ['operate'],
    people: [{ salesforce: true }, { salesforce: true }, { salesforce: true, intercom: true, sharesEmailOf: 0 }],
    actions: [
      { at: 1064, do: 'edit', who: 2, on: 'intercom', field: 'email', value: 'p2.0@x.example' },
      { at: 21370, do: 'operate', verb: 'resync', who: 2, on: 'salesforce' },
      { at: 82099, do: 'operate', verb: 'pin', who: 2, on: 'salesforce' },
      { at: 98107, do: 'operate', verb: 'unlink', who: 2, on: 'salesforce' },
      { at: 125282, do: 'operate', verb: 'unlink', who: 0, on: 'salesforce' },
    ],
  },
  {
    shows: 'who is merged into somebody gives up their values for those of the one that was chosen, however new',
    seed: 2,
    faults: ['merge'],
    people: [{ intercom: true }, { salesforce: true }, { intercom: true }],
    actions: [{ at: 528, do: 'merge', who: 0, loser: 2, on: 'salesforce' }],
  },
  {
    shows: 'what is cleared right after a merge is not filled with what the merged one had',
    seed: 28,
    faults: ['merge', 'delay'],
    people: [{ salesforce: true }, { intercom: true }, { intercom: true }],
    actions: [
      { at: 1708, do: 'merge', who: 2, loser: 1, on: 'intercom' },
      { at: 2692, do: 'edit', who: 2, on: 'salesforce', field: 'department', value: null },
    ],
  },
  {
    shows: 'an edit on what is left of the merged one counts, though a call found the merge before it was told',
    seed: 20065,
    faults: ['merge', 'delay'],
    people: [{ salesforce: true }, { salesforce: true }],
    actions: [
      { at: 588, do: 'merge', who: 0, loser: 1, on: 'intercom' },
      { at: 843, do: 'edit', who: 0, on: 'salesforce', field: 'lastName', value: 'p0 lastName A14' },
      { at: 2432, do: 'edit', who: 1, on: 'salesforce', field: 'email', value: 'p1.4@x.example' },
    ],
  },
  {
    shows: 'an edit in the very second of a merge counts: nobody can tell that it was made before it',
    seed: 30162,
    faults: ['merge', 'delay'],
    people: [{ salesforce: true }, { intercom: true }],
    actions: [
      { at: 186, do: 'merge', who: 0, loser: 1, on: 'intercom' },
      { at: 344, do: 'edit', who: 1, on: 'salesforce', field: 'department', value: 'p1 department a27' },
    ],
  },
  {
    shows: 'a company that nobody belonged to is known as soon as somebody does',
    seed: 80,
    faults: ['companies'],
    people: [{ salesforce: true }, { intercom: true }, { salesforce: true }],
    companies: [{ on: 'intercom' }],
    actions: [{ at: 1801, do: 'move', who: 2, on: 'intercom', company: 0 }],
  },
  {
    shows: 'who is attached to a company in Intercom is detached where Salesforce owns that and says none',
    seed: 29,
    faults: ['oneway'],
    people: [{ salesforce: true, company: 0 }, { salesforce: true }],
    companies: [{ on: 'salesforce' }],
    actions: [{ at: 11273, do: 'move', who: 1, on: 'intercom', company: 0 }],
  },
  {
    shows: 'a value set in Intercom and taken back stays taken back, although a write of ours came between',
    seed: 1248,
    faults: ['delay'],
    people: [{ intercom: true, company: 0 }, { intercom: true }, { salesforce: true }, { salesforce: true }],
    companies: [{ on: 'intercom' }],
    actions: [
      { at: 7839, do: 'edit', who: 2, on: 'salesforce', field: 'seats', value: 100 },
      { at: 9579, do: 'edit', who: 2, on: 'intercom', field: 'seats', value: 102 },
      { at: 10045, do: 'edit', who: 2, on: 'intercom', field: 'seats', value: null },
    ],
  },
  {
    shows:
      'what a create that timed out finds when it is repeated is an edit, and nothing that the platform made of it',
    seed: 1138,
    faults: ['timeout-after'],
    people: [{ salesforce: true }, { intercom: true }, { salesforce: true }],
    actions: [{ at: 3592, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department a58' }],
  },
  {
    shows:
      'who has their email changed in a contact whose create timed out, and which is not known yet, is not made twice',
    seed: 100254,
    faults: ['429', 'timeout-after'],
    people: [{ salesforce: true, intercom: true }, { salesforce: true }],
    actions: [{ at: 1659, do: 'edit', who: 1, on: 'intercom', field: 'email', value: 'p1.4@x.example' }],
  },
  {
    shows:
      'what was told of a contact before the look that answers its create counts as it happened, and so does the look',
    seed: 100254,
    faults: ['429', 'timeout-after', 'norm'],
    people: [{ salesforce: true, intercom: true }, { salesforce: true }],
    actions: [{ at: 1659, do: 'edit', who: 1, on: 'intercom', field: 'email', value: 'p1.4@x.example' }],
  },
  {
    shows: 'several edits of an email that wait for the answer to a create all count',
    seed: 50174,
    faults: ['timeout-after'],
    people: [{ salesforce: true }, { salesforce: true }, { salesforce: true }, { salesforce: true }],
    actions: [
      { at: 780, do: 'edit', who: 3, on: 'intercom', field: 'email', value: 'p3.1@x.example' },
      { at: 2947, do: 'edit', who: 3, on: 'intercom', field: 'email', value: 'p3.8@x.example' },
    ],
  },
  {
    shows:
      'a create that is carried out a minute after it timed out makes no second contact, nor a second person of it',
    seed: 100016,
    faults: ['late'],
    people: [{ intercom: true }],
    actions: [
      { at: 29401, do: 'create', who: 1, on: 'salesforce' },
      { at: 47788, do: 'edit', who: 1, on: 'salesforce', field: 'email', value: 'p1.right@x.example' },
    ],
  },
  {
    shows: 'who has another email on one side before anybody has read it is two people to whoever looks',
    seed: 100139,
    faults: ['cold'],
    people: [{ salesforce: true }, { salesforce: true, intercom: true }],
    actions: [{ at: 176, do: 'edit', who: 1, on: 'salesforce', field: 'email', value: 'p1.1@x.example' }],
  },
  {
    shows: 'a value of a person that our later write repeats is theirs by its date, and newer than their one before',
    seed: 100194,
    faults: ['delay'],
    people: [{ salesforce: true }],
    actions: [
      { at: 12759, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department a05' },
      { at: 19593, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: null },
      { at: 20458, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A31' },
      { at: 21970, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department a65' },
      { at: 22175, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A31' },
    ],
  },
  {
    shows: 'a value entered once more is newer than one that was entered in between and is told last',
    seed: 100194,
    faults: ['delay', 'disorder', 'duplicate', 'late'],
    people: [{ salesforce: true }],
    actions: [
      { at: 12759, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department a05' },
      { at: 19593, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: null },
      { at: 20458, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A31' },
      { at: 21970, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department a65' },
      { at: 22175, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A31' },
    ],
  },
  {
    shows: 'a call that changed nothing, as its answer is dated before it was sent, has overtaken nobody',
    seed: 100623,
    faults: ['delay'],
    people: [{ salesforce: true }, { salesforce: true }],
    actions: [
      { at: 85, do: 'edit', who: 1, on: 'salesforce', field: 'email', value: 'p1.0@x.example' },
      { at: 224, do: 'edit', who: 1, on: 'intercom', field: 'email', value: 'p1.2@x.example' },
      { at: 1354, do: 'edit', who: 1, on: 'intercom', field: 'email', value: 'p1.0@x.example' },
    ],
  },
  {
    shows: 'what is told while our call still waits for the budget is no echo of it',
    seed: 100489,
    faults: ['tight'],
    people: [{ salesforce: true }],
    actions: [
      { at: 59, do: 'edit', who: 0, on: 'salesforce', field: 'email', value: 'p0.0@x.example' },
      { at: 1602, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.4@x.example' },
      { at: 2508, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.0@x.example' },
    ],
  },
  {
    shows: 'what was there before waits for the answer behind what came between: it was taken back',
    seed: 100489,
    faults: ['tight'],
    people: [{ salesforce: true, intercom: true }],
    actions: [
      { at: 59, do: 'edit', who: 0, on: 'salesforce', field: 'email', value: 'p0.0@x.example' },
      { at: 91, do: 'edit', who: 0, on: 'salesforce', field: 'email', value: 'p0.1@x.example' },
      { at: 1602, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.4@x.example' },
      { at: 2508, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.0@x.example' },
    ],
  },
  {
    shows: 'a field is filled by an edit that is older than the record that had nothing there',
    seed: 100380,
    faults: ['skew'],
    people: [{ intercom: true }],
    actions: [
      { at: 4165, do: 'create', who: 3, on: 'salesforce' },
      { at: 4165, do: 'create', who: 3, on: 'intercom' },
      { at: 4229, do: 'edit', who: 3, on: 'intercom', field: 'assistant', value: 'p3 assistant a94' },
    ],
  },
  {
    shows: 'what our write overtook within the second of a newer notification is told to have lost',
    seed: 75,
    faults: ['timeout-after'],
    people: [{ intercom: true }, { salesforce: true }, { intercom: true }, { intercom: true }],
    actions: [
      { at: 3062, do: 'edit', who: 1, on: 'salesforce', field: 'seats', value: 104 },
      { at: 4965, do: 'edit', who: 1, on: 'intercom', field: 'seats', value: 107 },
      { at: 5951, do: 'edit', who: 1, on: 'salesforce', field: 'seats', value: 110 },
    ],
  },
  {
    shows: 'what our write overtook in the record whose other value counts is told to have lost',
    seed: 100616,
    faults: ['tight'],
    people: [{ intercom: true, company: 1 }],
    companies: [{ on: 'intercom' }, { on: 'intercom' }],
    actions: [
      { at: 10396, do: 'edit', who: 0, on: 'intercom', field: 'title', value: 'p0 title A01' },
      { at: 19930, do: 'edit', who: 0, on: 'intercom', field: 'title', value: 'p0 title A11' },
    ],
  },
  {
    shows: 'who enters in Intercom what a create that timed out had asked is no echo of it',
    seed: 100,
    faults: ['5xx'],
    people: [{ salesforce: true }],
    actions: [
      { at: 29019, do: 'edit', who: 0, on: 'salesforce', field: 'optedOut', value: true },
      { at: 75065, do: 'edit', who: 0, on: 'intercom', field: 'optedOut', value: false },
    ],
  },
  {
    shows: 'who takes back in Intercom what we have just written, as we had written it before, is no echo of that',
    seed: 100015,
    faults: [],
    people: [{ salesforce: true }],
    actions: [
      { at: 18, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: null },
      { at: 345, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A14' },
      { at: 625, do: 'edit', who: 0, on: 'intercom', field: 'department', value: null },
    ],
  },
  {
    shows: 'who clears in Salesforce what our first write filled, just before our second, is told to have lost',
    seed: 100269,
    faults: [],
    people: [{ salesforce: true }],
    actions: [
      { at: 1018, do: 'edit', who: 0, on: 'intercom', field: 'lastName', value: 'p0 lastName A07' },
      { at: 1364, do: 'edit', who: 0, on: 'intercom', field: 'seats', value: 103 },
      { at: 1581, do: 'edit', who: 0, on: 'intercom', field: 'seats', value: 104 },
      { at: 1798, do: 'edit', who: 0, on: 'salesforce', field: 'seats', value: null },
    ],
  },
  {
    shows: 'what came after a reading of the very second is known by one more reading, and is gone by then',
    seed: 100504,
    faults: ['delay'],
    people: [{ salesforce: true }],
    actions: [
      { at: 11077, do: 'backfill' },
      { at: 11844, do: 'edit', who: 0, on: 'salesforce', field: 'assistant', value: 'p0 assistant A66' },
      { at: 12652, do: 'edit', who: 0, on: 'salesforce', field: 'assistant', value: 'p0 assistant a71' },
    ],
  },
  {
    shows: 'what was replaced before a row was read is gone, by whatever clock the row is dated',
    seed: 100612,
    faults: ['delay', 'skew'],
    people: [{ salesforce: true }],
    actions: [
      { at: 1543, do: 'edit', who: 0, on: 'salesforce', field: 'lastName', value: 'p0 lastName a20' },
      { at: 1906, do: 'backfill' },
      { at: 2101, do: 'edit', who: 0, on: 'salesforce', field: 'lastName', value: 'p0 lastName A46' },
      { at: 5153, do: 'edit', who: 0, on: 'intercom', field: 'lastName', value: 'p0 lastName A97' },
    ],
  },
  {
    shows: 'what is decoded after a later notification was overtaken, though both came at once',
    seed: 100577,
    faults: ['delay', 'disorder'],
    people: [{ salesforce: true }],
    actions: [
      { at: 555, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.2@x.example' },
      { at: 1339, do: 'edit', who: 0, on: 'intercom', field: 'department', value: null },
      { at: 2023, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department a40' },
    ],
  },
  {
    shows: 'a company whose people left while nobody received notifications has no one to tell of it',
    seed: 100192,
    faults: ['delay'],
    people: [{ salesforce: true }, { salesforce: true }, { intercom: true, company: 1 }],
    companies: [{ on: 'intercom' }, { on: 'intercom' }],
    actions: [
      { at: 922, do: 'company', which: 1, on: 'intercom', field: 'name', value: 'c1 name A16' },
      { at: 1569, do: 'move', who: 2, on: 'salesforce', company: null },
      { at: 2876, do: 'away', forMs: 4706 },
    ],
  },
  {
    shows: 'who takes back in Intercom what a call that timed out had written is told to have lost when it is repeated',
    seed: 300218,
    faults: ['timeout-after'],
    people: [{ salesforce: true, intercom: true }, { intercom: true }],
    actions: [
      { at: 1697, do: 'edit', who: 1, on: 'salesforce', field: 'seats', value: 104 },
      { at: 2670, do: 'edit', who: 1, on: 'intercom', field: 'seats', value: null },
    ],
  },
  {
    shows: 'who enters in Intercom what a call in doubt had asked is told to have lost: it may have been that call',
    seed: 300384,
    faults: ['5xx'],
    people: [{ intercom: true }],
    actions: [
      { at: 13412, do: 'edit', who: 0, on: 'salesforce', field: 'assistant', value: 'p0 assistant a07' },
      { at: 29321, do: 'edit', who: 0, on: 'salesforce', field: 'assistant', value: 'p0 assistant a27' },
      { at: 67735, do: 'edit', who: 0, on: 'intercom', field: 'assistant', value: 'p0 assistant a07' },
    ],
  },
  {
    shows: 'a company of archived people alone is listed nowhere',
    seed: 300136,
    faults: ['lost', 'undelete'],
    people: [{ salesforce: true }, { intercom: true }, { salesforce: true, company: 0 }],
    companies: [{ on: 'salesforce' }],
    actions: [
      { at: 816, do: 'company', which: 0, on: 'intercom', field: 'domain', value: 'c0 domain A07' },
      { at: 21313, do: 'delete', who: 2, on: 'intercom' },
    ],
  },
  {
    shows: 'who was created just before the sink stopped is attached to their company by the next one',
    seed: 21,
    faults: ['restart'],
    people: [{ salesforce: true, company: 1 }],
    companies: [{ on: 'salesforce' }, { on: 'salesforce' }],
    actions: [],
  },
  {
    shows: 'an event of ours that comes once more is no echo of a write that was asked after it',
    seed: 297,
    faults: ['duplicate'],
    people: [{ salesforce: true }],
    actions: [
      { at: 408, do: 'create', who: 1, on: 'salesforce' },
      { at: 1203, do: 'edit', who: 0, on: 'salesforce', field: 'phone', value: 'p0 phone A39' },
      { at: 2287, do: 'edit', who: 0, on: 'salesforce', field: 'phone', value: 'p0 phone a58' },
    ],
  },
  {
    shows: 'what a flow made of our value it makes of the same value again, and that is nobody’s edit either',
    seed: 353,
    faults: ['thirdwriter', 'norm'],
    people: [{ salesforce: true }, { salesforce: true }],
    actions: [
      { at: 2775, do: 'edit', who: 1, on: 'intercom', field: 'department', value: 'p1 department A01' },
      { at: 15966, do: 'edit', who: 1, on: 'intercom', field: 'department', value: 'p1 department A16' },
    ],
  },
  {
    shows: 'who is moved and edited at once is moved once, though both companies are seen between the calls of that',
    seed: 354,
    faults: ['tight'],
    people: [
      { salesforce: true, company: 1 },
      { salesforce: true, intercom: true, company: 0 },
    ],
    companies: [{ on: 'salesforce' }, { on: 'salesforce' }],
    actions: [
      { at: 12450, do: 'move', who: 1, on: 'salesforce', company: 1 },
      { at: 46196, do: 'edit', who: 1, on: 'salesforce', field: 'department', value: 'p1 department a79' },
      { at: 47364, do: 'move', who: 1, on: 'salesforce', company: 0 },
    ],
  },
  {
    shows: 'what came within the second of a reading of Intercom, and is gone by the next one, nobody can have known',
    seed: 155,
    faults: ['delay', 'lost'],
    people: [{ salesforce: true }, { intercom: true, company: 0 }, { salesforce: true, intercom: true, company: 1 }],
    companies: [{ on: 'intercom' }, { on: 'intercom' }],
    actions: [
      { at: 97, do: 'edit', who: 1, on: 'intercom', field: 'assistant', value: 'p1 assistant a02' },
      { at: 786, do: 'away', forMs: 1961 },
      { at: 845, do: 'edit', who: 1, on: 'intercom', field: 'assistant', value: 'p1 assistant A20' },
      { at: 3248, do: 'edit', who: 1, on: 'intercom', field: 'assistant', value: 'p1 assistant A48' },
    ],
  },
  {
    shows: 'who enters in Intercom what a call of ours waits to write is newer than what Salesforce said in between',
    seed: 310260,
    faults: ['tight'],
    people: [
      { salesforce: true, intercom: true },
      { salesforce: true, intercom: true },
      { salesforce: true, company: 1 },
      { intercom: true },
    ],
    companies: [{ on: 'salesforce' }, { on: 'salesforce' }],
    actions: [
      { at: 7251, do: 'edit', who: 1, on: 'salesforce', field: 'lastName', value: 'p1 lastName a18' },
      { at: 11567, do: 'edit', who: 1, on: 'salesforce', field: 'lastName', value: 'p1 lastName A34' },
      { at: 27214, do: 'edit', who: 1, on: 'intercom', field: 'lastName', value: 'p1 lastName a18' },
    ],
  },
  {
    shows: 'who clears in Intercom what a call of ours waits to clear is told to have lost to the owner',
    seed: 800032,
    faults: ['tight'],
    people: [{ intercom: true }, { salesforce: true }],
    actions: [
      { at: 10907, do: 'edit', who: 1, on: 'intercom', field: 'title', value: 'p1 title A19' },
      { at: 11332, do: 'edit', who: 1, on: 'salesforce', field: 'title', value: 'p1 title a29' },
      { at: 11863, do: 'edit', who: 1, on: 'intercom', field: 'title', value: null },
    ],
  },
  {
    shows: 'who enters what a call of ours waits to write, and then what is wanted, is told to have lost the first',
    seed: 181,
    faults: ['tight'],
    people: [{ salesforce: true }],
    actions: [
      { at: 800, do: 'edit', who: 0, on: 'salesforce', field: 'seats', value: 100 },
      { at: 944, do: 'edit', who: 0, on: 'salesforce', field: 'seats', value: 101 },
      { at: 1891, do: 'edit', who: 0, on: 'intercom', field: 'seats', value: 100 },
      { at: 2005, do: 'edit', who: 0, on: 'intercom', field: 'seats', value: 101 },
    ],
  },
  {
    shows: 'who was made by a create that was put off is listened to: what they say waits for no answer',
    seed: 737,
    faults: ['restart'],
    people: [{ intercom: true }, { salesforce: true, company: 1 }, { salesforce: true }],
    companies: [{ on: 'salesforce' }, { on: 'salesforce' }],
    actions: [
      { at: 7725, do: 'edit', who: 2, on: 'intercom', field: 'lastName', value: 'p2 lastName a41' },
      { at: 7765, do: 'edit', who: 2, on: 'salesforce', field: 'lastName', value: 'p2 lastName a51' },
    ],
  },
  {
    shows: 'what loses twice within one second of Intercom is told twice',
    seed: 451,
    faults: ['delay'],
    people: [{ salesforce: true }, { salesforce: true }],
    actions: [
      { at: 1187, do: 'loss', forMs: 3107 },
      { at: 3434, do: 'edit', who: 0, on: 'intercom', field: 'title', value: 'p0 title a69' },
      { at: 4225, do: 'edit', who: 0, on: 'salesforce', field: 'lastName', value: 'p0 lastName a75' },
      { at: 4675, do: 'edit', who: 0, on: 'intercom', field: 'title', value: 'p0 title a69' },
    ],
  },
  {
    shows: 'what somebody changed in a contact before the sink that had just made it was replaced is carried over',
    seed: 800080,
    faults: ['restart'],
    people: [{ intercom: true }, { salesforce: true, company: 1 }, { salesforce: true }],
    companies: [{ on: 'salesforce' }, { on: 'salesforce' }],
    actions: [{ at: 1936, do: 'edit', who: 2, on: 'intercom', field: 'email', value: 'p2.0@x.example' }],
  },
  {
    shows: 'what the owner of a field said counts again when their record is back, whatever was said meanwhile',
    seed: 486,
    faults: ['undelete'],
    people: [{ salesforce: true }, { intercom: true }],
    actions: [
      { at: 19450, do: 'edit', who: 1, on: 'intercom', field: 'phone', value: 'p1 phone a34' },
      { at: 31989, do: 'delete', who: 1, on: 'intercom' },
      { at: 41190, do: 'edit', who: 1, on: 'salesforce', field: 'phone', value: 'p1 phone A52' },
      { at: 61476, do: 'undelete', who: 1, on: 'intercom' },
    ],
  },
  {
    shows: 'who is merged into somebody who shares an email does not get the email that the contact of a third has',
    seed: 779,
    faults: ['merge', 'ambiguous'],
    people: [{ intercom: true }, { salesforce: true }, { salesforce: true, intercom: true, sharesEmailOf: 1 }],
    actions: [{ at: 19253, do: 'merge', who: 2, loser: 0, on: 'salesforce' }],
  },
  {
    shows: 'a second contact of somebody does not get the email that their archived one has',
    seed: 320266,
    faults: ['merge', 'undelete'],
    people: [{ intercom: true }, { salesforce: true }],
    actions: [
      { at: 11326, do: 'merge', who: 0, loser: 1, on: 'salesforce' },
      { at: 49544, do: 'delete', who: 0, on: 'intercom' },
    ],
  },
  {
    shows: 'what somebody cleared is not filled with what the other side had before, when the two meet',
    seed: 720,
    faults: ['delay'],
    people: [{ salesforce: true }],
    actions: [
      { at: 496, do: 'create', who: 4, on: 'intercom' },
      { at: 496, do: 'create', who: 4, on: 'salesforce' },
      { at: 1872, do: 'edit', who: 4, on: 'salesforce', field: 'department', value: null },
    ],
  },
  {
    shows: 'a value that lost is no newer for being told once more by a later notification of its record',
    seed: 529,
    faults: ['delay'],
    people: [{ salesforce: true }, { intercom: true }, { intercom: true }],
    companies: [{ on: 'salesforce' }],
    actions: [
      { at: 668, do: 'edit', who: 2, on: 'intercom', field: 'seats', value: 100 },
      { at: 1887, do: 'edit', who: 2, on: 'salesforce', field: 'seats', value: 102 },
      { at: 3266, do: 'edit', who: 2, on: 'intercom', field: 'lastName', value: 'p2 lastName A57' },
    ],
  },
  {
    shows:
      'the contact of a converted lead does not bring back what was copied from the lead, known as its heir or not',
    seed: 697,
    faults: ['convert', 'delay', 'disorder'],
    people: [{ salesforce: true, intercom: true, lead: true }],
    actions: [
      { at: 39796, do: 'edit', who: 0, on: 'intercom', field: 'lastName', value: 'p0 lastName a48' },
      { at: 45885, do: 'convert', who: 0 },
    ],
  },
  {
    shows: 'a contact that founds a customer before its lead is told to be converted does not bring back the old email',
    seed: 50114,
    faults: ['convert', 'delay', 'disorder'],
    people: [{ salesforce: true, intercom: true, lead: true }, { intercom: true }],
    actions: [
      { at: 3169, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.5@x.example' },
      { at: 3211, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.7@x.example' },
      { at: 4116, do: 'convert', who: 0 },
    ],
  },
  {
    shows: 'an edit that a repeated call was written over counts, though the answer shows what was there before it',
    seed: 342,
    faults: ['timeout-after', 'norm', 'cold'],
    people: [{ salesforce: true, intercom: true }],
    actions: [{ at: 556, do: 'edit', who: 0, on: 'intercom', field: 'lastName', value: 'p0 lastName A10' }],
  },
  {
    shows:
      'an edit whose notification was lost and that a write of ours replaced is known to nobody: an older one stands',
    seed: 533,
    faults: ['delay', 'lost'],
    people: [{ salesforce: true }, { salesforce: true }, { intercom: true }, { salesforce: true }],
    actions: [
      { at: 792, do: 'edit', who: 3, on: 'salesforce', field: 'email', value: 'p3.0@x.example' },
      { at: 1367, do: 'edit', who: 3, on: 'salesforce', field: 'email', value: 'p3.2@x.example' },
      { at: 2761, do: 'edit', who: 3, on: 'intercom', field: 'email', value: 'p3.6@x.example' },
      { at: 3970, do: 'edit', who: 3, on: 'intercom', field: 'email', value: 'p3.8@x.example' },
    ],
  },
  {
    shows: 'who enters what a call in doubt had asked may be that call: the older value of the record stands',
    seed: 320483,
    faults: ['timeout-before'],
    people: [{ salesforce: true, intercom: true }],
    actions: [
      { at: 12110, do: 'edit', who: 0, on: 'salesforce', field: 'seats', value: 100 },
      { at: 21827, do: 'edit', who: 0, on: 'salesforce', field: 'seats', value: 101 },
      { at: 28418, do: 'edit', who: 0, on: 'intercom', field: 'seats', value: 102 },
      { at: 45965, do: 'edit', who: 0, on: 'intercom', field: 'seats', value: 101 },
    ],
  },
  {
    shows:
      'what somebody entered just before a merge counts until it is told, though a call has found their record gone',
    seed: 679,
    faults: ['delay'],
    people: [{ intercom: true }, { salesforce: true }, { salesforce: true }],
    actions: [
      { at: 844, do: 'edit', who: 0, on: 'salesforce', field: 'optedOut', value: true },
      { at: 1144, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.1@x.example' },
      { at: 2298, do: 'merge', who: 1, loser: 0, on: 'intercom' },
    ],
  },
  {
    shows: 'what somebody entered in a record that a call has found gone since then is told to have lost to the owner',
    seed: 451,
    faults: ['delay'],
    people: [{ salesforce: true }, { salesforce: true }],
    actions: [
      { at: 4225, do: 'edit', who: 0, on: 'salesforce', field: 'lastName', value: 'p0 lastName a75' },
      { at: 4675, do: 'edit', who: 0, on: 'intercom', field: 'title', value: 'p0 title a69' },
      { at: 5009, do: 'merge', who: 1, loser: 0, on: 'intercom' },
    ],
  },
  {
    shows:
      'who changes what the platform made of our value has replaced what counts: they come after it, whatever the clocks say',
    seed: 1000110,
    faults: ['norm'],
    people: [{ salesforce: true }],
    actions: [
      { at: 2035, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A40' },
      { at: 2531, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A59' },
    ],
  },
  {
    shows:
      'who enters just before a call of ours what it asks has edited, known by their date: their older value does not come back',
    seed: 806,
    faults: ['delay', 'late'],
    people: [{ intercom: true }, { salesforce: true }],
    actions: [
      { at: 560, do: 'edit', who: 1, on: 'salesforce', field: 'seats', value: 101 },
      { at: 1645, do: 'edit', who: 1, on: 'intercom', field: 'seats', value: 104 },
      { at: 2758, do: 'edit', who: 1, on: 'intercom', field: 'seats', value: 101 },
    ],
  },
  {
    shows: 'a call of ours that finds the value it asks for was written over what stood in between: that counts',
    seed: 1000447,
    faults: ['delay', 'disorder'],
    people: [{ salesforce: true }, { salesforce: true }, { salesforce: true }],
    actions: [
      { at: 411, do: 'create', who: 3, on: 'salesforce' },
      { at: 930, do: 'edit', who: 1, on: 'intercom', field: 'seats', value: 101 },
      { at: 1271, do: 'create', who: 4, on: 'intercom' },
      { at: 1350, do: 'edit', who: 1, on: 'salesforce', field: 'seats', value: 101 },
      { at: 3477, do: 'edit', who: 1, on: 'intercom', field: 'seats', value: 109 },
    ],
  },
  {
    shows: 'what a call of ours brought and is told of late was not taken back for what waits from before it',
    seed: 1000169,
    faults: ['429', 'delay', 'disorder', 'automation', 'cold'],
    people: [{ salesforce: true, intercom: true, company: 0, lead: true }],
    companies: [{ on: 'intercom' }],
    actions: [
      { at: 519, do: 'convert', who: 0 },
      { at: 715, do: 'edit', who: 0, on: 'salesforce', field: 'lastName', value: 'p0 lastName a12' },
      { at: 1401, do: 'edit', who: 0, on: 'intercom', field: 'seats', value: 102 },
      { at: 3080, do: 'edit', who: 0, on: 'salesforce', field: 'lastName', value: 'p0 lastName A72' },
    ],
  },
  {
    shows:
      'who enters in Intercom what a call of ours asks in the very second may be that call: an older value of Salesforce stands',
    seed: 900049,
    faults: ['delay'],
    people: [
      { salesforce: true },
      { salesforce: true },
      { intercom: true, company: 1 },
      { intercom: true, company: 1 },
    ],
    companies: [{ on: 'intercom' }, { on: 'intercom' }],
    actions: [
      { at: 5794, do: 'edit', who: 3, on: 'salesforce', field: 'seats', value: 103 },
      { at: 6435, do: 'edit', who: 3, on: 'salesforce', field: 'seats', value: 104 },
      { at: 8249, do: 'edit', who: 3, on: 'intercom', field: 'seats', value: 103 },
    ],
  },
  {
    shows:
      'what a merge brings to a record that says nothing is as old as the merge, and stands against an edit of the same second',
    seed: 1000789,
    faults: ['delay'],
    people: [{ salesforce: true }, { intercom: true }],
    actions: [
      { at: 11336, do: 'edit', who: 1, on: 'intercom', field: 'department', value: null },
      { at: 11558, do: 'merge', who: 1, loser: 0, on: 'intercom' },
      { at: 11849, do: 'edit', who: 1, on: 'salesforce', field: 'department', value: 'p1 department a65' },
    ],
  },
  {
    shows:
      'what a platform makes of a call that is carried out long after it had timed out is no edit, though a reading had shown it before',
    seed: 1000387,
    faults: ['late', 'norm', 'convert'],
    people: [
      { intercom: true, company: 0 },
      { salesforce: true, intercom: true, lead: true },
    ],
    companies: [{ on: 'intercom' }],
    actions: [
      { at: 14004, do: 'merge', who: 1, loser: 0, on: 'intercom' },
      { at: 29032, do: 'loss', forMs: 1410 },
      { at: 46282, do: 'edit', who: 1, on: 'intercom', field: 'department', value: null },
    ],
  },
  {
    shows:
      'whom a create makes in Salesforce is named by its answer: a merge on the other side meanwhile costs no write more',
    seed: 1000526,
    faults: ['delay'],
    people: [{ salesforce: true }, { salesforce: true }, { intercom: true }],
    actions: [
      { at: 11392, do: 'create', who: 3, on: 'intercom' },
      { at: 20924, do: 'edit', who: 2, on: 'intercom', field: 'optedOut', value: true },
      { at: 23471, do: 'merge', who: 3, loser: 1, on: 'intercom' },
    ],
  },
  {
    shows: 'what a flow made of our value, read late, is what came of our call, though another field was edited since',
    seed: 900067,
    faults: ['norm'],
    people: [{ salesforce: true }, { salesforce: true }, { intercom: true }],
    actions: [
      { at: 28132, do: 'edit', who: 2, on: 'salesforce', field: 'department', value: 'p2 department a48' },
      { at: 49050, do: 'edit', who: 2, on: 'intercom', field: 'department', value: 'p2 department a48' },
      { at: 60803, do: 'edit', who: 2, on: 'salesforce', field: 'phone', value: 'p2 phone A83' },
    ],
  },
  {
    shows: 'a notification of what stood there before does not date what a call of ours brought back within its second',
    seed: 900049,
    faults: ['delay'],
    people: [{ salesforce: true }, { salesforce: true }, { salesforce: true }, { salesforce: true }],
    actions: [
      { at: 379, do: 'edit', who: 3, on: 'salesforce', field: 'seats', value: 100 },
      { at: 462, do: 'edit', who: 3, on: 'intercom', field: 'seats', value: 101 },
      { at: 5794, do: 'edit', who: 3, on: 'salesforce', field: 'seats', value: 103 },
      { at: 7129, do: 'edit', who: 3, on: 'salesforce', field: 'seats', value: 101 },
      { at: 8249, do: 'edit', who: 3, on: 'intercom', field: 'phone', value: 'p3 phone a75' },
    ],
  },
  {
    shows:
      'an event of Salesforce that comes once more is not the echo of a call that was asked after it had been told',
    seed: 900073,
    faults: ['duplicate'],
    people: [{ intercom: true }],
    actions: [
      { at: 56, do: 'edit', who: 0, on: 'salesforce', field: 'phone', value: 'p0 phone a07' },
      { at: 586, do: 'edit', who: 0, on: 'intercom', field: 'phone', value: 'p0 phone a15' },
      { at: 821, do: 'edit', who: 0, on: 'intercom', field: 'phone', value: null },
    ],
  },
  {
    shows:
      'of an edit in the second of a reading nobody can know, where its record was deleted before it could be read again',
    seed: 1000046,
    faults: ['timeout-after', 'late', 'automation'],
    people: [{ intercom: true }],
    actions: [
      { at: 10779, do: 'backfill' },
      { at: 11660, do: 'edit', who: 0, on: 'salesforce', field: 'title', value: 'p0 title a23' },
      { at: 14437, do: 'delete', who: 0, on: 'salesforce' },
      { at: 16697, do: 'edit', who: 0, on: 'salesforce', field: 'seats', value: 109 },
    ],
  },
  {
    shows:
      'what somebody edited in the second of a merge counts, though the record that ended had said something newer in it',
    seed: 823,
    faults: ['delay'],
    people: [{ intercom: true }, { salesforce: true }],
    actions: [
      { at: 1186, do: 'edit', who: 1, on: 'intercom', field: 'email', value: 'p1.1@x.example' },
      { at: 1392, do: 'merge', who: 0, loser: 1, on: 'intercom' },
      { at: 1914, do: 'edit', who: 1, on: 'salesforce', field: 'email', value: 'p1.3@x.example' },
    ],
  },
  {
    shows: 'a notification of another field, from before an edit that lost in its second, does not take that edit back',
    seed: 4000018,
    faults: ['delay'],
    people: [{ salesforce: true }],
    actions: [
      { at: 1404, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.2@x.example' },
      { at: 8651, do: 'edit', who: 0, on: 'salesforce', field: 'email', value: 'p0.3@x.example' },
      { at: 22972, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department a41' },
      { at: 23647, do: 'edit', who: 0, on: 'salesforce', field: 'email', value: 'p0.5@x.example' },
      { at: 24082, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A65' },
      { at: 24449, do: 'edit', who: 0, on: 'intercom', field: 'email', value: 'p0.7@x.example' },
      { at: 24686, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A84' },
    ],
  },
  {
    shows:
      'of two edits to and fro in one second of Salesforce the first, told, is not taken for the last: our write is not for nothing',
    seed: 824,
    faults: ['delay'],
    people: [{ salesforce: true }],
    actions: [
      { at: 9021, do: 'edit', who: 0, on: 'salesforce', field: 'optedOut', value: true },
      { at: 9629, do: 'edit', who: 0, on: 'salesforce', field: 'optedOut', value: false },
      { at: 9685, do: 'edit', who: 0, on: 'salesforce', field: 'optedOut', value: true },
    ],
  },
  {
    shows:
      'a reading on its way when somebody edits, of the same second, has not told of the edit that our write then replaces',
    seed: 4000192,
    faults: [],
    people: [{ salesforce: true }, { intercom: true }],
    actions: [
      { at: 573, do: 'create', who: 2, on: 'intercom' },
      { at: 981, do: 'edit', who: 1, on: 'intercom', field: 'department', value: 'p1 department a10' },
      { at: 1466, do: 'edit', who: 1, on: 'salesforce', field: 'email', value: 'p1.2@x.example' },
      { at: 1495, do: 'edit', who: 1, on: 'intercom', field: 'email', value: 'p1.3@x.example' },
      { at: 1804, do: 'edit', who: 1, on: 'intercom', field: 'email', value: 'p1.4@x.example' },
    ],
  },
  {
    shows: 'who is first told of as cleared, and then as they had been, cleared it: that is an edit as any other',
    seed: 1000411,
    faults: ['delay', 'disorder'],
    people: [{ salesforce: true }, { salesforce: true }],
    actions: [
      { at: 10853, do: 'edit', who: 0, on: 'salesforce', field: 'phone', value: 'p0 phone A02' },
      { at: 11235, do: 'edit', who: 1, on: 'salesforce', field: 'department', value: 'p1 department A11' },
      { at: 17162, do: 'create', who: 2, on: 'salesforce' },
      { at: 17162, do: 'create', who: 2, on: 'intercom' },
      { at: 18747, do: 'create', who: 3, on: 'intercom' },
      { at: 19030, do: 'edit', who: 2, on: 'intercom', field: 'department', value: null },
    ],
  },
];
