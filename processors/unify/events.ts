/** Canonical events: what other services consume. One event for each decision that changed a canonical field. */
import type {
  Account,
  AccountEvent,
  Customer,
  CustomerEvent,
  EntityState,
  FieldChange,
  Value,
} from '../../schemas/types.ts';
import { isRef } from './keys.ts';
import { ownerEmail } from './mapping.ts';
import { enroll } from './roster.ts';
import { type EntityKind, namedFields } from './rules.ts';
import { hashId } from './values.ts';
import type { World } from './world.ts';

type EventType = CustomerEvent['type'];

const linkFields: Readonly<Record<EntityKind, readonly string[]>> = {
  customer: ['ownerEmail', 'account'],
  account: ['ownerEmail'],
};

function attributesOf(entity: EntityState): Record<string, Value> {
  const hidden = new Set([...namedFields[entity.entity], ...linkFields[entity.entity]]);
  return Object.fromEntries(
    Object.entries(entity.fields)
      .filter(([name]) => !hidden.has(name))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, field]) => [name, field.value]),
  );
}

const textOf = (entity: EntityState, name: string): string | null => {
  const value = entity.fields[name]?.value ?? null;
  return value === null ? null : String(value);
};

/** Of a value that is no ref, from when the field had another type, the text is told as it is. */
function ownerOf(world: World, entity: EntityState): string | null {
  const text = textOf(entity, 'ownerEmail');
  return text !== null && isRef(text) ? ownerEmail(world, text) : text;
}

function accountImage(world: World, entity: EntityState): Account {
  const employees = entity.fields['employees']?.value;
  return {
    accountId: entity.id,
    name: textOf(entity, 'name'),
    domain: textOf(entity, 'domain'),
    industry: textOf(entity, 'industry'),
    employees: typeof employees === 'number' ? employees : null,
    ownerEmail: ownerOf(world, entity),
    attributes: attributesOf(entity),
    refs: entity.refs,
  };
}

function customerImage(world: World, entity: EntityState): Customer {
  return {
    customerId: entity.id,
    email: textOf(entity, 'email'),
    firstName: textOf(entity, 'firstName'),
    lastName: textOf(entity, 'lastName'),
    phone: textOf(entity, 'phone'),
    title: textOf(entity, 'title'),
    ownerEmail: ownerOf(world, entity),
    attributes: attributesOf(entity),
    refs: entity.refs,
  };
}

/** The account a customer belongs to, as it lives now. */
export function accountOf(world: World, entity: EntityState): EntityState | undefined {
  const id = entity.fields['account']?.value;
  return typeof id === 'string' ? world.living(id) : undefined;
}

/** Emits the event and its latest image; returns the entity with its new event version. */
export function emitEvent(
  world: World,
  entity: EntityState,
  type: EventType,
  changed: readonly FieldChange[],
): EntityState {
  const version = entity.version + 1;
  const next: EntityState = { ...entity, version };
  if (version === 1) enroll(world, entity.id);
  const { source } = world.record.change;
  const common = {
    eventId: hashId(entity.id, world.record.lineage, version),
    version,
    lineage: world.record.lineage,
    type,
    at: world.now,
    mergedInto: entity.mergedInto,
    changed,
    sources: [world.lineage, ...(source === null ? [] : [`${source.topic}/${source.partition}/${source.offset}`])],
  };
  if (entity.entity === 'account') {
    const value: AccountEvent = { ...common, accountId: entity.id, account: accountImage(world, next) };
    for (const topic of ['account.events', 'account.latest'] as const) {
      world.emit({ topic, key: entity.id, schema: 'AccountEvent', value });
    }
    return next;
  }
  const account = accountOf(world, entity);
  const value: CustomerEvent = {
    ...common,
    customerId: entity.id,
    customer: customerImage(world, next),
    account: account === undefined ? null : accountImage(world, account),
  };
  for (const topic of ['customer.events', 'customer.latest'] as const) {
    world.emit({ topic, key: entity.id, schema: 'CustomerEvent', value });
  }
  return next;
}
