/** What offering all observations once more led to, and what of it nobody could have written before. */
import type { FoldRecord } from '../../core/fold.ts';
import { type MappedField, type PlatformName, personFields } from './fields.ts';
import type { Write } from './sink-process.ts';
import type { Stored } from './stores.ts';

export interface Replayed {
  readonly platform: PlatformName;
  readonly write: Write;
}

type Alike = (field: MappedField, a: Stored, b: Stored) => boolean;

/**
 * A field that is mapped later comes over when it is told of next, and the replay may be the first to do so. `records`: what
 * was told before the replay. Empty: the write should have been made then, or never.
 */
export function whyReplayed({ platform, write }: Replayed, records: readonly FoldRecord[], alike: Alike): string {
  const changed = records.findIndex(({ change }) => change.config !== null);
  if (changed < 0 || write.fields.length === 0) return '';
  const isFirst = (name: string): boolean => {
    const field = personFields.find((one) => one[platform] === name);
    if (field?.later !== true) return false;
    const value = (write.asked[name] ?? null) as Stored;
    return records.slice(0, changed).some(({ change: { observation } }) => {
      const told = observation?.fields[fieldOn(field, observation.ref)];
      if (observation === null || told === undefined || !alike(field, told as Stored, value)) return false;
      return !records
        .slice(changed)
        .some(({ change }) => tells(change.observation ?? change.result?.returned, observation.ref, field));
    });
  };
  return write.fields.every(isFirst) ? 'the field was mapped after that was told, and nobody has told of it since' : '';
}

const fieldOn = (field: MappedField, ref: string): string =>
  ref.startsWith('salesforce:') ? field.salesforce : field.intercom;

const tells = (
  observation: FoldRecord['change']['observation'] | undefined,
  ref: string,
  field: MappedField,
): boolean => observation?.ref === ref && (observation.whole || fieldOn(field, ref) in observation.fields);
