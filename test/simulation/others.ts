/**
 * Who else writes: flows of the platforms that make something else of values or set other fields inside our write, and
 * integrations of others that put their own value back.
 */
import { type Contact, refusals } from '../../twins/intercom/types.ts';
import { formulas } from '../../twins/salesforce/customizing.ts';
import type { Clock } from './clock.ts';
import { type PlatformName, personFields } from './fields.ts';
import type { People } from './people.ts';
import { refused, rejected } from './refusals.ts';
import type { Stored, Stores } from './stores.ts';
import type { Trace } from './trace.ts';
import type { History } from './world.ts';

/** What each platform's flows make of a field that is written to it. */
export const rewritten = { salesforce: 'department', intercom: 'lastName' } as const;
/** Set by a flow in Salesforce whenever the seats change. */
export const derived = {
  from: 'seats',
  to: 'title',
  as: (seats: Stored): string => `holds ${seats ?? 'no'} seats`,
} as const;
/** Each puts its own back wherever the department is another. */
const stubborn = { salesforce: 'theirs in Salesforce', intercom: 'theirs in Intercom' } as const;

const fieldOf = (name: string) => {
  const found = personFields.find(({ canonical }) => canonical === name);
  if (found === undefined) throw new Error(`no field ${name}`);
  return found;
};

export class Others {
  readonly #history: History;
  readonly #stores: Stores;
  readonly #people: People;
  readonly #clock: Clock;
  readonly #trace: Trace;
  readonly #poke: () => void;
  /** Titles as they were seen last, by contact. */
  readonly #titles = new Map<string, Stored>();
  readonly #answering = new Set<string>();

  constructor(history: History, stores: Stores, people: People, clock: Clock, trace: Trace, poke: () => void) {
    this.#history = history;
    this.#stores = stores;
    this.#people = people;
    this.#clock = clock;
    this.#trace = trace;
    this.#poke = poke;
    const { on } = history.world;
    const [department, seats, title] = ['department', derived.from, derived.to].map(
      (name) => fieldOf(name).salesforce,
    ) as [string, string, string];
    stores.salesforce.customize({
      automations: [
        ...(on.has('norm')
          ? [
              {
                object: 'Contact',
                when: department,
                set: department,
                to: (values: Readonly<Record<string, Stored>>) => formulas.properCase(values[department] ?? null),
              },
            ]
          : []),
        ...(on.has('automation')
          ? [
              {
                object: 'Contact',
                when: seats,
                set: title,
                to: (values: Readonly<Record<string, Stored>>) => derived.as(values[seats] ?? null),
              },
            ]
          : []),
      ],
      validationRules: on.has('refuse')
        ? [{ object: 'Contact', field: department, pattern: refused.pattern, message: 'no sevens' }]
        : [],
      duplicateRules: on.has('duprule')
        ? [{ object: 'Contact', field: 'Email', against: ['Contact'], action: 'block' }]
        : [],
    });
    stores.intercom.automate([
      ...(on.has('norm')
        ? [
            {
              object: 'contact',
              when: 'name',
              set: ({ name }: Contact) => ({ name: name?.toUpperCase() ?? null }),
            } as const,
          ]
        : []),
      ...(on.has('rejects')
        ? [
            {
              object: 'contact',
              when: 'custom_attributes.department',
              set: ({ custom_attributes: { department } }: Contact) => {
                if (rejected.pattern.test(String(department ?? ''))) throw refusals.invalid('no threes', 'department');
                return {};
              },
            } as const,
          ]
        : []),
    ]);
  }

  /** After any write: what a flow did inside it is somebody's edit too, and others answer. */
  look(): void {
    this.#people.recognise();
    const { on } = this.#history.world;
    if (on.has('automation')) this.#noteFlows();
    if (on.has('thirdwriter')) for (const platform of ['salesforce', 'intercom'] as const) this.#answer(platform);
  }

  #noteFlows(): void {
    for (const { id, values } of this.#stores.salesforce.store.all('Contact')) {
      const title = (values[fieldOf(derived.to).salesforce] ?? null) as Stored;
      const before = this.#titles.get(id) ?? null;
      if (before === title) continue;
      this.#titles.set(id, title);
      if (typeof title !== 'string' || !title.startsWith('holds ')) continue;
      const whose = this.#people.whose('salesforce', 'person', id);
      this.#people.noteOther({
        platform: 'salesforce',
        kind: 'person',
        whose,
        id,
        field: derived.to,
        before,
        value: title,
      });
      this.#trace.say('person', id, `a flow sets title of ${id} to ${title}`);
    }
  }

  #answer(platform: PlatformName): void {
    const field = fieldOf('department');
    for (const id of this.#stores.ids(platform, 'person')) {
      const mine = stubborn[platform];
      const key = `${platform}:${id}`;
      const now = this.#stores.find(platform, 'person', id)?.values['department'] ?? null;
      // They answer edits, not what was there before they came.
      const edited = this.#people.edits.some((edit) => edit.id === id && edit.field === 'department' && !edit.first);
      if (now === mine || this.#answering.has(key) || (!edited && !String(now).startsWith('theirs'))) continue;
      this.#answering.add(key);
      this.#clock.after(700, () => {
        this.#answering.delete(key);
        const whose = this.#people.whose(platform, 'person', id);
        this.#people.noteOther({ platform, kind: 'person', whose, id, field: 'department', before: now, value: mine });
        const { salesforce, intercom } = this.#stores;
        const caller = { userId: salesforce.personUserId, changeOrigin: 'com/salesforce/api/rest/60.0;client=theirs' };
        if (platform === 'salesforce')
          salesforce.execute(
            [{ op: 'update', object: 'Contact', id, row: { [field.salesforce]: mine } }],
            caller,
            this.#clock.salesforceNow,
          );
        else {
          intercom.updateContact(id, { custom_attributes: { department: mine } }, this.#clock.now);
          this.#poke();
        }
        this.#trace.say('person', id, `another integration sets department of ${id} in ${platform}`);
      });
    }
  }
}
