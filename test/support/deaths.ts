/** Where each role dies, in an order and at a passing that the seed has: a plan made before anybody is started. */
import type { Deed, FaultPoint } from '../../core/faults.ts';
import { seededRandom } from '../../twins/common/random.ts';

export interface Death {
  readonly point: FaultPoint;
  /** The how many-th passing of it by the process that is to die there. */
  readonly passing: number;
}

/** Places in the order of each row; the rows are in none. */
type Rows = readonly (readonly FaultPoint[])[];

const around = (...deeds: readonly Deed[]): Rows =>
  deeds.flatMap((deed) => [[`${deed}:before`] as const, [`${deed}:after`] as const]);
const sink = around('pin', 'budget', 'call', 'batch', 'append', 'position');

const places: Readonly<Record<string, Rows>> = {
  'connect-salesforce': around('lease', 'lease-renewal', 'budget', 'call', 'schema', 'append', 'credit'),
  'connect-intercom': around('pin', 'lease', 'lease-renewal', 'budget', 'call', 'append', 'answer'),
  decode: around('batch', 'append', 'position'),
  unify: [
    ['takeover:after-epoch'],
    ['takeover:after-position'],
    ['transaction:before'],
    ['transaction:before-commit'],
    ['transaction:after'],
    // The first leaves the mirror behind, and each next one finds the repair that the one before it had begun.
    ['mirror:before-commit', 'repair:begun', 'repair:wiping', 'repair:folding', 'repair:before-end'],
    ['mirror:after-commit'],
    ...around('batch', 'append'),
  ],
  'sink-intercom': sink,
  'sink-salesforce': sink,
};

/** Done once by a process, or hardly more often; everything else again and again. */
const seldom: ReadonlySet<string> = new Set(['lease', 'pin', 'schema', 'takeover', 'repair']);

/** By role. */
export function deathsOf(seed: number): ReadonlyMap<string, readonly Death[]> {
  const random = seededRandom(seed);
  const deaths = Object.entries(places).map(([role, rows]) => {
    const drawn = rows.map((row) => ({ row, at: random.next() })).toSorted((one, other) => one.at - other.at);
    const points = drawn.flatMap(({ row }) => row);
    return [role, points.map((point) => ({ point, passing: isSeldom(point) ? 1 : 1 + random.int(2) }))] as const;
  });
  return new Map(deaths);
}

const isSeldom = (point: FaultPoint): boolean => seldom.has(point.slice(0, point.indexOf(':')));
