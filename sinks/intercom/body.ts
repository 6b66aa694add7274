/** Commands in Intercom's spelling. Pure. */
import { isRecord } from '../../core/json.ts';
import type { Command, Value } from '../../schemas/types.ts';

export const attributePrefix = 'custom_attributes.';

/** Memberships are not a field of a contact on the wire: they are attached and detached one by one. */
export const membershipField = 'companies';

export type Fields = Command['fields'];

/** Flat platform fields → request body: `custom_attributes.level` stands nested; null clears; what is absent stays. */
export function toBody(fields: Fields): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  const custom: Record<string, Value> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (name === membershipField) continue;
    if (name.startsWith(attributePrefix)) custom[name.slice(attributePrefix.length)] = value;
    else body[name] = value;
  }
  if (Object.keys(custom).length > 0) body['custom_attributes'] = custom;
  return body;
}

export const scalarNames = (fields: Fields): readonly string[] =>
  Object.keys(fields).filter((name) => name !== membershipField);

export const without = (fields: Fields, name: string): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([field]) => field !== name));

/** Ids of a set of links; undefined: not told. */
export function linksOf(value: Value | undefined): readonly string[] | undefined {
  if (value === undefined) return undefined;
  return typeof value === 'object' && value !== null ? value : [];
}

/** Value of a flat field in an answer's body. */
export function valueIn(body: Readonly<Record<string, unknown>>, name: string): unknown {
  if (!name.startsWith(attributePrefix)) return body[name];
  const custom = body['custom_attributes'];
  return isRecord(custom) ? custom[name.slice(attributePrefix.length)] : undefined;
}

/** Ids of the records that a list holds; undefined: it is not a list of records. */
export function idsIn({ data }: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  if (!Array.isArray(data)) return undefined;
  const ids = data.flatMap((one: unknown) => (isRecord(one) && typeof one['id'] === 'string' ? [one['id']] : []));
  return ids.length === data.length ? ids : undefined;
}

/** The field asked that the platform calls `field`; undefined: none, it may name any part of the body or of its own. */
export const askedName = (names: readonly string[], field: string): string | undefined =>
  names.find((name) => field !== '' && (name === field || name === `${attributePrefix}${field}`));

/**
 * Which of the fields asked a refusal is about: the one the platform names in `field`, else the only one whose name its
 * text mentions ("owner specified is not a member" is about owner_id). Undefined when it cannot be said.
 */
export function blamed(names: readonly string[], field: string, text: string): string | undefined {
  const named = askedName(names, field);
  if (named !== undefined) return named;
  const mentioned = names.filter((name) => {
    const word = (
      name.startsWith(attributePrefix) ? name.slice(attributePrefix.length) : name.replace(/_id$/, '')
    ).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return new RegExp(`(?<![A-Za-z0-9_])${word}(?![A-Za-z0-9])`, 'i').test(text);
  });
  return mentioned.length === 1 ? mentioned[0] : undefined;
}
