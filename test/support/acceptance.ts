/**
 * What somebody checks who takes this into use, as far as people and companies go, and the tests that hold it. What no test
 * holds is said in `lacks`, be it the whole of a case or a part. scripts/generate-test-readme.ts makes a page of it.
 */

/** File below test/, and the name of a test in it or of a group of them. */
export type Holding = readonly [file: string, name: string];

export interface Case {
  readonly about: string;
  readonly expects: string;
  readonly held: readonly Holding[];
  /** What is missing; absent: nothing. */
  readonly lacks?: string;
}

export interface Chapter {
  readonly title: string;
  readonly cases: readonly Case[];
}

const unify = (file: string, ...names: readonly string[]): readonly Holding[] =>
  names.map((name) => [`processors/unify/${file}.test.ts`, name]);
const at = (file: string, ...names: readonly string[]): readonly Holding[] => names.map((name) => [file, name]);

export const chapters: readonly Chapter[] = [
  {
    title: 'Edge cases that apply everywhere (C0)',
    cases: [
      {
        about: 'one email, several contacts',
        expects:
          'Nobody is picked: the candidates are named, writes wait, and once it is clear who is who the rest is written a single time.',
        held: [
          ...unify(
            'unify',
            'holds two contacts of one email and names the candidates; when one changes its email both are created',
          ),
          ...unify(
            'identity',
            'when the other contact has another email: the two that are left are one, and the net effect is written once',
            "by an operator's pin, and the one who is left out stays so",
          ),
        ],
        lacks: 'a tie-break that the configuration chooses',
      },
      {
        about: 'one email, a lead and a contact',
        expects: 'They are one person, the contact leads, and no lead is made for somebody who is a contact.',
        held: unify(
          'identity',
          'let the one with the contact survive, whoever was first',
          'create nobody, of Salesforce or of Intercom',
        ),
      },
      {
        about: 'nobody’s email',
        expects: 'Who has no email is created nowhere until one is known.',
        held: [
          ...unify('unify', 'creates nobody without an email, and creates them when the email comes'),
          ...unify('identity', 'that sign up become a contact'),
        ],
        lacks: 'their conversations so far, which are not synchronised yet; a lead by configuration',
      },
      {
        about: 'a lead is converted meanwhile',
        expects:
          'In any order of the news it is one move: nobody is made in between, the read-only lead is asked nothing, and no value is blanked.',
        held: [
          ...unify(
            'conversion',
            'a lead that is converted',
            'while an ask of it is open lets that ask fail quietly, and asks the contact',
          ),
          ...at('sinks/salesforce-execute.test.ts', 'a converted lead is read-only, and lives on as its contact'),
          ...unify('identity', 'keep what stands where the other is empty, and write each side what it lacks'),
        ],
      },
      {
        about: 'contacts or accounts merged in Salesforce',
        expects:
          'The loser’s id leads to the winner, nothing is deleted in Intercom, and people of a merged account move along.',
        held: [
          ...unify(
            'merge',
            'keep both Intercom records in step, and say so; neither is deleted',
            'of many people move them with the ticks, and live changes pass them by',
          ),
          ...at(
            'connectors/salesforce/catch-up.test.ts',
            'a deleted record is read from the Recycle Bin, and its row says into which one it was merged',
          ),
        ],
        lacks: 'merging two Intercom contacts in turn, by configuration',
      },
      {
        about: 'contacts merged in Intercom',
        expects:
          'However it comes to light, what was still to be written goes to the survivor, and Salesforce hears of no deletion.',
        held: [
          ...unify('conversion', 'as a call of ours finds out: its pending change is asked of the survivor'),
          ...at(
            'connectors/intercom/decide-reconcile.test.ts',
            'is told as merged where the platform says into whom, and the survivor is read',
          ),
        ],
      },
      {
        about: 'an archived contact in the way',
        expects: 'A create that meets it is refused with the way out, and not asked for ever.',
        held: at(
          'sinks/intercom-execute.test.ts',
          'an archived contact with the same email is refused with the way out',
        ),
        lacks: 'taking it out of the archive, by configuration',
      },
      {
        about: 'an email changes',
        expects:
          'The same person gets one update; where somebody else has the address, both are told of and nobody is overwritten.',
        held: [
          ...unify('unify', 'follows an email change on the same person'),
          ...unify('emails', 'wait for each other, which is told of both, and ask no more'),
        ],
      },
      {
        about: 'two fields, both sides, one second',
        expects: 'Both values end up on both sides.',
        held: unify('acceptance', 'stand on both sides, with one write to each'),
      },
      {
        about: 'one field, both sides',
        expects:
          'The owner has the say, else the later edit; at one moment the order of arrival does not matter; the loser is written back and told.',
        held: unify(
          'ledger',
          'is right although the other side is newer, which is written back',
          'that is older than what counts loses, is told, and its record is given the winner',
          'of both at one moment is decided the same way in either order of arrival',
        ),
      },
      {
        about: 'changed and changed back',
        expects:
          'What came and went before anybody carried it over costs no write, or at most the one that was under way and its return.',
        held: [
          ...unify(
            'acceptance',
            'ends as it was, with two writes at most while a call is under way, and none where none was',
          ),
          ...unify('unify', 'coalesces edits that come while an ask is open into one more ask'),
        ],
      },
      {
        about: 'a flow set off by our write',
        expects: 'Fields that it changes are carried over, those that we wrote are no news.',
        held: unify('acceptance', 'has what it changes besides carried over, and the field that we wrote is no edit'),
      },
      {
        about: 'a platform that spells values its own way',
        expects: 'Known after the first write, reported, and left in peace.',
        held: unify('unify', 'is asked once for a value that it normalises, and the difference is reported as settled'),
      },
      {
        about: 'another integration answers us',
        expects:
          'After some turns the field of that record is frozen and both writers are named, until an operator releases it.',
        held: unify(
          'ledger-losses',
          'freeze the field, are both named, and nothing is written for it any more while what is seen moves on',
          'are released by an operator: what counts then is written',
        ),
      },
      {
        about: 'gap events',
        expects: 'The record is read, several in one call, dated after the gap, and only what differs goes on.',
        held: [
          ...at(
            'connectors/salesforce.stack.test.ts',
            'reads a record again of which Salesforce says only that it changed',
          ),
          ...at(
            'connectors/salesforce/catch-up.test.ts',
            'a record is read until the date of its row is past the second of the gap',
          ),
        ],
      },
      {
        about: 'an overflow, a lost replay id',
        expects:
          'The stream goes on from its tip, the hole is read beside it, deletions included, and certified with its counts.',
        held: [
          ...at(
            'connectors/salesforce.stack.test.ts',
            'after %s tells a hole, reads again what was missed, and closes it',
          ),
          ...unify(
            'certificates',
            'the certificate stands in the journal, in words and as it is, and closes the hole as before',
          ),
        ],
        lacks: 'reading by the Bulk API; wildcard ids on the wire, which the twin does not send',
      },
      {
        about: 'the delivery allocation is used up',
        expects: 'The stream pauses, says until when, and nothing is lost.',
        held: [
          ...at(
            'connectors/salesforce.stack.test.ts',
            'pauses when the org may be sent no more events, says by when some are free, and then loses none',
          ),
          ...at(
            'connectors/salesforce/decide-allocation.test.ts',
            'is free again when what was delivered first is a day old, at the latest',
          ),
        ],
        lacks: 'reading changes by the Bulk API meanwhile',
      },
      {
        about: 'webhooks late, twice, in any order or never',
        expects: 'The newer one counts whatever comes first, and what never came is read in any time zone.',
        held: [
          ...unify('unify', 'keeps the newest of two values whatever the order in which they arrive'),
          ...at(
            'connectors/intercom/decide-reconcile.test.ts',
            'whatever is edited, whenever nobody hears of it, is told by the time it is closed',
          ),
        ],
      },
      {
        about: 'a subscription suspended, an object deselected',
        expects: 'Silence is noticed within a quarter of an hour and the page to look at is named.',
        held: [],
        lacks: 'all of it: changes are found by the five-minute reading, but nobody is alarmed',
      },
      {
        about: 'null, empty, absent',
        expects: 'Three different things, and a field that is cleared is cleared once on the other side.',
        held: unify(
          'unify',
          'tells null from empty from absent: null clears once, absent leaves alone, empty is no value',
        ),
      },
      {
        about: 'a field goes, or gets another type',
        expects: 'A start without a mapped field is refused by its name; a new revision of the schema is read right.',
        held: at(
          'connectors/salesforce.stack.test.ts',
          'with a mapping that names a field Salesforce does not have',
          'passes a new revision of a schema through, and its fields are read right',
        ),
        lacks: 'a field that goes while it runs stopping its own mapping alone',
      },
      {
        about: 'a value that does not fit',
        expects: 'That field is refused in the platform’s words, its neighbours and other rows are written.',
        held: [
          ...at(
            'sinks/salesforce-execute.test.ts',
            'a value that is refused holds back neither its neighbours nor other rows',
          ),
          ...at(
            'e2e/pipeline.e2e.test.ts',
            'a value that Intercom refuses is a dead letter in its words; the rest of the row and the neighbours are written',
          ),
        ],
        lacks: 'refusal before the call; cutting it or a default value, by configuration',
      },
      {
        about: 'rules, duplicates, locks',
        expects:
          'A rule’s text goes to the dead letter, a duplicate that can only be this person is taken, a locked row is tried again beside its neighbours.',
        held: at(
          'sinks/salesforce-execute.test.ts',
          'a validation rule about a field that was not asked refuses the row, with its text',
          'one record found exists, whether or not the row names it (%s)',
          'a locked row is tried again after a pause; the others are written at once',
          'rows that lock one account stand side by side',
        ),
      },
      {
        about: 'consent',
        expects: 'Anybody makes it stricter; only a later change of its owner loosens it, and no first sight does.',
        held: unify(
          'ledger',
          'gets stricter by anybody, owner or not, even by an older word',
          'gets looser by a later change of its owner alone',
          'is not loosened by what a record shows at first sight',
        ),
      },
      {
        about: 'deleted on one side',
        expects: 'The other side stays, the place is held, and nothing that is told again brings the record back.',
        held: unify(
          'identity',
          'holds its place: nothing is created for it, and replayed values or creates do not revive it',
        ),
        lacks: 'deleting on the other side too, with a count beforehand and a brake',
      },
      {
        about: 'brought back',
        expects: 'It is the same person again, and nobody is made.',
        held: unify(
          'identity',
          'comes back by %s as the same person, and nobody is created',
          'gives up its claim and its place in the account when it was the last one, and takes both again',
        ),
      },
      {
        about: 'erasure',
        expects: 'One command erases a person everywhere.',
        held: [],
        lacks: 'all of it: there is no such command',
      },
      {
        about: 'another org',
        expects: 'A deployment refuses another org or workspace, even when Redis has forgotten the first.',
        held: at(
          'e2e/pipeline.e2e.test.ts',
          'a pinned deployment refuses another org and another workspace, although Redis has forgotten everything',
        ),
      },
      {
        about: 'emoji, apostrophes, right to left',
        expects: 'Text arrives as it was, and no query breaks on it.',
        held: [
          ...unify('mapping', 'keep text exactly, emoji, apostrophes and right-to-left included'),
          ...at('connectors/salesforce/client.test.ts', 'has a query of whatever is asked'),
        ],
      },
      {
        about: 'time zones',
        expects:
          'A date is the same day everywhere, and Intercom’s day-wise search loses nothing at either edge of the world.',
        held: [
          ...unify('mapping', 'never shift a date by a day, whatever the date'),
          ...at(
            'processors/decode/salesforce.test.ts',
            'no date shifts a day, whatever the machine says of time zones',
          ),
        ],
      },
      {
        about: 'amounts',
        expects: 'Numbers keep every digit.',
        held: at('processors/decode/salesforce.test.ts', 'says of what is no finite number that there is no value'),
        lacks: 'exact decimals and currencies: a number is a double here',
      },
    ],
  },
  {
    title: 'Contacts and accounts in step, both ways (C2)',
    cases: [
      {
        about: 'an edit',
        expects: 'Carried to the other side by one write, whose echo means nothing.',
        held: [
          ...unify('ledger', 'on either side is carried to the other, once, and its echo means nothing'),
          ...at(
            'e2e/both-ways.e2e.test.ts',
            'people edit both sides through kills, a broker restart, an emptied Redis and a failing Salesforce',
          ),
        ],
        lacks: 'times are measured by the demo, not asserted',
      },
      {
        about: 'its price',
        expects: 'One call, without looking anything up before or after.',
        held: [
          ...unify('unify', 'costs one command for an edit, and none for a change that changes nothing'),
          ...at(
            'sinks/intercom-execute.test.ts',
            'one call changes several fields; null clears, what is not named stays',
          ),
        ],
      },
      {
        about: 'saved, or merely seen',
        expects: 'A save without a change, or a clock that moved, leads to no write and no event.',
        held: unify('acceptance', 'leads to no write and no event: it was saved, or somebody was seen'),
      },
      {
        about: 'somebody changes company',
        expects:
          'Attaching and detaching there, the account here: each follows the other, with several companies by rule.',
        held: unify(
          'companies',
          'moved in Intercom moves in Salesforce, with one write',
          'moved in Salesforce is attached to the new company and detached from the old one',
          'keeps their account for as long as its company is attached, and both companies',
        ),
      },
      {
        about: 'somebody without a company, a company without anybody',
        expects: 'Neither is an error: an account waits for its first person.',
        held: unify(
          'companies',
          'is held and no error, becomes a company with its first person, and stays one when the last leaves',
          'detached in Intercom has no account any more',
        ),
      },
      {
        about: 'a company’s key',
        expects: 'It never changes, and a company that names its account is linked by that.',
        held: unify('merge', 'that names its Salesforce account is linked to it, and keeps its own key'),
        lacks: 'a described way to link anew when an account’s key changes',
      },
      {
        about: 'fields with an owner',
        expects: 'What the other side enters is put back once, and the journal says who had the say.',
        held: unify('ledger', 'is right although the other side is newer, which is written back'),
      },
      {
        about: 'two populated platforms',
        expects:
          'Who would be linked, who is unclear, who is alone and every value that would change is shown before anything is written; then it runs within its budget while people edit.',
        held: [
          ...at(
            'cli/link-forecast.test.ts',
            'a contact of each with one email is one; each value that the other lacks or has otherwise is written, with its reason',
          ),
          ...at(
            'cli/link-report.test.ts',
            'a person reads how many, then which fields would change, and what cannot be known',
          ),
          ...at(
            'e2e/both-ways.e2e.test.ts',
            'killed in the middle of the first link, again and again, it links everybody once',
          ),
        ],
        lacks: 'half a million people on each side in a test',
      },
    ],
  },
  {
    title: 'No duplicates (C9)',
    cases: [
      {
        about: 'whatever the order and the faults',
        expects: 'One person on each side.',
        held: [
          ...at('simulation/simulation.test.ts', 'in the world %s'),
          ...unify(
            'histories',
            'end with both sides in agreement, nobody twice, and no write in vain but for answers that were lost',
          ),
        ],
        lacks:
          'a hundred thousand runs in one go: npm test has a sample, `npm run simulate -- --runs N` as many as wanted',
      },
      {
        about: 'duplicates that were there before',
        expects: 'Told, and not multiplied.',
        held: at(
          'cli/link-forecast.test.ts',
          'of several contacts with one email nothing is written; which of them it is depends on the order, and that is said',
        ),
        lacks: 'what merging them would cost',
      },
      {
        about: 'ghosts',
        expects: 'A lead that never met the other platform is not created there.',
        held: unify('identity', 'create nobody, of Salesforce or of Intercom'),
      },
    ],
  },
  {
    title: 'No loops (C10)',
    cases: [
      {
        about: 'finite edits',
        expects:
          'Any accepted mapping falls silent after as many writes as there were edits, and one more where a platform respells.',
        held: [
          ...unify('histories', 'fall silent: the same input read again brings no command and no event'),
          ...at('simulation/simulation.test.ts', 'in the world %s'),
        ],
      },
      {
        about: 'odd echoes',
        expects: 'An hour late, twice or without their origin, they lead to nothing.',
        held: unify(
          'acceptance',
          'that comes %s leads to nothing',
          'of Salesforce without its origin is somebody’s edit to the same value, which asks for nothing either',
        ),
      },
      {
        about: 'values that grow with each round',
        expects: 'A mapping cannot make one: what goes over and comes back is what it was.',
        held: unify('mapping', 'of a joined name keeps both parts where they are, and writes nothing'),
      },
    ],
  },
  {
    title: 'Limits of the platforms (C12)',
    cases: [
      {
        about: 'budgets',
        expects:
          'A share and a cap, learned from what the platform says; what other applications use counts, and it stops and goes on by itself.',
        held: [
          ...at(
            'core/budget.stack.test.ts',
            'learns the limit from the platform, keeps to our share of it, and tells every client',
          ),
          ...at(
            'connectors/salesforce/budget.stack.test.ts',
            'stop when all integrations together have used up the org, bulk work sooner, and go on by themselves',
          ),
        ],
      },
      {
        about: 'calls per person',
        expects: 'One on Intercom; on Salesforce two hundred people share one.',
        held: [
          ...at(
            'sinks/intercom-execute.test.ts',
            'one call changes several fields; null clears, what is not named stays',
          ),
          ...at(
            'sinks/salesforce-execute.test.ts',
            'two hundred people are one call, and each has its answer at the platform’s clock',
          ),
        ],
      },
      {
        about: 'nothing left',
        expects: 'Work waits, nothing fails, and it begins again slowly.',
        held: [
          ...at('core/budget.test.ts', 'gives nothing while paused, and starts slowly afterwards'),
          ...at(
            'connectors/salesforce/catch-up.test.ts',
            'reading stops when the calls are used up and goes on by itself; a gap is read with what bulk work leaves',
          ),
        ],
        lacks: 'an alarm that says when it will have caught up',
      },
      {
        about: 'several pods',
        expects: 'They share one budget and never exceed it.',
        held: [
          ...at('core/budget.stack.test.ts', 'shared by two clients it gives no more than the plan, and it gives it'),
          ...at('core/sink-loop.stack.test.ts', 'share the partitions and one budget'),
        ],
        lacks: 'eight sinks at once; there are four partitions',
      },
      {
        about: 'priorities',
        expects: 'Consent before live edits before bulk work, with a reserve for live changes.',
        held: [
          ...at('core/sink-parts.test.ts', 'takes urgent before live before bulk, and each lane in its order'),
          ...at('core/budget.test.ts', 'keeps the last part of the burst for live changes'),
        ],
        lacks: 'a stated bound on how long bulk work may wait',
      },
    ],
  },
];
