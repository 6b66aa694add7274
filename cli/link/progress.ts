/** How far the link of two platforms is, and whether it is done. Pure. */

import type { PlatformStatus, UnifyStatus } from '../../processors/unify/status.ts';
import type { JournalEntry } from '../../schemas/types.ts';
import type { Lag } from '../status.ts';

type Platform = PlatformStatus['platform'];
type Kind = 'people' | 'companies';

/** What the journal has told so far, each record once. */
export interface Tally {
  readonly matched: Readonly<Record<Kind, ReadonlySet<string>>>;
  readonly created: Readonly<Record<Kind, ReadonlySet<string>>>;
  readonly ambiguous: ReadonlySet<string>;
}

/** Counts what is told; the same entry twice counts once. */
export class Tallying implements Tally {
  readonly matched = { people: new Set<string>(), companies: new Set<string>() };
  readonly created = { people: new Set<string>(), companies: new Set<string>() };
  readonly ambiguous = new Set<string>();

  hear({ kind, id, source, reason }: Pick<JournalEntry, 'kind' | 'id' | 'source' | 'reason'>): void {
    if (kind === 'ambiguous') this.ambiguous.add(id);
    if (kind !== 'linked') return;
    const what = /:(?:account|company):/i.test(source) ? 'companies' : 'people';
    (reason === 'created' ? this.created : this.matched)[what].add(source);
  }
}

/** One look. */
export interface Look extends UnifyStatus {
  /** Monotonic, ms. */
  readonly at: number;
  readonly lags: readonly Lag[];
  readonly left: Readonly<Record<Platform, number>>;
  /** Records in each raw topic. */
  readonly read: Readonly<Record<Platform, number>>;
  /** Commands that were ever given out. */
  readonly asked: number;
}

/** What has to be read whole, per platform, before anything counts as linked. */
export type Needed = Readonly<Record<Platform, readonly string[]>>;

export const isRead = (platform: PlatformStatus, needed: Needed): boolean =>
  needed[platform.platform].every((part) => platform.complete.includes(part));

/** Records behind which nobody counts as behind: ticks and marks come all the time. */
const someLag = 50;

/** Records that wait to be written, or for the answer to a write. */
export const waitingIn = ({ platforms, gated, jobs }: UnifyStatus): number =>
  platforms.reduce((sum, { dirty, open }) => sum + dirty.urgent + dirty.live + dirty.bulk + open, gated + jobs);

/** Both platforms were read, and nothing waits. */
export const isLinked = (look: Look, needed: Needed): boolean =>
  look.platforms.every((platform) => isRead(platform, needed) && !platform.hole) &&
  waitingIn(look) === 0 &&
  look.lags.every(({ records }) => records !== null && records < someLag);

/** Answers per second of the looks at hand, the oldest first; undefined: none came. */
function pace(looks: readonly Look[]): number | undefined {
  const [first, last] = [looks[0], looks.at(-1)];
  if (first === undefined || last === undefined || last.at === first.at) return undefined;
  const answered = ({ asked, platforms }: Look): number => platforms.reduce((sum, { open }) => sum - open, asked);
  const rate = ((answered(last) - answered(first)) * 1_000) / (last.at - first.at);
  return rate > 0 ? rate : undefined;
}

/** Seconds until nothing waits, at the pace of the last looks; undefined: nobody can say yet. */
export function secondsLeft(looks: readonly Look[], needed: Needed): number | undefined {
  const last = looks.at(-1);
  const rate = pace(looks);
  if (last === undefined || rate === undefined || !last.platforms.every((one) => isRead(one, needed))) return undefined;
  return Math.ceil(waitingIn(last) / rate);
}

export function progressLine(looks: readonly Look[], needed: Needed, tally: Tally): string {
  const look = looks.at(-1);
  if (look === undefined) return '';
  const { platforms, gated, left, read } = look;
  const reading = (one: PlatformStatus): string => {
    const missing = needed[one.platform].filter((part) => !one.complete.includes(part));
    const state = missing.length === 0 ? 'read' : `reading ${missing.join(', ')}`;
    return `${one.platform} ${state}${one.hole ? ', reading again what was missed' : ''} (${read[one.platform]} records)`;
  };
  const writing = ({ platform, dirty, open }: PlatformStatus): string =>
    `${platform} ${dirty.urgent + dirty.live + dirty.bulk} to write, ${open} asked, ${left[platform]} calls left`;
  const behind = look.lags.filter(({ records }) => records === null || records >= someLag);
  const lag = behind.map(
    ({ stage, records }) => `${stage} ${records === null ? 'has not begun' : `is ${records} behind`}`,
  );
  const seconds = secondsLeft(looks, needed);
  return [
    ...platforms.map(reading),
    ...lag,
    tallyText(tally),
    ...(gated === 0 ? [] : [`${gated} creates wait for both to be heard`]),
    ...platforms.filter(({ dirty, open }) => dirty.urgent + dirty.live + dirty.bulk + open > 0).map(writing),
    ...(seconds === undefined || seconds === 0 ? [] : [`about ${duration(seconds)} left`]),
  ].join('; ');
}

export function tallyText({ matched, created, ambiguous }: Tally): string {
  const of = (kind: Kind): string => `${matched[kind].size} matched, ${created[kind].size} created`;
  const doubt = ambiguous.size === 0 ? '' : `; ${ambiguous.size} ambiguous`;
  return `people: ${of('people')}; companies: ${of('companies')}${doubt}`;
}

const duration = (seconds: number): string =>
  seconds < 120
    ? `${seconds} s`
    : seconds < 7_200
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds / 3_600)} h`;
