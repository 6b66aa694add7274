/** What one answer of Intercom says about the record and the fields that were asked. Pure. */
import type { Verdict } from '../../connectors/intercom/classify.ts';
import { TributaryError } from '../../core/errors.ts';
import type { Passing } from '../../core/passing.ts';
import { intercomRef, observeIntercom } from '../../processors/decode/intercom.ts';
import type { Observation } from '../../schemas/types.ts';
import { askedName, blamed, type Fields, membershipField, scalarNames, without } from './body.ts';

/** A verdict that ends a call: retries and waits are behind it. */
export type Settled = Exclude<Verdict, Passing>;
export type Ok = Extract<Settled, { kind: 'ok' }>;

/**
 * The record told. Undefined when it is not the one of this `id` (empty: any), or when the answer does not say of which moment
 * it speaks: at no position at all every later observation would count as newer, and the next replayed one as somebody's edit.
 */
export function told(object: 'contact' | 'company', { body, time }: Ok, id = ''): Observation | undefined {
  if (time === 0) return undefined;
  try {
    const observation = observeIntercom(object, body, { via: 'answer', at: time });
    const isIts = id === '' || observation.ref === intercomRef(object, id);
    return isIts && observation.at.time > 0 ? observation : undefined;
  } catch (error) {
    if (error instanceof TributaryError && error.code === 'PAYLOAD_UNDECODABLE') return undefined;
    throw error;
  }
}

/** Fields whose values no two contacts may share. */
const uniqueFields = ['email', 'external_id'];

/** The one field of a write that its verdict is about, if it can be said. */
export function culprit(names: readonly string[], verdict: Settled): string | undefined {
  // A text about rights and plans has such words as "name" and "role" in it, and is about no value.
  if (verdict.kind === 'refuse' && verdict.code === 'CREDENTIALS_REFUSED') return askedName(names, verdict.field);
  if (verdict.kind === 'refuse') return blamed(names, verdict.field, verdict.text);
  if (verdict.kind !== 'exists') return undefined;
  const unique = names.filter((name) => uniqueFields.includes(name));
  return unique.length === 1 ? unique[0] : undefined;
}

export const refusal = (verdict: Settled, field: string): Settled =>
  verdict.kind === 'refuse'
    ? { ...verdict, field }
    : {
        kind: 'refuse',
        code: 'PLATFORM_REFUSED',
        field,
        text: verdict.kind === 'ok' ? '' : verdict.text,
        time: verdict.time,
      };

export const withCompanies = (observation: Observation, ids: readonly string[]): Observation => ({
  ...observation,
  fields: { ...observation.fields, [membershipField]: [...ids].sort() },
  unknown: observation.unknown.filter((field) => field !== membershipField),
});

/**
 * Memberships not told. Not whole any more, or they would count as told to be none; so the fields that were cleared, which
 * the answer leaves out, have to be named.
 */
export const withoutCompanies = (observation: Observation, asked: Fields): Observation => {
  const cleared = scalarNames(asked).filter((name) => asked[name] === null && !(name in observation.fields));
  return {
    ...observation,
    whole: false,
    fields: {
      ...Object.fromEntries(cleared.map((name) => [name, null])),
      ...without(observation.fields, membershipField),
    },
    unknown: [membershipField],
  };
};
