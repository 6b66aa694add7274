/**
 * What platforms would answer that take every value as it is. Records they make are called `new-1`, `new-2`, …, in the place
 * of the ids that nobody knows yet. Pure.
 */
import type { Answer } from '../../core/sink-state.ts';
import { type Rules, sideOf } from '../../processors/unify/rules.ts';
import { changeOf } from '../../schemas/change.ts';
import type { Change, Command, Observation, Value } from '../../schemas/types.ts';

/** Who our calls are made by in Salesforce: what they create is that user's. */
export interface OurUser {
  readonly id: string;
}

export interface Came {
  readonly answer: Answer;
  /** What the stream tells of it; Intercom's answers tell all by themselves. */
  readonly echo: Change | null;
}

export class IdealPlatforms {
  readonly #rules: Rules;
  readonly #user: OurUser;
  /** What stands in the records that were made, and since when. */
  readonly #made = new Map<string, { readonly fields: Observation['fields']; readonly modified: number }>();
  #told = 0;

  constructor(rules: Rules, user: OurUser) {
    this.#rules = rules;
    this.#user = user;
  }

  /** Is it a record that was made here? No platform knows it. */
  has(ref: string): boolean {
    return this.#made.has(ref);
  }

  /** @param at the platform's clock, ms: later than all that it has told of the record */
  carryOut(command: Command, at: number): Came {
    const isCreate = command.verb === 'create';
    const ref = isCreate ? `${command.platform}:${command.object}:new-${this.#made.size + 1}` : command.ref;
    const echo = command.platform === 'intercom' || command.verb === 'read' ? null : this.#echoOf(command, ref, at);
    const returned =
      command.verb === 'read'
        ? this.#read(ref, at)
        : command.platform === 'intercom'
          ? inIntercom(command, ref, at)
          : null;
    const before = this.#made.get(ref);
    const written = returned?.fields ?? echo?.observation?.fields ?? {};
    if (command.verb !== 'read' && (isCreate || before !== undefined))
      this.#made.set(ref, { fields: { ...before?.fields, ...written }, modified: at });
    const answer: Answer = {
      outcome: 'applied',
      ref,
      returned,
      platformTime: at,
      refusals: [],
      doubt: false,
      sentAt: at,
      calls: 1,
      into: null,
    };
    return { answer, echo };
  }

  #read(ref: string, at: number): Observation {
    const { fields = {}, modified = at } = this.#made.get(ref) ?? {};
    return { ...nothing, ref, via: 'answer', whole: true, created: false, fields, at: instant(at), modified };
  }

  #echoOf(command: Command, ref: string, at: number): Change {
    const isCreate = command.verb === 'create';
    const observation: Observation = {
      ...nothing,
      ref,
      via: 'event',
      whole: isCreate,
      created: isCreate,
      fields: { ...(isCreate && this.#defaults(ref)), ...command.fields },
      at: { ...instant(at), seq: ++this.#told },
      origin: this.#rules.client,
      by: this.#user.id,
    };
    return changeOf({ kind: 'observation', observation });
  }

  /** What Salesforce fills in by itself: whose record it is, and checkboxes, which are never empty. */
  #defaults(ref: string): Readonly<Record<string, Value>> {
    const kind = this.#rules.kindOf.get(ref.slice(0, ref.lastIndexOf(':')));
    const links = kind === undefined ? [] : sideOf(this.#rules.entities[kind], ref).links;
    return Object.fromEntries(
      links.flatMap(({ field, type }): [string, Value][] => {
        if (type === 'owner') return [[field, this.#user.id]];
        return type === 'boolean' || type === 'optOut' ? [[field, false]] : [];
      }),
    );
  }
}

const instant = (time: number) => ({ time, seq: -1, second: true });

const nothing = {
  op: 'seen',
  unknown: [],
  modified: null,
  origin: null,
  by: null,
  transaction: null,
  into: null,
} as const;

/** What is new is answered whole: what was not asked is empty. Of what is there the rest is known already. */
function inIntercom({ verb, object, fields }: Command, ref: string, at: number): Observation {
  const isCreate = verb === 'create';
  return {
    ...nothing,
    ref,
    via: 'answer',
    whole: isCreate,
    created: false,
    fields: { ...(isCreate && object === 'contact' && { role: 'user', companies: [] }), ...fields },
    at: instant(at),
    modified: at,
  };
}
