/** A command on its way through the calls of a batch, and what is known of it so far. */
import type { Match } from '../../connectors/salesforce/classify.ts';
import type { Answer } from '../../core/sink-state.ts';
import { salesforceRef } from '../../processors/decode/salesforce.ts';
import type { Command, FieldRefusal } from '../../schemas/types.ts';
import type { Fields, SalesforceObject } from './plan.ts';

export interface Item {
  readonly command: Command;
  readonly object: SalesforceObject;
  /** Fields still to be written: those that were refused are left out. */
  rest: Fields;
  readonly refusals: FieldRefusal[];
  /** Calls that it was part of. With none of them nothing can have been applied. */
  calls: number;
  doubt: boolean;
  time: number;
  trouble: FieldRefusal | undefined;
  /** Tries that failed for a reason that passes. */
  tries: number;
  /** Lost a race for its own marker: the next upsert finds the record. */
  raced: boolean;
}

export const itemOf = (command: Command, object: SalesforceObject): Item => ({
  command,
  object,
  rest: command.fields,
  refusals: [],
  calls: 0,
  doubt: false,
  time: 0,
  trouble: undefined,
  tries: 0,
  raced: false,
});

/** Nothing to write is a question of what stands. */
export const isRead = ({ command }: Item): boolean =>
  command.verb === 'read' || (command.verb === 'update' && Object.keys(command.fields).length === 0);

export const unwritten = ({ ref }: Command): Omit<Answer, 'outcome'> => ({
  ref,
  returned: null,
  platformTime: 0,
  refusals: [],
  doubt: false,
  sentAt: 0,
  calls: 0,
  into: null,
});

/** A guess would be needed. About the value, where there is one: a run of such records is no fault of ours. */
export function ambiguous({ command, object }: Item, matches: readonly Match[], text = ''): FieldRefusal {
  const candidates = matches.map(({ object: name, id }) => salesforceRef(name, id)).join(', ');
  const field = object.email !== null && object.email in command.fields ? object.email : '';
  const why = candidates === '' ? text : `it may be one of these already: ${candidates}`;
  return { field, code: 'PLATFORM_REFUSED', message: `${why}. Merge them, or let it be linked to one of them` };
}

export function byObject(items: readonly Item[]): ReadonlyMap<string, readonly [Item, ...Item[]]> {
  const groups = new Map<string, [Item, ...Item[]]>();
  for (const item of items) {
    const group = groups.get(item.command.object);
    if (group === undefined) groups.set(item.command.object, [item]);
    else group.push(item);
  }
  return groups;
}
