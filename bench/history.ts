/**
 * What a deployment is told over time: both platforms with a handful of records each, people who edit them, and sinks that
 * answer at once. The fold itself says what it asks for, so that every result and echo in it is what a running deployment
 * would have been told next. Recorded as changes, it is the load of the benchmark; the fold's state is where it begins.
 */
import { type Config, decisionConfig } from '../core/config.ts';
import { MemoryFold } from '../core/memory-fold.ts';
import { itemPartition } from '../processors/unify/commands.ts';
import { createUnify } from '../processors/unify/index.ts';
import { commandPartitions, parseRef } from '../processors/unify/keys.ts';
import { hashId } from '../processors/unify/values.ts';
import { changeOf } from '../schemas/change.ts';
import type { Change, Command, Observation, Position, Result, Value } from '../schemas/types.ts';

type Fields = Readonly<Record<string, Value>>;

export const epochId = 'epoch-of-the-benchmark';
/** As a sink with budget to spare says it. */
const window = 500;
/** Where the history begins, by the clocks of everybody. */
const begin = 1_790_000_000_000;
const owners = 10;

export interface Person {
  readonly contact: string;
  readonly user: string;
  /** Makes their values theirs. */
  readonly name: string;
}

/** An account with its people, and the company that stands for it. */
export interface Group {
  readonly account: string;
  readonly company: string;
  readonly name: string;
  readonly people: readonly Person[];
}

export class History {
  readonly changes: Change[] = [];
  readonly #records = new Map<string, Fields>();
  readonly #fold: MemoryFold;
  readonly #client: string;
  #groups: readonly Group[] = [];
  #commands: Command[] = [];
  #seq = 0;

  constructor(config: Config) {
    this.#fold = new MemoryFold(createUnify(config), begin);
    this.#client = config.salesforce.client;
    this.#say({ kind: 'config', config: { n: 1, ...decisionConfig(config) } });
    for (const platform of ['salesforce', 'intercom'] as const) {
      for (let partition = 0; partition < commandPartitions[platform]; partition += 1) {
        const epoch = { platform, partition, epoch: epochId, n: 0, window, bulkWindow: window, reason: '' };
        this.#say({ kind: 'epoch', epoch });
      }
      this.#say({ kind: 'mark', mark: { platform, kind: 'snapshotComplete', upTo: begin, detail: '' } });
    }
    for (let n = 0; n < owners; n += 1) {
      const [Email, Name] = [`owner${n}@orchard.example`, `Owner ${n}`];
      this.#read(userRef(n), { Email, Name });
      this.#read(adminRef(n), { email: Email, name: Name });
    }
    this.#pass();
  }

  get state(): ReadonlyMap<string, object> {
    return this.#fold.state;
  }

  /** Records that were decided. */
  get offset(): number {
    return this.#fold.offset;
  }

  /** What went wrong: there must be nothing of it, or the load is none. */
  get poisons(): readonly string[] {
    return this.#fold.poisons;
  }

  /** They have worked with both platforms for years, with the same values, and are linked now. */
  link(groups: readonly Group[]): void {
    this.#groups = [...this.#groups, ...groups];
    for (const [n, { account, company, name }] of groups.entries()) {
      this.#read(account, accountRow(account, name, n));
      this.#read(company, companyRow(account, name, n));
    }
    this.#settle();
    for (const { account, company, people } of groups) {
      for (const [n, person] of people.entries()) {
        this.#read(person.contact, contactRow(person, account, n));
        this.#read(person.user, userRow(person, company, n));
      }
    }
    this.#settle();
  }

  /** Everybody is edited once: most in Salesforce, some in Intercom. */
  editEverybody(round: number): void {
    const people = this.#groups.flatMap((group) => group.people);
    for (const [n, { contact, user }] of people.entries()) {
      if (n % 10 < 7) this.#edit(contact, editOfContact(n, round));
      else this.#edit(user, editOfUser(n, round));
    }
    this.#settle();
  }

  // ---- the platforms

  /** A person changed it: Salesforce tells what changed, Intercom the whole record. */
  #edit(ref: string, fields: Fields): void {
    this.#records.set(ref, { ...this.#records.get(ref), ...fields });
    this.#tell(ref, fields, { by: 'a person' });
  }

  #tell(ref: string, fields: Fields, more: Partial<Observation>): void {
    if (parseRef(ref).platform === 'salesforce') this.#observe(ref, { fields, at: this.#at('event'), ...more });
    else this.#observe(ref, { fields: this.#records.get(ref) ?? {}, whole: true, at: this.#at('webhook'), ...more });
  }

  #read(ref: string, fields: Fields): void {
    this.#records.set(ref, fields);
    this.#observe(ref, { via: 'read', whole: true, fields, at: this.#at('read'), modified: begin - 86_400_000 });
  }

  #observe(ref: string, more: Partial<Observation>): void {
    this.#seq += 1;
    const { platform } = parseRef(ref);
    const source = { topic: `${platform}.raw`, partition: 0, offset: this.#seq, index: 0 };
    this.#say({ kind: 'observation', observation: { ...noObservation, ref, ...more }, source });
  }

  #at(how: 'event' | 'webhook' | 'read'): Position {
    const time = this.#fold.time;
    if (how === 'event') return { time, seq: (this.#seq + 1) * 1024, second: true };
    return { time: how === 'read' ? begin - 86_400_000 : time + (this.#seq % 1000), seq: -1, second: how === 'read' };
  }

  // ---- the sinks

  /** Until nothing is asked any more. */
  #settle(): void {
    this.#pass();
    while (this.#commands.length > 0) {
      const commands = this.#commands;
      this.#commands = [];
      this.#pass();
      const written = commands.map((command) => ({ command, ref: this.#write(command) }));
      for (const { command, ref } of written) this.#say({ kind: 'result', result: this.#answer(command, ref) });
      for (const { command, ref } of written) this.#tell(ref, command.fields, { by: 'us', origin: this.#origin(ref) });
      this.#pass();
    }
  }

  #origin = (ref: string): string | null => (parseRef(ref).platform === 'salesforce' ? this.#client : null);

  #write({ ref, verb, fields }: Command): string {
    if (verb !== 'update') throw new RangeError(`the history has no answer to a ${verb}`);
    this.#records.set(ref, { ...this.#records.get(ref), ...fields });
    return ref;
  }

  #answer(command: Command, ref: string): Result {
    const { time } = this.#fold;
    const { platform, id, epoch } = command;
    const at: Position = { time, seq: -1, second: true };
    const whole = { via: 'answer', whole: true, fields: this.#records.get(ref) ?? {}, at, modified: time } as const;
    return {
      command: id,
      platform,
      partition: itemPartition(platform, ref),
      epoch,
      ref,
      outcome: 'applied',
      returned: platform === 'intercom' ? { ...noObservation, ref, ...whole } : null,
      platformTime: time,
      refusals: [],
      doubt: false,
      sentAt: time,
      calls: 1,
      into: null,
    };
  }

  // ---- time

  /** A few seconds pass, and both platforms are heard. */
  #pass(): void {
    this.#fold.time += 3_000;
    for (const platform of ['salesforce', 'intercom'] as const)
      this.#say({ kind: 'mark', mark: { platform, kind: 'mark', upTo: this.#fold.time - 1_000, detail: '' } });
    this.#say({ kind: 'tick' });
  }

  #say(part: Parameters<typeof changeOf>[0]): void {
    const change = changeOf(part);
    this.changes.push(change);
    for (const { topic, value } of this.#fold.decide(change))
      if (topic === 'salesforce.commands' || topic === 'intercom.commands') this.#commands.push(value as Command);
  }
}

// ---- what their records say

const noObservation: Observation = {
  ref: '',
  op: 'seen',
  via: 'event',
  whole: false,
  created: false,
  fields: {},
  unknown: [],
  at: { time: 0, seq: -1, second: true },
  modified: null,
  origin: null,
  by: null,
  transaction: null,
  into: null,
};

/** `id`: of the platform, 18 characters there. */
const userRef = (n: number): string => `salesforce:User:00500000000000${n}AAA`;
const adminRef = (n: number): string => `intercom:admin:${900_000 + n}`;
const idOf = (ref: string): string => parseRef(ref).id;
const ownerOf = (n: number): number => n % owners;

const accountRow = (ref: string, name: string, n: number): Fields => ({
  Id: idOf(ref),
  Name: `${name} Trading`,
  Website: `https://${name.toLowerCase()}.example`,
  Industry: 'Agriculture',
  NumberOfEmployees: 40 + n,
  OwnerId: idOf(userRef(ownerOf(n))),
  Tier__c: 'Gold',
  Contract_Value__c: 12_500.5,
  Tributary_Id__c: null,
});

const companyRow = (account: string, name: string, n: number): Fields => ({
  company_id: hashId(account, 0),
  name: `${name} Trading`,
  website: `https://${name.toLowerCase()}.example`,
  industry: 'Agriculture',
  size: 40 + n,
  plan: null,
  monthly_spend: null,
  'custom_attributes.owner_email': `owner${ownerOf(n)}@orchard.example`,
  'custom_attributes.tier': 'Gold',
  'custom_attributes.contract_value': 12_500.5,
  'custom_attributes.salesforce_account_id': idOf(account),
});

const renewal = Date.UTC(2027, 2, 1);
const ordered = Date.UTC(2026, 7, 14, 9, 30);

const contactRow = ({ contact, name }: Person, account: string, n: number): Fields => ({
  Id: idOf(contact),
  Email: `${name.toLowerCase()}@orchard.example`,
  FirstName: 'Ada',
  LastName: name,
  Phone: `+49 30 ${name}`,
  Title: 'Head of Research',
  OwnerId: idOf(userRef(ownerOf(n))),
  AccountId: idOf(account),
  Level__c: 'Silver',
  Seats__c: 25,
  Newsletter__c: true,
  Renewal_Date__c: new Date(renewal).toISOString().slice(0, 10),
  Last_Order_At__c: `${new Date(ordered).toISOString().slice(0, -1)}+0000`,
  Score__c: 71.5,
  Languages__c: ['English', 'French'],
  Tributary_Id__c: null,
});

const userRow = ({ contact, name }: Person, company: string, n: number): Fields => ({
  email: `${name.toLowerCase()}@orchard.example`,
  phone: `+49 30 ${name}`,
  name: `Ada ${name}`,
  external_id: null,
  role: 'user',
  owner_id: Number(idOf(adminRef(ownerOf(n)))),
  unsubscribed_from_emails: false,
  companies: [idOf(company)],
  'custom_attributes.tributary_id': null,
  'custom_attributes.job_title': 'Head of Research',
  'custom_attributes.salesforce_id': idOf(contact),
  'custom_attributes.level': 'Silver',
  'custom_attributes.seats': 25,
  'custom_attributes.newsletter': true,
  'custom_attributes.renewal_date': renewal / 1000,
  'custom_attributes.last_order_at': ordered / 1000,
  'custom_attributes.score': 71.5,
  'custom_attributes.languages': 'English;French',
});

/** Another value each round: an edit that changes nothing would cost nothing. */
function editOfContact(n: number, round: number): Fields {
  const edits: readonly Fields[] = [
    { Title: `Head of Research ${round}` },
    { Level__c: `Level ${round}`, Seats__c: 25 + round },
    { Phone: `+49 30 555${round}` },
    { Score__c: 71.5 + round, Newsletter__c: round % 2 === 0 },
  ];
  return edits[(n + round) % edits.length] ?? {};
}

function editOfUser(n: number, round: number): Fields {
  const edits: readonly Fields[] = [
    { 'custom_attributes.job_title': `Head of Research ${round}` },
    { 'custom_attributes.level': `Level ${round}`, 'custom_attributes.seats': 25 + round },
    { phone: `+49 30 555${round}` },
  ];
  return edits[(n + round) % edits.length] ?? {};
}
