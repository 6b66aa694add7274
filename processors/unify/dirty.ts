/**
 * Dirty records wait in persistent queues per platform, partition and lane, each at most once; an ask is made, from the
 * newest wanted values, when the partition's open asks are below the sink's window. So a full quota means waiting as a
 * set of records, never as a queue of stale commands.
 */
import type { Ask, EntityState, Position, RefState, Value } from '../../schemas/types.ts';
import { fitting } from './asks.ts';
import { itemPartition, makeAsk, opened, send } from './commands.ts';
import { awaitEmails, loadAwaited } from './emails.ts';
import { isSecondary, newRef } from './identity.ts';
import { commandPartitions, parseRef, partitionKey, queueKey, queueSegmentKey, refKey } from './keys.ts';
import { prefetch } from './prefetch.ts';
import { type EntityKind, type Side, sideOf } from './rules.ts';
import { pendingFields, putQuiet } from './standing.ts';
import { comparePositions, shown } from './values.ts';
import type { Lane, Platform, World } from './world.ts';

const segmentSize = 32;
/** Asks made while deciding one record; the rest goes on with the next record or tick. */
const asksPerRecord = 64;
export const lanes: readonly Lane[] = ['urgent', 'live', 'bulk'];

// ---- the queue: a first-in first-out list in segments, so that neither end rewrites the whole.

function append(world: World, platform: Platform, partition: number, lane: Lane, item: string): void {
  const key = queueKey(platform, partition, lane);
  const tail = world.cursor(key).n['tail'] ?? 0;
  const segment = queueSegmentKey(platform, partition, lane, Math.floor(tail / segmentSize));
  world.putItems(segment, [...world.items(segment), item]);
  world.count(key, { tail: 1 });
}

/** What asking for a segment of records will need, fetched together. */
function prefetchItems(world: World, items: readonly string[]): void {
  const refs = items.filter((item) => !item.startsWith('+'));
  world.load(refs.map(refKey));
  const owners = refs.flatMap((ref) => world.ref(ref)?.id ?? []).filter((id) => id !== '');
  const creates = items.filter((item) => item.startsWith('+')).map((item) => item.slice(1));
  prefetch(world, [...creates, ...owners]);
  loadAwaited(world, creates);
}

function hasItems(world: World, platform: Platform, partition: number, lane: Lane): boolean {
  const { n } = world.cursor(queueKey(platform, partition, lane));
  return (n['head'] ?? 0) < (n['tail'] ?? 0);
}

function takeFirst(world: World, platform: Platform, partition: number, lane: Lane): string | undefined {
  const key = queueKey(platform, partition, lane);
  const queue = world.cursor(key);
  const head = queue.n['head'] ?? 0;
  if (head >= (queue.n['tail'] ?? 0)) return undefined;
  const segment = Math.floor(head / segmentSize);
  const segmentKey = queueSegmentKey(platform, partition, lane, segment);
  const items = world.items(segmentKey);
  const item = items[head % segmentSize];
  if (head % segmentSize === 0) prefetchItems(world, items);
  if ((head + 1) % segmentSize === 0) world.putItems(segmentKey, []);
  world.count(key, { head: 1 });
  return item;
}

/** Is a record of it held, because something of it could not be decided, or is it ambiguous? Then nothing of it is written. */
export const isHeld = (world: World, entity: EntityState): boolean =>
  entity.ambiguous.length > 0 || isStuck(world, entity);

const isStuck = (world: World, entity: EntityState): boolean =>
  entity.refs.some((ref) => (world.ref(ref)?.held ?? '') !== '');

/** Is it not to be asked now? What is held may be read all the same, unless that is what could not be decided. */
const isBarred = (world: World, ref: RefState, entity: EntityState): boolean =>
  ref.reading ? isStuck(world, entity) : isHeld(world, entity);

/** Has it an open ask? That of its own create counts, where the record was told of before the result. */
const isBusy = (ref: RefState, entity: EntityState): boolean =>
  ref.open !== null ||
  entity.creates.some((create) => create.state === 'open' && ref.landed.some((ask) => ask.id === create.ask?.id));

/** Puts a ref on its queue if it has something to ask and no ask open. Idempotent. */
export function enqueueRef(world: World, ref: RefState, entity: EntityState, lane: Lane): RefState {
  const side = sideOf(world.rules.entities[entity.entity], ref.ref);
  if (!side.written || ref.deleted || isBusy(ref, entity) || isBarred(world, ref, entity)) return ref;
  if (isSecondary(world, entity, ref.ref)) return ref;
  if (ref.queued !== null && lanes.indexOf(ref.queued) <= lanes.indexOf(lane)) return ref;
  if (!ref.reading && Object.keys(pendingFields(world, side, ref, entity)).length === 0) return ref;
  return enqueue(world, ref, lane);
}

function enqueue(world: World, ref: RefState, lane: Lane): RefState {
  const { platform } = parseRef(ref.ref);
  const partition = itemPartition(platform, ref.ref);
  // Lifted to a better lane, it left a stale entry behind: back in that lane, it is the one.
  const isThere = ref.entries.includes(lane);
  if (!isThere) append(world, platform, partition, lane, ref.ref);
  world.stirred.add(`${platform}:${partition}`);
  const queued = { ...ref, queued: lane, entries: isThere ? ref.entries : [...ref.entries, lane] };
  world.putRef(queued);
  return queued;
}

/**
 * Has a record read that another one names and that nobody has told of. It has no entity before it is seen (its `id` is
 * empty), so whose it is is decided when there is something to decide it by.
 */
export function enqueueStranger(world: World, stranger: RefState, lane: Lane): void {
  enqueue(world, { ...stranger, reading: true }, lane);
}

/** Has a record read that was told to be gone, and to be there, within one second. */
export function enqueueGone(world: World, gone: RefState, lane: Lane): void {
  if (gone.open === null && gone.queued === null) enqueue(world, { ...gone, reading: true }, lane);
}

/** Only once: whatever the answer, the record is known then, if only as gone. */
export function readStranger(world: World, name: string, kind: EntityKind, lane: Lane): void {
  if (world.ref(name) === undefined) enqueueStranger(world, newRef(name, kind, ''), lane);
}

/** An item names an entity by the id that it had, so its entries are kept there, whoever it was merged into since. */
const entryOf = (platform: Platform, lane: Lane): string => `${platform}:${lane}`;

/** Puts the create of an entity on its queue, once. The entity has to be stored: it is changed by that. */
export function enqueueCreate(world: World, platform: Platform, entityId: string, lane: Lane): void {
  const partition = itemPartition(platform, `+${entityId}`);
  world.stirred.add(`${platform}:${partition}`);
  const entity = world.entity(entityId);
  if (entity === undefined || entity.entries.includes(entryOf(platform, lane))) return;
  append(world, platform, partition, lane, `+${entityId}`);
  world.putEntity({ ...entity, entries: [...entity.entries, entryOf(platform, lane)] });
}

/** The entry of a create was taken from its queue. */
function leaveQueue(world: World, platform: Platform, lane: Lane, entityId: string): void {
  const entity = world.entity(entityId);
  if (entity === undefined) return;
  world.putEntity({ ...entity, entries: entity.entries.filter((entry) => entry !== entryOf(platform, lane)) });
}

/** Makes the ask of an item `+<entity id>`; creates.ts knows how. */
export type AskCreate = (world: World, platform: Platform, lane: Lane, entityId: string) => void;

/** Asks as many dirty records of a stirred partition as its window takes, the urgent before the live before the bulk. */
export function dispatch(world: World, askCreate: AskCreate): void {
  let budget = asksPerRecord;
  for (const stirred of [...world.stirred].sort()) {
    const [platform, text] = stirred.split(':') as [Platform, string];
    const partition = Number(text);
    for (const lane of lanes) {
      while (budget > 0 && hasItems(world, platform, partition, lane) && hasRoom(world, platform, partition, lane)) {
        const item = takeFirst(world, platform, partition, lane);
        if (item === undefined) break;
        if (item.startsWith('+')) leaveQueue(world, platform, lane, item.slice(1));
        world.attempt(
          item,
          (one) => (item.startsWith('+') ? askCreate(one, platform, lane, item.slice(1)) : askUpdate(one, lane, item)),
          (outer, reason) => holdItem(outer, platform, lane, item, reason),
        );
        budget -= 1;
      }
    }
  }
}

function holdItem(world: World, platform: Platform, lane: Lane, item: string, reason: string): void {
  const held = reason.slice(0, 200);
  if (!item.startsWith('+')) {
    const ref = world.ref(item);
    if (ref === undefined) return;
    world.putRef({ ...ref, queued: null, entries: ref.entries.filter((one) => one !== lane), held });
    return;
  }
  const entity = world.entity(item.slice(1));
  if (entity === undefined) return;
  world.putEntity({
    ...entity,
    creates: entity.creates.map((one) => (one.platform === platform ? { ...one, state: 'refused', why: held } : one)),
  });
}

function hasRoom(world: World, platform: Platform, partition: number, lane: Lane): boolean {
  const { n, s } = world.cursor(partitionKey(platform, partition));
  if ((s['epoch'] ?? '') === '' || (n['open'] ?? 0) >= (n['window'] ?? 0)) return false;
  return lane !== 'bulk' || (n['openBulk'] ?? 0) < (n['bulkWindow'] ?? 0);
}

/** Every partition of every written platform: a tick looks whether something was left behind by the limit per record. */
export function stirAll(world: World): void {
  for (const platform of ['salesforce', 'intercom'] as const) {
    for (let partition = 0; partition < commandPartitions[platform]; partition++)
      world.stirred.add(`${platform}:${partition}`);
  }
}

/**
 * Would a value be written over one that nobody has looked at, of a field that was mapped after its record was read or of
 * a record that only a change of other fields told of? What is there may be newer. Fields of our own nobody else writes.
 */
const isBlind = (side: Side, ref: RefState, fields: Readonly<Record<string, Value>>): boolean =>
  side.links.some(
    ({ field, canonical }) =>
      canonical.length > 0 && field in fields && ref.seen[field] === undefined && !ref.looked.includes(field),
  );

/** What is to be asked of a record now, nothing for a reading; undefined: it is not its turn. */
function dueFields(world: World, ref: RefState): Readonly<Record<string, Value>> | undefined {
  // Of nobody yet, or taken to be gone: it can only be read.
  if (ref.id === '' || ref.deleted) return ref.reading && ref.open === null ? {} : undefined;
  const entity = world.living(ref.id);
  if (
    entity === undefined ||
    isBarred(world, ref, entity) ||
    isSecondary(world, entity, ref.ref) ||
    isBusy(ref, entity)
  )
    return undefined;
  if (ref.reading) return {};
  const side = sideOf(world.rules.entities[entity.entity], ref.ref);
  const fields = pendingFields(world, side, ref, entity);
  if (isBlind(side, ref, fields)) return {};
  return Object.keys(fields).length === 0 ? undefined : fields;
}

/**
 * Up to where these fields of a record are known. Salesforce's stream tells of every change; of Intercom the answer to a
 * call of memberships tells nothing of the other fields.
 */
function knownUntil({ ref, seen, newest }: RefState, fields: Ask['fields']): Position {
  const places = Object.keys(fields).map((field) => seen[field]?.at ?? newest);
  if (parseRef(ref).platform === 'salesforce' || places.length === 0) return newest;
  return places.reduce((first, at) => (comparePositions(at, first) < 0 ? at : first));
}

function askUpdate(world: World, lane: Lane, item: string): void {
  const { platform, object } = parseRef(item);
  const partition = itemPartition(platform, item);
  const ref = world.ref(item);
  if (ref === undefined) return;
  const entries = ref.entries.filter((one) => one !== lane);
  // Queued anew in a better lane, or gone meanwhile: this entry is stale.
  if (ref.queued !== lane) {
    world.putRef({ ...ref, entries });
    return;
  }
  let idle: RefState = { ...ref, queued: null, entries };
  const due = dueFields(world, ref);
  if (due === undefined) {
    world.putRef(idle);
    return;
  }
  // What may be out of date is read before anything is decided from it.
  const verb = Object.keys(due).length === 0 ? 'read' : 'update';
  const fields = fitting(idle, due, ref.seen);
  for (const field of Object.keys(due))
    if (!(field in fields)) idle = refuseLarge(world, idle, field, due[field] ?? null);
  if (verb === 'update' && Object.keys(fields).length === 0) {
    world.putRef(idle);
    return;
  }
  const ask = makeAsk(world, platform, item, ref.asks + 1, verb, lane, fields, ref.seen, knownUntil(ref, fields));
  world.putRef({ ...idle, open: ask, asks: ref.asks + 1, reading: false, moved: false });
  opened(world, platform, partition, item, lane);
  if (ref.entity !== null) awaitEmails(world, item, sideOf(world.rules.entities[ref.entity], item), fields);
  send(world, platform, object, item, ref.id, ask, ref.seen);
}

/** A value too long to be kept beside what is known of its record is not asked: the rest of the record is. */
function refuseLarge(world: World, ref: RefState, field: string, asked: Value): RefState {
  const got = ref.seen[field]?.value ?? null;
  const note = 'RECORD_TOO_LARGE: the value is too long to be written';
  world.journal({
    id: ref.id,
    kind: 'refused',
    field,
    value: shown(got),
    other: shown(asked),
    source: ref.ref,
    reason: note,
  });
  return putQuiet(ref, field, { asked, got, why: 'refused', note, ask: '' });
}
