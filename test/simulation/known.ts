/** When all is silent unify knows what stands: of each record what is there, and that nothing is under way. */
import { parseRef, refKey } from '../../processors/unify/keys.ts';
import type { CursorState, RefState } from '../../schemas/types.ts';
import { losing } from './conditions.ts';
import { companyFields, personFields } from './fields.ts';
import type { Judging } from './promises.ts';
import type { Shown } from './stores.ts';

const isRefKey = (key: string): boolean => key.startsWith(refKey(''));

export function known(judging: Judging): void {
  const { unify, stores } = judging.ran;
  const there = new Map(stores.shown().map((one) => [`${one.platform} ${one.id}`, one]));
  for (const [key, value] of unify.committed) {
    if (!isRefKey(key)) continue;
    const ref = value as RefState;
    const { platform, id } = parseRef(ref.ref);
    const shown = there.get(`${platform} ${id}`);
    if (shown !== undefined && ref.id !== '') asItStands(judging, ref, shown);
  }
  for (const [key, value] of unify.committed) {
    const open = key.startsWith('cur:part:') ? ((value as CursorState).n['open'] ?? 0) : 0;
    if (open !== 0) judging.broken('known', `${open} asks of ${key} are never answered`);
  }
}

function asItStands(judging: Judging, ref: RefState, { kind, platform, id, alive, values }: Shown): void {
  const isGone = ref.deleted || ref.into !== null;
  if (isGone === alive) {
    judging.broken('known', `${ref.ref} is taken to be ${isGone ? 'gone' : 'there'}`, [id], whyUntold(judging, ref));
    return;
  }
  if (isGone) return;
  const hasParts = judging.ran.history.world.on.has('names');
  for (const field of kind === 'person' ? personFields : companyFields) {
    const seen = ref.seen[field[platform]];
    const stands = values[field.canonical] ?? null;
    // Salesforce is told of by the parts of a name.
    if (hasParts && field.canonical === 'lastName') continue;
    if (seen === undefined || judging.alike(field, (seen.value ?? null) as typeof stands, stands)) continue;
    const text = `${field.canonical} of ${ref.ref} is taken to be ${JSON.stringify(seen.value)}, and is ${JSON.stringify(stands)}`;
    judging.broken('known', text, [id]);
  }
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
