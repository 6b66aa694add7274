/**
 * A history as data: a seed, the faults that may happen, who is there at the start, and what people do when. Everything
 * else follows from the seed, so a history can be run again, shrunk and told.
 */
import { type ConditionDeed, conditions, crowd, deedsOf, operations } from './conditions.ts';
import { companyFields, type MappedField, type PlatformName, personFieldsOf } from './fields.ts';
import { Chance } from './random.ts';

/** Each makes the world worse, or different, by itself. */
export const switches = {
  delay: 'events and webhooks take seconds instead of milliseconds',
  disorder: 'webhooks overtake each other',
  duplicate: 'events, webhooks and decoded changes come twice',
  lost: 'webhooks are lost; reconciliation tells what they did not',
  '429': 'calls are told to wait',
  '5xx': 'calls fail, applied or not',
  'timeout-before': 'calls time out and are not applied',
  'timeout-after': 'calls time out and are applied',
  late: 'calls time out and are applied long after',
  slow: 'calls take seconds on their way there or back, and what happens meanwhile is told before their answers',
  crash: 'unify is killed between any two effects, or an answer to it is lost',
  zombie: 'what was taken over goes on for a while',
  restart: 'sinks are killed and restarted',
  rollback: 'the mirror of the state loses its last writes, a few or many',
  wipe: 'the mirror of the state is emptied, or loses its position or its base',
  hole: 'the Salesforce stream cannot be resumed',
  gap: 'change events without values',
  backfill: 'the snapshot is read again',
  long: 'Salesforce transactions that last seconds',
  norm: 'platforms make something else of values',
  refuse: 'platforms refuse values',
  automation: 'a flow changes other fields inside our write',
  merge: 'people merge records',
  convert: 'leads become contacts',
  delete: 'people delete records',
  undelete: 'people bring deleted records back',
  thirdwriter: 'another integration answers with its own value',
  config: 'the configuration changes midway',
  companies: 'people belong to companies',
  ambiguous: 'people share an email',
  handover: 'an email passes from one person to another',
  cold: 'edits while the first snapshot is read',
  oneway: 'nothing is written to Salesforce',
  unread: 'of Intercom only its teammates are read, and people only come to be there',
  ...conditions,
} as const;
export type Switch = keyof typeof switches;

export interface World {
  readonly name: string;
  readonly on: ReadonlySet<Switch>;
}

const calls: readonly Switch[] = ['429', '5xx', 'timeout-before', 'timeout-after'];
const network: readonly Switch[] = ['delay', 'disorder', 'duplicate'];
const processes: readonly Switch[] = ['crash', 'zombie', 'restart', 'rollback', 'wipe'];

/** Other deployments, fights that never end, and what would drown the rest. */
const apart: readonly Switch[] = [
  'oneway',
  'unread',
  'thirdwriter',
  'handover',
  'burst',
  'overflow',
  'names',
  'visitors',
  'rejects',
  'tight',
  'duprule',
  'operate',
  'slow',
  'retried',
  'throttled',
  'paused',
];

/** Named sets; each is a row of the table. */
export const named: Readonly<Record<string, readonly Switch[]>> = {
  calm: [],
  firms: ['companies'],
  onesided: ['oneway', 'companies'],
  deployed: ['oneway', 'unread', 'companies', ...calls],
  network: [...network, 'companies'],
  losses: [...network, 'lost', 'companies'],
  outages: ['delay', 'disorder', 'retried', 'throttled', 'paused', 'companies'],
  calls: [...calls, 'companies'],
  latecalls: [...network, 'timeout-after', 'late'],
  processes: [...processes, 'companies'],
  sources: ['delay', 'hole', 'gap', 'backfill', 'long', 'duplicate'],
  values: ['norm', 'refuse', 'automation'],
  identity: ['delete', 'undelete', 'ambiguous', 'cold', 'companies'],
  merges: ['merge', 'delay', 'companies'],
  leads: ['convert', 'delay', 'disorder'],
  fights: ['thirdwriter', 'norm'],
  changes: ['config', 'companies'],
  handovers: ['handover', 'delay'],
  rules: ['locked', 'duprule', 'rejects', 'refuse', 'ambiguous'],
  skewed: ['skew', 'companies', 'delay'],
  signups: ['visitors', 'delay', 'merge'],
  onename: ['names', 'delay'],
  scarce: ['tight', '429', 'companies'],
  bursts: ['burst', 'backfill', 'companies'],
  overflows: ['overflow', 'delay'],
  released: ['operate', 'thirdwriter', 'norm'],
  pinned: ['operate', 'ambiguous', 'duplicate', 'companies'],
  everything: (Object.keys(switches) as Switch[]).filter((one) => !apart.includes(one)),
};

/** @throws Error naming what is not known */
export function readWorld(text: string): World {
  const parts = text.split(',').filter((part) => part !== '');
  const on = parts.flatMap((part): readonly Switch[] => {
    if (part in named) return named[part] ?? [];
    if (part in switches) return [part as Switch];
    throw new Error(`no switch or world is called "${part}"`);
  });
  return { name: text, on: new Set(on) };
}

export interface Person {
  readonly salesforce: boolean;
  readonly intercom: boolean;
  /** Has the email of this person, if any: nobody can tell the two apart. */
  readonly sharesEmailOf: number | null;
  /** In Salesforce a lead, and no contact yet. */
  readonly lead: boolean;
  /** In Intercom a lead, and no user yet. */
  readonly visitor?: boolean;
  /** Of the start; null: none. */
  readonly company: number | null;
}

export interface Company {
  readonly on: PlatformName;
}

type Stored = string | number | boolean | null;

/** What somebody does, `at` ms after the start of the edits. Whoever or whatever is not there then: nothing happens. */
export type Action = { readonly at: number } & (
  | {
      readonly do: 'edit';
      readonly who: number;
      readonly on: PlatformName;
      readonly field: string;
      readonly value: Stored;
    }
  | {
      readonly do: 'company';
      readonly which: number;
      readonly on: PlatformName;
      readonly field: string;
      readonly value: Stored;
    }
  | { readonly do: 'create'; readonly who: number; readonly on: PlatformName }
  | { readonly do: 'move'; readonly who: number; readonly on: PlatformName; readonly company: number | null }
  | { readonly do: 'delete'; readonly who: number; readonly on: PlatformName }
  | { readonly do: 'undelete'; readonly who: number; readonly on: PlatformName }
  | { readonly do: 'merge'; readonly who: number; readonly loser: number; readonly on: PlatformName }
  | { readonly do: 'convert'; readonly who: number }
  | { readonly do: 'gap'; readonly who: number }
  | { readonly do: 'loss'; readonly forMs: number }
  | { readonly do: 'away'; readonly forMs: number }
  | { readonly do: 'backfill' }
  | { readonly do: 'config' }
  | ConditionDeed
);

export interface History {
  readonly seed: number;
  readonly world: World;
  readonly people: readonly Person[];
  readonly companies: readonly Company[];
  readonly actions: readonly Action[];
  /** So many more, on both platforms, to whom nothing happens but what happens to all. */
  readonly crowd?: number;
}

const hosts: readonly PlatformName[] = ['salesforce', 'intercom'];

export function generate(seed: number, world: World): History {
  const { on } = world;
  const chance = new Chance(seed);
  const int = (label: string, low: number, high: number): number => chance.int(label, low, high);
  const count = int('people', 1, 4);
  const companies = on.has('companies')
    ? Array.from(
        { length: int('companies', 0, 2) },
        (): Company => ({
          on: on.has('oneway') || chance.is('company on', 0.6) ? 'salesforce' : 'intercom',
        }),
      )
    : [];
  const somewhere = (label: string): number | null =>
    companies.length > 0 && chance.is(label, 0.6) ? int(`${label} which`, 0, companies.length - 1) : null;
  const people = Array.from({ length: count }, (_, who): Person => {
    const place = chance.next('place');
    const both = place < 0.5;
    return {
      salesforce: both || place < 0.75 || on.has('oneway'),
      intercom: both || place >= 0.75,
      sharesEmailOf:
        who > 0 && on.has('ambiguous') && chance.is('shares', 0.2) ? int('shares whose', 0, who - 1) : null,
      company: somewhere('company of'),
      lead: on.has('convert') && chance.is('lead', 0.5),
      ...(on.has('visitors') ? { visitor: chance.is('visitor', 0.6) } : {}),
    };
  });
  const crowded = chance.is('crowded', 0.5);
  // Most of what people do meets in few places: that is where the rules are tried.
  const focus: Focus = chance.is('hot', 0.6)
    ? { who: int('hot who', 0, count - 1), fields: [0, 1].map(() => chance.pick('hot field', personFieldsOf(on))) }
    : null;
  /** By whom and field, for what is entered once more. */
  const said = new Map<string, Stored[]>();
  const twice = new Set<number>();
  let at = 0;
  let everybody = count;
  const actions: Action[] = [];
  for (let n = int('actions', 1, 10); n > 0; n--) {
    at += crowded && chance.is('close', 0.85) ? int('gap', 0, 900) : int('pause', 200, 15_000);
    const action = choose(chance, on, {
      count: everybody,
      companies: companies.length,
      n: actions.length,
      focus,
      said,
    });
    if (concerns(action).some((who) => twice.has(who)) && !isSafeTwice(action)) continue;
    actions.push({ at, ...action } as Action);
    if (action.do !== 'create') continue;
    everybody += 1;
    const { who, on: here } = action;
    if (chance.is('on both', 0.3)) {
      twice.add(who);
      actions.push({ at, do: 'create', who, on: otherHost(here) });
    } else if (chance.is('put right', 0.3)) {
      const later = at + int('put right after', 300, 20_000);
      actions.push({ at: later, do: 'edit', who, on: here, field: 'email', value: `p${who}.right@x.example` });
    }
  }
  if (on.has('handover')) actions.push(...handover(chance, at + 5_000, count, everybody));
  if (on.has('operate')) actions.push(...operations(chance, on, count, at));
  return { seed, world, people, companies, actions, ...(on.has('burst') ? { crowd } : {}) };
}

const concerns = (deed: Deed): readonly number[] =>
  deed.do === 'merge' ? [deed.who, deed.loser] : 'who' in deed ? [deed.who] : [];

/** Of who is entered twice at once nobody could tell that they are one, were one side gone or called otherwise by then. */
const isSafeTwice = (deed: Deed): boolean => deed.do === 'move' || (deed.do === 'edit' && deed.field !== 'email');

const otherHost = (one: PlatformName): PlatformName => (one === 'salesforce' ? 'intercom' : 'salesforce');

/**
 * Somebody gives up the email that they came with, or goes; somebody else has it then: another of those who are there, at
 * once and in the one order that Salesforce tells, or who is new, long after.
 */
function handover(chance: Chance, at: number, count: number, fresh: number): readonly Action[] {
  const from = chance.int('hands over', 0, count - 1);
  const value = `p${from}@x.example`;
  const leave = (on: PlatformName): Action => ({
    at,
    do: 'edit',
    who: from,
    on,
    field: 'email',
    value: `p${from}.left@x.example`,
  });
  if (count > 1 && chance.is('at once', 0.5)) {
    const who = (from + 1 + chance.int('takes over', 0, count - 2)) % count;
    const soon = at + chance.int('takes over after', 20, 400);
    return [leave('salesforce'), { at: soon, do: 'edit', who, on: 'salesforce', field: 'email', value }];
  }
  const goes = chance.is('goes', 0.5)
    ? hosts.map((on): Action => ({ at, do: 'delete', who: from, on }))
    : [leave(chance.pick('leaves on', hosts))];
  const on = chance.pick('successor on', hosts);
  return [
    ...goes,
    { at: at + 40_000, do: 'create', who: fresh, on },
    { at: at + 40_300, do: 'edit', who: fresh, on, field: 'email', value },
  ];
}

type Focus = { readonly who: number; readonly fields: readonly MappedField[] } | null;

interface Scene {
  readonly count: number;
  readonly companies: number;
  readonly n: number;
  readonly focus: Focus;
  readonly said: Map<string, Stored[]>;
}

type Deed = Action extends infer One ? (One extends Action ? Omit<One, 'at'> : never) : never;

function choose(chance: Chance, on: ReadonlySet<Switch>, { count, companies, n, focus, said }: Scene): Deed {
  const anybody = chance.int('who', 0, count - 1);
  const who = focus !== null && chance.is('hot one', 0.8) ? focus.who : anybody;
  const anywhere = chance.pick('on', hosts);
  const platform = on.has('unread') ? 'salesforce' : anywhere;
  const rare: Deed[] = [];
  if (on.has('delete')) rare.push({ do: 'delete', who, on: platform });
  if (on.has('undelete')) rare.push({ do: 'delete', who, on: platform }, { do: 'undelete', who, on: platform });
  if (on.has('merge') && count > 1)
    rare.push({ do: 'merge', who, loser: (who + 1 + chance.int('loser', 0, count - 2)) % count, on: platform });
  if (on.has('convert')) rare.push({ do: 'convert', who });
  if (on.has('gap')) rare.push({ do: 'gap', who });
  if (on.has('hole')) rare.push({ do: 'loss', forMs: chance.int('loss for', 100, 8_000) });
  if (on.has('lost') || on.has('paused')) rare.push({ do: 'away', forMs: chance.int('away for', 100, 8_000) });
  if (on.has('backfill')) rare.push({ do: 'backfill' });
  if (on.has('config')) rare.push({ do: 'config' });
  rare.push(...deedsOf(chance, on, who, n), { do: 'create', who: count, on: anywhere });
  if (chance.is('rare', 0.22)) return chance.pick('which rare', rare);
  if (companies > 0) {
    const which = chance.int('company', 0, companies - 1);
    if (chance.is('move', 0.2)) {
      return { do: 'move', who, on: platform, company: chance.is('leave', 0.25) ? null : which };
    }
    if (chance.is('company edit', 0.2)) {
      const field = chance.pick('company field', companyFields);
      return {
        do: 'company',
        which,
        on: platform,
        field: field.canonical,
        value: valueFor(chance, field, n, `c${which}`, said),
      };
    }
  }
  const field = chance.pick('field', focus?.fields ?? personFieldsOf(on));
  return { do: 'edit', who, on: platform, field: field.canonical, value: valueFor(chance, field, n, `p${who}`, said) };
}

/** Values name their edit, so that the oracle can tell whose they are; now and then one is cleared, or comes again. */
function valueFor(chance: Chance, field: MappedField, n: number, whose: string, said: Map<string, Stored[]>): Stored {
  if (field.type === 'optOut') return chance.is('opt out', 0.6);
  if (field.nullable && chance.is('clear', 0.12)) return null;
  const before = said.get(`${whose} ${field.canonical}`) ?? [];
  if (before.length > 0 && chance.is('again', 0.2)) return chance.pick('which again', before);
  const value = newValue(chance, field, n, whose);
  said.set(`${whose} ${field.canonical}`, [...before, value]);
  return value;
}

function newValue(chance: Chance, field: MappedField, n: number, whose: string): Stored {
  if (field.type === 'integer') return 100 + n;
  if (field.type === 'email') return `${whose}.${n}@x.example`;
  return `${whose} ${field.canonical} ${chance.is('case', 0.5) ? 'A' : 'a'}${n}${chance.int('digit', 0, 9)}`;
}
