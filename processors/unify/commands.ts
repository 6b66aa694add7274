/**
 * Commands: an ask is made, counted as open, sent, and sent again to the next epoch of its sink. The open asks of a partition are
 * counted and listed, for its window and for that.
 */
import { partitionOf } from '../../schemas/topics.ts';
import type { Ask, Command, CreateState, EntityState, Position, RefState, Value } from '../../schemas/types.ts';
import { comparable } from './asks.ts';
import { commandPartitions, openKey, openSlotCount, openSlotOf, parseRef, partitionKey } from './keys.ts';
import type { Lane, Platform, World } from './world.ts';

/** An ask lives this long in log time; after it the sink answers `expired` without a call. */
const askLifeMs = 60_000;

/** An item is a ref (to update) or `+<entity id>` (to create on the platform). */
export const itemPartition = (platform: Platform, item: string): number =>
  partitionOf(item.startsWith('+') ? item.slice(1) : item, commandPartitions[platform]);

export function makeAsk(
  world: World,
  platform: Platform,
  item: string,
  n: number,
  verb: Ask['verb'],
  lane: Lane,
  fields: Readonly<Record<string, Value>>,
  seen: RefState['seen'],
  after: Position,
): Ask {
  return {
    id: `${item}#${n}`,
    verb,
    partition: itemPartition(platform, item),
    lane,
    askedAt: world.now,
    expiresAt: world.now + askLifeMs,
    after,
    fields,
    before: Object.fromEntries(Object.keys(fields).map((field) => [field, comparable(seen[field]?.value ?? null)])),
    expected: {},
    got: {},
    done: [],
    resultAt: null,
    doubt: false,
    sentAt: 0,
    lineage: world.lineage,
    late: false,
  };
}

export function opened(world: World, platform: Platform, partition: number, item: string, lane: Lane): void {
  const slot = openKey(platform, partition, openSlotOf(item));
  world.putItems(slot, [...world.items(slot), item]);
  world.count(partitionKey(platform, partition), { open: 1, ...(lane === 'bulk' && { openBulk: 1 }) });
}

export function closed(world: World, platform: Platform, item: string, ask: Ask): void {
  const slot = openKey(platform, ask.partition, openSlotOf(item));
  const items = world.items(slot);
  if (!items.includes(item)) return;
  world.putItems(
    slot,
    items.filter((other) => other !== item),
  );
  world.count(partitionKey(platform, ask.partition), { open: -1, ...(ask.lane === 'bulk' && { openBulk: -1 }) });
  world.stirred.add(`${platform}:${ask.partition}`);
}

/** Counts and sends the ask of a create, under the id it was first asked for: a customer that was merged since keeps it. */
export function sendCreate(world: World, platform: Platform, entity: EntityState, ask: Ask): void {
  const item = ask.id.slice(0, ask.id.lastIndexOf('#'));
  opened(world, platform, ask.partition, item, ask.lane);
  send(world, platform, world.rules.entities[entity.entity].sides[platform].object, '', item.slice(1), ask);
}

/** Of a long list an ask keeps only the hash: then it is the one that stands there now. */
const listBefore = (kept: Value | undefined, now: Value | undefined): Value =>
  (typeof kept === 'string' ? now : kept) ?? null;

export function send(
  world: World,
  platform: Platform,
  object: string,
  ref: string,
  key: string,
  ask: Ask,
  seen: RefState['seen'] = {},
): void {
  const epoch = world.cursor(partitionKey(platform, ask.partition)).s['epoch'] ?? '';
  const value: Command = {
    id: ask.id,
    platform,
    epoch,
    verb: ask.verb,
    object,
    ref,
    key,
    fields: ask.fields,
    // A sink needs to know what stands there only for sets of links, which it changes by the difference.
    before: Object.fromEntries(
      Object.entries(ask.fields).flatMap(([field, value]) =>
        Array.isArray(value) && seen[field] !== undefined
          ? [[field, listBefore(ask.before[field], seen[field]?.value)]]
          : [],
      ),
    ),
    lane: ask.lane,
    askedAt: ask.askedAt,
    expiresAt: ask.expiresAt,
    doubt: ask.doubt,
    lineage: ask.lineage,
  };
  world.emit({
    topic: `${platform}.commands`,
    key: ref === '' ? key : ref,
    schema: 'Command',
    value,
    partition: ask.partition,
  });
}

/** Puts off a create that a sink of the epoch before may have carried out; creates.ts knows how. */
export type PutOff = (world: World, entity: EntityState, create: CreateState) => void;

/**
 * A sink took the partition: its open asks are sent again, with a new life, under the new epoch. A create that the platform
 * would carry out twice is put off instead.
 */
export function resend(world: World, platform: Platform, partition: number, putOff: PutOff): void {
  world.load(Array.from({ length: openSlotCount }, (_, slot) => openKey(platform, partition, slot)));
  for (let slot = 0; slot < openSlotCount; slot++) {
    for (const item of world.items(openKey(platform, partition, slot))) {
      if (item.startsWith('+')) {
        const entity = world.living(item.slice(1));
        const create = entity?.creates.find(
          (one) => one.platform === platform && one.state === 'open' && one.ask?.id.startsWith(`${item}#`) === true,
        );
        if (entity === undefined || create?.ask == null) continue;
        if (!world.rules.entities[entity.entity].sides[platform].keyed) {
          closed(world, platform, item, create.ask);
          putOff(world, entity, create);
          continue;
        }
        // A sink of the epoch before may have begun it: from now on it is in doubt, whatever a later sink says of itself.
        const ask = { ...create.ask, expiresAt: world.now + askLifeMs, askedAt: world.now, doubt: true };
        world.putEntity({ ...entity, creates: entity.creates.map((one) => (one === create ? { ...one, ask } : one)) });
        send(world, platform, world.rules.entities[entity.entity].sides[platform].object, '', item.slice(1), ask);
      } else {
        const ref = world.ref(item);
        if (ref?.open == null) continue;
        const ask = { ...ref.open, expiresAt: world.now + askLifeMs, askedAt: world.now, doubt: true };
        world.putRef({ ...ref, open: ask });
        send(world, platform, parseRef(item).object, item, ref.id, ask, ref.seen);
      }
    }
  }
}
