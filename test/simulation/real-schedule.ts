/**
 * What happens to unify while it works a history off on the real servers, drawn from the history's seed: where it is
 * killed, what becomes of its mirror, who else believes to be the one writer.
 */
import type { FaultPoint } from '../../core/faults.ts';
import type { FoldLimits } from '../../core/transaction.ts';
import { Chance } from './random.ts';

/** What Redis may do between two deaths. `position`: that one key is lost; `rollback`: an older state is back. */
export type Damage = 'none' | 'wipe' | 'rollback' | 'position';

export interface Death {
  readonly do: 'die';
  readonly damage: Damage;
  readonly at: FaultPoint;
  /** Dies the how many-th time it comes by there. */
  readonly passing: number;
}

/** Held there while a rival takes over, and let go when the rival is done; meanwhile the rival's mirror is damaged. */
export interface Zombie {
  readonly do: 'zombie';
  readonly at: FaultPoint;
  readonly damage: Damage;
}

export type Incident = Death | Zombie;

export interface Schedule {
  readonly limits: FoldLimits;
  readonly incidents: readonly Incident[];
  /** Offsets where the portions end that are offered one after the other: two in peace, one for each incident, two for a zombie. */
  readonly ends: readonly number[];
}

const takeOvers: readonly FaultPoint[] = ['takeover:after-epoch', 'takeover:after-position'];
/** Once in each transaction. */
const everyTransaction: readonly FaultPoint[] = [
  'transaction:before',
  'transaction:before-commit',
  'transaction:after',
  'mirror:before-commit',
  'mirror:after-commit',
];
/** Where a repair comes by: an emptied mirror has nothing to wipe, a rolled back one is only folded forward. */
const repairs: Readonly<Record<Exclude<Damage, 'none'>, readonly FaultPoint[]>> = {
  wipe: ['repair:begun', 'repair:folding', 'repair:before-end'],
  rollback: ['repair:begun', 'repair:folding', 'repair:before-end'],
  position: ['repair:begun', 'repair:wiping', 'repair:folding', 'repair:before-end'],
};
const damages = Object.keys(repairs) as (keyof typeof repairs)[];

/** Small enough for several transactions in each portion. */
const most = { records: 12, passing: 3 };
const portions = 6;

/** What a record does, by its offset. */
export interface Deed {
  readonly offset: number;
  /** It puts something out. A heartbeat does not, and to lose or repeat one may make no difference. */
  readonly tells: boolean;
}

/** `loud`: the records that change the state or put something out, in order. @throws Error when they are too few to share out */
export function scheduleOf(seed: number, loud: readonly Deed[]): Schedule {
  const chance = new Chance(seed);
  const share = Math.floor(loud.length / portions);
  const records = Math.min(chance.int('real batch', 5, most.records), Math.floor(share / 6));
  if (records < 1) throw new Error(`${loud.length} records that do something are too few for ${portions} portions`);
  // A portion ends with a record that does something, so that whoever has worked it off has written its position; and
  // where one is near, the next begins with a record that tells, so that to begin one too late or too early shows.
  const reach = Math.floor(share / 3);
  const ends = Array.from({ length: portions }, (_, i) => {
    if (i + 1 === portions) return endAt(loud, loud.length);
    const middle = share * (i + 1);
    const near = Array.from({ length: 2 * reach + 1 }, (_, k) => middle - reach + k).filter((n) => begins(loud, n));
    return endAt(loud, near[Math.floor(near.length / 2)] ?? middle);
  });
  // However they are cut into batches, so many transactions at least have something of the portion to write.
  const transactions = Math.ceil((share - 2 * reach) / records);
  const atWork = chance.is('real die at work', 0.75);
  const damage = chance.pick('real damage', damages);
  const incidents: readonly Incident[] = [
    {
      do: 'die',
      damage: 'none',
      at: chance.pick('real die', atWork ? everyTransaction : takeOvers),
      passing: atWork ? chance.int('real passing', 1, Math.min(most.passing, transactions)) : 1,
    },
    { do: 'die', damage, at: chance.pick('real die repairing', repairs[damage]), passing: 1 },
    {
      do: 'zombie',
      at: chance.pick('real zombie', ['transaction:before', 'mirror:before-commit']),
      damage: chance.pick('real damage at work', damages),
    },
  ];
  return {
    // Either everything is read from the mirror again and again, or nothing is once it is known.
    limits: { records, bytes: 500_000, cacheBytes: chance.pick('real cache', [1, 1_000_000]) },
    incidents: shuffled(chance, incidents),
    ends,
  };
}

/** Where a portion ends that takes in so many loud records. */
const endAt = (loud: readonly Deed[], count: number): number => (loud[count - 1]?.offset ?? 0) + 1;

/** Would the next portion begin with a record that tells? */
const begins = (loud: readonly Deed[], count: number): boolean =>
  loud[count]?.tells === true && loud[count].offset === endAt(loud, count);

function shuffled<T>(chance: Chance, given: readonly T[]): T[] {
  return given
    .map((one) => [chance.next('real order'), one] as const)
    .sort(([a], [b]) => a - b)
    .map(([, one]) => one);
}

/** So that a failed test says what it did. */
export const tellSchedule = ({ limits, incidents }: Schedule): string =>
  [`${limits.records} records at a time`, `a cache of ${limits.cacheBytes} bytes`, ...incidents.map(tellIncident)].join(
    ', ',
  );

const tellIncident = (one: Incident): string =>
  one.do === 'die'
    ? `mirror ${one.damage}, killed at ${one.at} passed the ${one.passing}. time`
    : `held at ${one.at} for a rival, whose mirror ${one.damage}`;
