/** Nobody is there twice: what was made beside what people entered. */
import type { FoldRecord } from '../../core/fold.ts';
import type { PlatformName } from './fields.ts';
import type { Parties, Party } from './parties.ts';
import type { Judging } from './promises.ts';
import type { Ran } from './simulate.ts';
import { lagMs, type Shown } from './stores.ts';

const wholeSecond = (ms: number): number => Math.floor(ms / 1000);

/** Says who is there twice. True: nobody could know that they are one, so they are two people to whoever looks. */
export function duplicated(judging: Judging, parties: Parties, party: Party): boolean {
  const { kind, whose } = party;
  const name = `${kind} ${whose}`;
  const about = [...party.salesforce, ...party.intercom].map(({ id }) => id);
  let strangers = false;
  for (const platform of ['salesforce', 'intercom'] as const) {
    const made = party[platform].filter(({ id }) => !judging.ran.people.byPeople.has(`${platform}:${kind}:${id}`));
    const byPeople = judging.ran.people.enteredOn(platform, kind, whose);
    // Who shares an email may be found and linked as somebody else.
    const isTheirs = (byPeople > 0 && !parties.isAmbiguous(party)) || parties.isVisitor(party);
    // Taken apart, each half may have its own.
    const most = (isTheirs ? 0 : 1) + parties.timesTakenApart(party);
    if (made.length > most && made.length === 1 && areStrangers(judging, party, made)) {
      judging.broken('duplicates', `${name} is two people, on ${platform} as well`, about, strange);
      strangers = true;
    } else if (made.length > most)
      judging.broken(
        'duplicates',
        `${name} was created on ${platform} ${made.length} times, entered ${byPeople}`,
        about,
        lateMade(judging, platform, name, made, most),
      );
  }
  return strangers;
}

const placeOf = ({ change }: FoldRecord): number => change.observation?.at.time ?? 0;

const strange =
  'their email was changed on one side before anybody had read it: no two records ever showed the same one';

/** Were two records entered of which nobody was shown one email, until another was made of them? */
function areStrangers({ ran }: Judging, party: Party, made: readonly Shown[]): boolean {
  const { people, stores, log } = ran;
  const until = Math.min(...made.map(({ platform, id }) => stores.createdAt(platform, id)));
  const entered = [...party.salesforce, ...party.intercom]
    .filter(({ platform, id }) => people.byPeople.has(`${platform}:person:${id}`))
    .map(({ platform, id }) => {
      const all = log.records.filter(
        ({ time, change }) => time <= until && change.observation?.ref.endsWith(`:${id}`) === true,
      );
      // A row that was read before what had been told already shows an address that may be another's by then.
      const told = all.filter(({ change }, n) =>
        all.slice(0, n).every((one) => placeOf(one) <= (change.observation?.at.time ?? 0)),
      );
      return { platform, id, told, first: told[0]?.time ?? Number.POSITIVE_INFINITY };
    });
  const shown = (platform: PlatformName, field: string): readonly string[] =>
    entered
      .filter((one) => one.platform === platform)
      .flatMap(({ told }) => told.map(({ change }) => String(change.observation?.fields[field] ?? '').toLowerCase()));
  const wasChanged = entered.some(({ id, first }) =>
    people.edits.some((edit) => edit.id === id && edit.field === 'email' && !edit.first && edit.at <= first),
  );
  const [here, there] = [shown('salesforce', 'Email'), shown('intercom', 'email')];
  const isShared = here.some((email) => email !== '' && there.includes(email));
  return wasChanged && here.length > 0 && there.length > 0 && !isShared;
}

/** Was it made by a call that was carried out, or repeated, after it had timed out? */
export function isMadeLate(ran: Ran, platform: PlatformName, id: string): boolean {
  const isRepeated = ran.log.records.some(
    ({ change: { result } }) => result?.doubt === true && result.outcome === 'applied' && result.ref.endsWith(`:${id}`),
  );
  if (isRepeated) return true;
  const created = wholeSecond(ran.stores.createdAt(platform, id));
  const lag = platform === 'salesforce' ? lagMs(ran.history.world) : 0;
  return ran.network.late.some(
    (one) => one.platform === platform && created <= wholeSecond(one.at) && created >= wholeSecond(one.at - lag),
  );
}

/**
 * Was it made by such a call after a record of these people had been merged away there, as that of an earlier try may have
 * been? Nothing says then whose it is.
 */
export function isStray(judging: Judging, whose: ReadonlySet<number>, shown: Shown): boolean {
  const { people, stores, clock } = judging.ran;
  const { platform, kind, id } = shown;
  const created = stores.createdAt(platform, id) - (platform === 'salesforce' ? clock.skewMs : 0);
  const isMerged = people.merges.some(
    ({ at, on, loser }) => on === platform && whose.has(loser) && wholeSecond(at) <= wholeSecond(created),
  );
  return isMerged && !people.byPeople.has(`${platform}:${kind}:${id}`) && isMadeLate(judging.ran, platform, id);
}

/**
 * A call that the platform carries out a minute late makes a record once more, where nothing of the first stands in its
 * way any more: an address that is free again in Intercom, a record that was deleted or merged meanwhile.
 */
function lateMade(
  judging: Judging,
  platform: PlatformName,
  name: string,
  made: readonly Shown[],
  most: number,
): string {
  const { people } = judging.ran;
  const late = made.filter(({ id }) => isMadeLate(judging.ran, platform, id));
  if (made.length - late.length > most) return '';
  if (people.gone.has(name) || people.merged.has(name))
    return 'a call was carried out or repeated after it had timed out, and the record deleted meanwhile';
  // The address is the one thing by which Intercom knows a contact that it has already; Salesforce knows our mark.
  const isFreed = people.edits.some(({ first, field, id }) => !first && field === 'email' && isOf(judging, name, id));
  return platform === 'intercom' && isFreed
    ? 'a create was carried out long after it had timed out, when the address was free again'
    : '';
}

function isOf({ ran }: Judging, name: string, id: string): boolean {
  const { people } = ran;
  return (['salesforce', 'intercom'] as const).some(
    (platform) => `person ${people.entered.get(`${platform}:person:${id}`) ?? ''}` === name,
  );
}
