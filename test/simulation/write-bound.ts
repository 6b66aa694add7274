/**
 * How often a field of a record may be written where nothing fails and nothing is late: once for each edit on the other
 * side, once back for each edit on its own side that lost, and our marks once. Anything more is a write for nothing.
 */
import type { JournalEntry } from '../../schemas/types.ts';
import { companyFields, idFields, markers, type PlatformName, personFields } from './fields.ts';
import type { Edit } from './people.ts';
import type { Ran } from './simulate.ts';
import type { Kind } from './stores.ts';

/** Edits on both sides so close to each other may meet: then the earlier one is written over on its own side. */
const meetMs = 15_000;

/** A move is two changes of Intercom: one company is left, another joined. */
const changesPerMove = 2;

const marks: ReadonlySet<string> = new Set([...Object.values(idFields), ...Object.values(markers)]);
const links: ReadonlySet<string> = new Set(['AccountId', 'companies']);

export interface Excess {
  readonly id: string;
  readonly text: string;
}

/** Of a world without faults, after the first snapshot. */
export function excessOf(ran: Ran, journal: readonly JournalEntry[]): readonly Excess[] {
  return (['salesforce', 'intercom'] as const).flatMap((platform) => excessOn(ran, platform, journal));
}

function excessOn(ran: Ran, platform: PlatformName, journal: readonly JournalEntry[]): readonly Excess[] {
  const { writes, firstAction, people } = ran;
  const times = new Map<string, number>();
  for (const { at, what, fields } of writes[platform])
    for (const field of fields)
      if (what !== '' && (at >= firstAction || marks.has(field))) {
        const key = `${what} ${field}`;
        times.set(key, (times.get(key) ?? 0) + 1);
      }
  return [...times].flatMap(([key, made]) => {
    const [id = '', field = ''] = key.split(' ');
    const kind: Kind = people.entered.has(`${platform}:person:${id}`) ? 'person' : 'company';
    const whose = people.entered.get(`${platform}:${kind}:${id}`) ?? -1;
    const most = marks.has(field)
      ? 1
      : links.has(field)
        ? people.moves.filter(({ who }) => kind === 'person' && who === whose).length * changesPerMove
        : allowed(people.edits, platform, kind, whose, field, journal);
    return made > most ? [{ id, text: `${field} of ${kind} ${whose} was written ${made} times, ${most} allowed` }] : [];
  });
}

function allowed(
  edits: readonly Edit[],
  platform: PlatformName,
  kind: Kind,
  whose: number,
  name: string,
  journal: readonly JournalEntry[],
): number {
  const field = (kind === 'person' ? personFields : companyFields).find((one) => one[platform] === name);
  const all = edits.filter((edit) => edit.kind === kind && edit.whose === whose && edit.field === field?.canonical);
  const others = all.filter((edit) => edit.platform !== platform);
  const own = all.filter((edit) => edit.platform === platform && !edit.first);
  const lost = own.filter(
    (edit) =>
      others.some(({ at }) => Math.abs(at - edit.at) < meetMs) ||
      journal.some(
        ({ kind: what, source, field: of }) =>
          what === 'rejected' && of === edit.field && source.endsWith(`:${edit.id}`),
      ),
  );
  return others.length + lost.length;
}
