/** What Salesforce's connector vouches for when what was missed has been read again, and what it cannot. Pure. */
import { nothingRead } from '../../core/counts.ts';
import type { Certificate } from '../../schemas/types.ts';
import type { ConnectorState, GapsRead, Hole } from './decide-state.ts';

/** Whatever is read again is read as it stands now. */
const ofAny = ['values that were replaced before they were read, and who set what is read'];
const ofRows = [...ofAny, 'records deleted and gone from the Recycle Bin before they were read'];
const ofChanged = [...ofRows, 'changes that move no SystemModstamp, such as those of formulas'];

/** @param at the platform's clock when the last page was asked for, ms */
export const certificateOf = ({ detail, since, until, counts }: Hole, at: number): Certificate => ({
  hole: detail,
  since,
  until: Math.max(until, at),
  method: since === 0 ? 'all' : 'modified',
  ...(counts ?? nothingRead),
  unknown: since === 0 ? ofRows : ofChanged,
});

/** Gap events name the records that changed: they are vouched for together, when none is left to be read. */
export const gapsRead = ({ gaps, rechecks }: ConnectorState): GapsRead | undefined =>
  gaps != null && rechecks.every(({ gap }) => gap !== true) ? gaps : undefined;

export const certificateOfGaps = ({ objects, since, until, counts }: GapsRead): Certificate => ({
  hole: `gaps of ${objects.join(', ')}`,
  since,
  until,
  method: 'named',
  ...counts,
  unknown: ofAny,
});
