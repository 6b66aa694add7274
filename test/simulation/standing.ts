/**
 * What has to stand of fields with a rule of their own, by what people entered on both platforms. Pure, and nothing of it
 * is taken from unify.
 */
import type { Edit } from './people.ts';

type Entered = Pick<Edit, 'at' | 'platform' | 'value'>;

/** Did somebody opt out on one platform and not take it back there? What the other platform says never undoes it. */
export const isOptedOut = (edits: readonly Entered[]): boolean =>
  (['salesforce', 'intercom'] as const).some(
    (platform) => edits.findLast((edit) => edit.platform === platform)?.value === true,
  );

const isEmpty = ({ value }: Entered): boolean => value === null || value === '';

/**
 * The value of a field that is only filled where it is empty: whoever filled it may change it, the other side may not until
 * it is empty again. undefined: two edits of different sides lie closer together than `apartMs`, and either may be the one
 * that filled it.
 */
export function filled(edits: readonly Entered[], apartMs: number): Entered | undefined {
  let holder: Entered | undefined;
  for (const [n, edit] of edits.entries()) {
    const before = edits[n - 1];
    if (before !== undefined && before.platform !== edit.platform && edit.at - before.at < apartMs) return undefined;
    if (holder === undefined || isEmpty(holder) || holder.platform === edit.platform) holder = edit;
  }
  return holder;
}
