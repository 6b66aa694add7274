/** Who works in the workspace, as `GET /admins` lists them. Pure. */
import { createHash } from 'node:crypto';
import { TributaryError } from '../../core/errors.ts';
import { isRecord, type Json } from '../../core/json.ts';

export const hashOf = (body: Buffer): string => createHash('sha256').update(body).digest('base64url');

export interface Teammate {
  readonly id: string;
  readonly body: Buffer;
  /** Of the body: what a teammate was last told as. */
  readonly hash: string;
}

/** @throws TributaryError PLATFORM_NONSENSE: a list that is not one must not read as "everybody left" */
export function teammatesIn(body: Json): readonly Teammate[] {
  const { admins } = body;
  if (!Array.isArray(admins)) throw new TributaryError('PLATFORM_NONSENSE', 'Intercom: GET /admins answered no list');
  return admins.map((admin: unknown) => {
    const id = isRecord(admin) ? admin['id'] : undefined;
    if ((typeof id !== 'string' && typeof id !== 'number') || id === '')
      throw new TributaryError('PLATFORM_NONSENSE', 'Intercom: GET /admins answered a teammate without an id');
    const body = Buffer.from(JSON.stringify(admin));
    return { id: String(id), body, hash: hashOf(body) };
  });
}
