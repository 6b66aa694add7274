/** When all is silent unify knows what stands: of each record what is there, and that nothing is under way. */
import { parseRef, refKey } from '../../processors/unify/keys.ts';
import type { CursorState, RefState } from '../../schemas/types.ts';
import { losing } from './conditions.ts';
import { whyUnlisted } from './field-judge.ts';
import { companyFields, personFields } from './fields.ts';
import type { Judging } from './promises.ts';
import type { Shown } from './stores.ts';

/** To the letter: what a flow made of a value is known too. A checkbox is never empty. */
const isSame = (a: unknown, b: unknown): boolean => a === b || (!a && !b) || JSON.stringify(a) === JSON.stringify(b);

/** A lead is judged by its contact. */
const objects: ReadonlySet<string> = new Set(['Contact', 'Account', 'contact', 'company']);

const isRefKey = (key: string): boolean => key.startsWith(refKey(''));

export function known(judging: Judging): void {
  const { unify, stores, history } = judging.ran;
  const there = new Map(stores.shown().map((one) => [`${one.platform} ${one.id}`, one]));
  const listed = new Set(
    [...there.values()].flatMap(({ kind, alive, companies }) => (kind === 'person' && alive ? companies : [])),
  );
  // Of a company that no list shows only notifications tell.
  const isUntold = (platform: string, object: string, id: string): boolean =>
    losing.some((one) => history.world.on.has(one)) &&
    platform === 'intercom' &&
    object === 'company' &&
    !listed.has(id);
  for (const [key, value] of unify.committed) {
    if (!isRefKey(key)) continue;
    const ref = value as RefState;
    const { platform, object, id } = parseRef(ref.ref);
    if (ref.id !== '' && objects.has(object) && !isUntold(platform, object, id))
      asItStands(judging, ref, id, there.get(`${platform} ${id}`));
  }
  for (const [key, value] of unify.committed) {
    const open = key.startsWith('cur:part:') ? ((value as CursorState).n['open'] ?? 0) : 0;
    if (open !== 0) judging.broken('known', `${open} asks of ${key} are never answered`);
  }
}

/** What is shown nowhere is gone: Intercom forgets who is deleted. */
function asItStands(judging: Judging, ref: RefState, id: string, shown: Shown | undefined): void {
  const isGone = ref.deleted || ref.into !== null;
  if (isGone === (shown?.alive === true)) {
    const text = `${ref.ref} is taken to be ${isGone ? 'gone' : 'there'}`;
    judging.broken('known', text, [id], whyUntold(judging, ref));
    return;
  }
  if (isGone || shown === undefined) return;
  const { kind, platform, values } = shown;
  const hasParts = judging.ran.history.world.on.has('names');
  for (const field of kind === 'person' ? personFields : companyFields) {
    const seen = ref.seen[field[platform]];
    const stands = values[field.canonical] ?? null;
    // Salesforce is told of by the parts of a name.
    if (hasParts && field.canonical === 'lastName') continue;
    if (seen === undefined || isSame(seen.value ?? null, stands)) continue;
    const text = `${field.canonical} of ${ref.ref} is taken to be ${JSON.stringify(seen.value)}, and is ${JSON.stringify(stands)}`;
    judging.broken('known', text, [id], whyUnheard(judging, kind, platform, id, field.canonical));
  }
}

/** Why nobody can know what stands in a company of Intercom; empty: they can. */
function whyUnheard(
  { ran }: Judging,
  kind: Shown['kind'],
  platform: Shown['platform'],
  id: string,
  name: string,
): string {
  if (platform !== 'intercom' || kind !== 'company') return '';
  if (ran.stores.intercom.listedCompanies().some((company) => company.id === id)) return '';
  const last = ran.people.edits.findLast((edit) => edit.platform === platform && edit.id === id && edit.field === name);
  return whyUnlisted(ran, last);
}

/** Why nobody can know that a record is gone; empty: they can. */
function whyUntold({ ran }: Judging, { ref, deleted, into }: RefState): string {
  const isLossy = losing.some((one) => ran.history.world.on.has(one));
  if (!isLossy || deleted || into !== null || parseRef(ref).platform !== 'intercom') return '';
  const isTold = ran.log.records.some(
    ({ change: { observation, result } }) =>
      (observation?.ref === ref && (observation.op === 'deleted' || observation.op === 'moved')) ||
      (result?.ref === ref && result.outcome === 'gone'),
  );
  return isTold ? '' : 'its notification was lost, and no list of Intercom shows who is gone';
}
