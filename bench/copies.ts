/**
 * The history of one group of people, for any number of them: everything that is theirs (ids, names, emails, partitions) is
 * found in the encoded bytes, and written over for each copy. A million customers are made in a minute that way, and their
 * changes too; decided one by one, they would take longer than everything that is measured with them.
 */
import type { Codec } from '../core/codec.ts';
import type { Config } from '../core/config.ts';
import type { OutRecord } from '../core/kafka.ts';
import { itemPartition } from '../processors/unify/commands.ts';
import { entityKey, ownedBy } from '../processors/unify/keys.ts';
import { enroll } from '../processors/unify/roster.ts';
import { compileRules } from '../processors/unify/rules.ts';
import { addMember } from '../processors/unify/sets.ts';
import { hashId } from '../processors/unify/values.ts';
import { World } from '../processors/unify/world.ts';
import { changeOf } from '../schemas/change.ts';
import { stateSchemas } from '../schemas/topics.ts';
import type { Change, EntityState } from '../schemas/types.ts';
import { type Group, History } from './history.ts';

/** Sets of everybody: the list of all entities, and what each owner has. */
const isMadeAnew = /^(?:cur:roster$|idx:roster:|(?:cur|idx):set:owned:)/;

export const peoplePerGroup = 10;
/** Of the group that the others are copies of. Its numbers occur nowhere else by chance. */
const original = 98_765_432;

const digits = (n: number, width: number): string => String(n).padStart(width, '0');

export function groupOf(g: number): Group {
  return {
    account: `salesforce:Account:001${digits(g, 12)}AAA`,
    company: `intercom:company:65c000000000${digits(g, 12)}`,
    name: `Orchard${digits(g, 9)}`,
    people: Array.from({ length: peoplePerGroup }, (_, i) => {
      const n = digits(g * peoplePerGroup + i, 12);
      return { contact: `salesforce:Contact:003${n}AAA`, user: `intercom:contact:65a000000000${n}`, name: `Byron${n}` };
    }),
  };
}

/** Texts that are the group's own, each as long as in every other group. Names come in lower case too. */
function tokensOf({ account, company, name, people }: Group): readonly string[] {
  const ids = [account, company, ...people.flatMap(({ contact, user }) => [contact, user])];
  const names = [name, ...people.map((person) => person.name)];
  return [
    ...ids.map((ref) => ref.slice(ref.lastIndexOf(':') + 1)),
    ...[account, ...people.map(({ contact }) => contact)].map((ref) => hashId(ref, 0)),
    ...names,
    ...names.map((one) => one.toLowerCase()),
  ];
}

/** Encoded bytes with the places that differ from copy to copy. */
interface Stamp {
  readonly bytes: Buffer;
  readonly texts: readonly { readonly at: number; readonly token: number }[];
  /** Places of a command partition, Avro's zigzag of one byte, of the record with this token's id. */
  readonly partitions: readonly number[];
}

class Stamper {
  readonly #tokens = tokensOf(groupOf(original));

  stamp(bytes: Buffer, other = bytes): Stamp {
    const texts = this.#tokens.flatMap((text, token) => placesOf(bytes, text).map((at) => ({ at, token })));
    const partitions = [...bytes.keys()].filter((at) => bytes[at] !== other[at]);
    return { bytes, texts, partitions };
  }
}

function placesOf(bytes: Buffer, text: string): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) places.push(at);
  return places;
}

function copy({ bytes, texts, partitions }: Stamp, tokens: readonly string[], partition: number): Buffer {
  const made = Buffer.from(bytes);
  for (const { at, token } of texts) made.write(tokens[token] ?? '', at, 'latin1');
  for (const at of partitions) made[at] = partition * 2;
  return made;
}

interface Template {
  readonly key: Stamp;
  readonly value: Stamp;
  /** Whose partition stands in the value: a user of Intercom; empty for none. */
  readonly user: Stamp;
}

/** How often everybody was edited before the measuring begins: what is kept of edits is kept of the last few. */
export interface CopyOptions {
  readonly config: Config;
  readonly codec: Pick<Codec, 'encode'>;
  /** Rounds of edits in the state, and rounds of them to come. */
  readonly past: number;
  readonly rounds: number;
}

/** Everybody's state and everything that they will be told, as records of `unify.state` and `changes`. */
export class Copies {
  readonly #codec: Pick<Codec, 'encode'>;
  readonly #config: Config;
  readonly #shared: ReadonlyMap<string, object>;
  readonly #states: readonly Template[];
  readonly #steps: readonly (readonly (Template | Change)[])[];
  readonly #ownersOf: readonly (readonly [owner: string, entity: Stamp])[];
  readonly #order: readonly Stamp[];

  constructor({ config, codec, past, rounds }: CopyOptions) {
    this.#codec = codec;
    this.#config = config;
    const group = groupOf(original);
    const stamper = new Stamper();
    const history = new History(config);
    history.link([group]);
    for (let round = 1; round <= past; round += 1) history.editEverybody(round);
    const isOwn = (text: string): boolean => tokensOf(group).some((token) => text.includes(token));
    const states = [...history.state];
    const template = (key: string, encoded: (partition: number) => Buffer, ref: string): Template => ({
      key: stamper.stamp(Buffer.from(key)),
      value: stamper.stamp(encoded(0), encoded(1)),
      user: stamper.stamp(Buffer.from(ref)),
    });
    // Queues and timers are empty but for what was taken from them, which is nobody's here.
    this.#shared = new Map(states.filter(([key]) => !isOwn(key) && !isMadeAnew.test(key)));
    this.#states = states
      .filter(([key]) => isOwn(key))
      .map(([key, value]) =>
        template(key, (partition) => this.#encode(key, inPartition(value, partition)), refIn(key)),
      );
    const entities = states.filter(([key]) => key.startsWith(entityKey(''))).map(([, value]) => value as EntityState);
    this.#order = entities.map(({ id }) => stamper.stamp(Buffer.from(id)));
    this.#ownersOf = entities.flatMap(({ id, fields }) => {
      const owner = fields['ownerEmail']?.value;
      return typeof owner === 'string' ? [[owner, stamper.stamp(Buffer.from(id))] as const] : [];
    });
    this.#steps = Array.from({ length: rounds }, (_, round) => {
      const from = history.changes.length;
      history.editEverybody(past + 1 + round);
      return history.changes.slice(from).map((change) => {
        const name = change.observation?.ref ?? change.result?.ref ?? '';
        if (name === '') return change;
        const encoded = (partition: number): Buffer =>
          codec.encode('changes', 'Change', inPartition(change, partition));
        return template(name, encoded, name);
      });
    });
    if (history.poisons.length > 0) throw new RangeError(`the history is none: ${history.poisons[0] ?? ''}`);
  }

  /** The state of so many groups. What all of them share comes last, and is made by the fold's own code. */
  *state(groups: number): Generator<OutRecord> {
    const world = new SharedWorld(this.#config, this.#shared);
    for (let g = 0; g < groups; g += 1) {
      const tokens = tokensOf(groupOf(g));
      for (const record of this.#states) yield made('unify.state', record, tokens);
      for (const id of this.#order) enroll(world.world, copy(id, tokens, 0).toString());
      for (const [owner, id] of this.#ownersOf) addMember(world.world, ownedBy(owner), copy(id, tokens, 0).toString());
    }
    for (const [key, value] of world.values) yield { topic: 'unify.state', key, value: this.#encode(key, value) };
  }

  /**
   * One round of edits of these groups, with what follows from each. They live through it at once, step by step: what all
   * of them are told first, then what all are told next.
   */
  *changes(groups: readonly number[], round: number): Generator<OutRecord> {
    const all = groups.map((g) => tokensOf(groupOf(g)));
    const steps = this.#steps[round] ?? [];
    for (let from = 0; from < steps.length; ) {
      const first = steps[from];
      if (first !== undefined && 'kind' in first) {
        from += 1;
        yield { topic: 'changes', key: first.kind, value: this.#codec.encode('changes', 'Change', first) };
        continue;
      }
      const rest = steps.slice(from);
      const end = rest.findIndex((one) => 'kind' in one);
      const part = rest.slice(0, end < 0 ? rest.length : end) as readonly Template[];
      for (const tokens of all) for (const record of part) yield made('changes', record, tokens);
      from += part.length;
    }
  }

  #encode(key: string, value: object): Buffer {
    return this.#codec.encode('unify.state', stateSchemas[key.slice(0, key.indexOf(':'))] ?? '', value);
  }
}

function made(topic: 'unify.state' | 'changes', { key, value, user }: Template, tokens: readonly string[]): OutRecord {
  const name = copy(user, tokens, 0).toString();
  const partition = name.startsWith('intercom:') ? itemPartition('intercom', name) : 0;
  return { topic, key: copy(key, tokens, 0).toString(), value: copy(value, tokens, partition) };
}

/** The record that a state key names; empty for none. */
const refIn = (key: string): string => (key.startsWith('ref:') ? key.slice('ref:'.length) : '');

/** As it would be if the record's commands went over this partition. */
function inPartition<T extends object>(value: T, partition: number): T {
  const isUsers = (one: object): boolean =>
    'askedAt' in one || ('command' in one && String((one as { ref?: unknown }).ref).startsWith('intercom:'));
  const walk = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(walk);
    if (typeof one !== 'object' || one === null || Buffer.isBuffer(one)) return one;
    const copied = Object.fromEntries(Object.entries(one).map(([name, inner]) => [name, walk(inner)]));
    return isUsers(one) && 'partition' in one ? { ...copied, partition } : copied;
  };
  return walk(value) as T;
}

/** Keys that belong to everybody, over a map. */
class SharedWorld {
  readonly values: Map<string, object>;
  readonly world: World;

  constructor(config: Config, shared: ReadonlyMap<string, object>) {
    this.values = new Map(shared);
    const state = {
      get: (key: string) => this.values.get(key),
      put: (key: string, value: object | undefined) =>
        void (value === undefined ? this.values.delete(key) : this.values.set(key, value)),
      savepoint: () => () => undefined,
    };
    const record = { offset: 0, time: 0, key: '', lineage: 0, change: changeOf({ kind: 'tick' }) };
    this.world = new World(state, record, compileRules(config));
  }
}
