import type { Change } from './types.ts';

/** A change is one of its parts; the others are null. */
export const changeOf = (part: Partial<Change> & Pick<Change, 'kind'>): Change => ({
  source: null,
  observation: null,
  result: null,
  epoch: null,
  mark: null,
  config: null,
  action: null,
  ...part,
});
