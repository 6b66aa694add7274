/** No write is made for nothing: of what stands in a record, as unify had been told when it asked, nothing is written again. */
import { companyFields, type MappedField, type PlatformName, personFields } from './fields.ts';
import type { Judging } from './promises.ts';
import type { Written } from './sink-process.ts';
import type { Stored } from './stores.ts';

/** What others do there to a record is not kept with what people and we did. */
const unrecorded = [
  'thirdwriter',
  'automation',
  'norm',
  'names',
  'operate',
  'convert',
  'merge',
  'skew',
  'burst',
  'overflow',
] as const;

const wholeSecond = (ms: number): number => Math.floor(ms / 1000);

export function needless(judging: Judging): void {
  const { history, writes, people } = judging.ran;
  if (unrecorded.some((one) => history.world.on.has(one))) return;
  for (const platform of ['salesforce', 'intercom'] as const)
    for (const write of writes[platform]) {
      const isCompany = people.entered.has(`${platform}:company:${write.what}`);
      const fields = isCompany ? companyFields : personFields;
      const asked = write.fields.map((name) => fields.find((field) => field[platform] === name));
      if (
        write.what === '' ||
        !asked.every((field) => field !== undefined && stoodThere(judging, platform, write, field))
      )
        continue;
      const text = `${write.fields.join(', ')} of ${write.what} is written in ${platform} though the same was known to stand there`;
      judging.broken('writes', text, [write.what]);
    }
}

/** Was the value asked what stood in the field, and had unify been told of that after whoever entered it? */
function stoodThere(judging: Judging, platform: PlatformName, write: Written, field: MappedField): boolean {
  const { people, writes, log } = judging.ran;
  const name = field[platform];
  const isBefore = ({ at }: { readonly at: number }): boolean => at < write.at;
  const edits = people.edits.filter((one) => one.id === write.what && one.field === field.canonical && isBefore(one));
  const ours = writes[platform].findLast((one) => one.record === write.what && name in one.asked && isBefore(one));
  const edit = edits.at(-1);
  // Salesforce tells whole seconds: what came first within one is not known, nor which of two edits was told.
  const within = [edit?.at, edits.at(-2)?.at, ours?.at, write.at].filter((at) => at !== undefined).map(wholeSecond);
  if (new Set(within).size < within.length) return false;
  const last =
    ours !== undefined && ours.at > (edit?.at ?? 0)
      ? { at: ours.at, value: ours.asked[name] as Stored }
      : edit === undefined
        ? undefined
        : edit;
  if (last === undefined || !judging.alike(field, last.value, write.asked[name] as Stored)) return false;
  // What was told before a field was mapped was not looked for.
  const mapped = field.later === true ? log.records.findIndex(({ change }) => change.kind === 'config') : 0;
  return log.records.slice(Math.max(0, mapped), write.decidedAt + 1).some(({ time, change }) => {
    const told = change.observation ?? change.result?.returned ?? null;
    return (
      told !== null &&
      time > last.at &&
      told.ref.endsWith(`:${write.what}`) &&
      name in told.fields &&
      wholeSecond(told.at.time) >= wholeSecond(last.at) &&
      judging.alike(field, told.fields[name] as Stored, last.value)
    );
  });
}
