/** Before anything is read: is it our org, and does it have every field the mappings name? */
import type { Config, EntityName } from '../../core/config.ts';
import { TributaryError } from '../../core/errors.ts';
import { describe, type ObjectShape } from './reads.ts';
import type { SalesforceRest } from './rest.ts';

/** Another org under the same identity map would link strangers: record ids of two orgs may be equal. */
export function checkOrg(actual: string, pins: readonly (string | null)[]): void {
  const other = pins.find((pin) => pin !== null && pin !== actual);
  if (other === undefined) return;
  throw new TributaryError(
    'PLATFORM_OTHER_ORG',
    `the credentials lead to org ${actual}, this deployment is pinned to ${other}`,
    { field: 'salesforce.orgId' },
  );
}

/** Shapes of the objects to read, by name. @throws TributaryError MAPPING_UNKNOWN_FIELD naming every wrong one */
export async function shapesOf(
  rest: SalesforceRest,
  entities: Config['entities'],
  objects: readonly string[],
): Promise<ReadonlyMap<string, ObjectShape>> {
  const wanted = new Map(objects.map((object) => [object, [] as { field: string; mapping: string }[]]));
  for (const name of ['customer', 'account'] satisfies EntityName[]) {
    const { salesforce, fields } = entities[name];
    for (const side of ['salesforce', 'lead'] as const) {
      const object = side === 'lead' ? salesforce.lead : salesforce.object;
      if (object === null) continue;
      const list = wanted.get(object) ?? [];
      wanted.set(object, list);
      list.push({ field: salesforce.marker, mapping: `entities.${name}.salesforce.marker` });
      for (const { canonical, [side]: field } of fields) {
        if (field === undefined) continue;
        list.push({ field, mapping: `entities.${name}.fields (${[canonical].flat().join(', ')})` });
      }
    }
  }
  const shapes = new Map<string, ObjectShape>();
  const missing: { field: string; mapping: string; object: string }[] = [];
  for (const [object, mapped] of wanted) {
    const { described, shape } = await describe(rest, object).catch((error: unknown) => {
      const ours = TributaryError.from(error);
      if (ours.code !== 'PLATFORM_REFUSED') throw ours;
      throw new TributaryError(
        'MAPPING_UNKNOWN_FIELD',
        `Salesforce has no readable object ${object}: ${ours.message}`,
        {
          cause: ours,
          field: object,
        },
      );
    });
    for (const one of mapped) if (!described.has(one.field)) missing.push({ ...one, object });
    shapes.set(object, shape(mapped.map(({ field }) => field)));
  }
  const [first] = missing;
  if (first === undefined) return shapes;
  const text = missing.map(({ field, mapping, object }) => `${object}.${field}, which ${mapping} names`).join('; ');
  throw new TributaryError('MAPPING_UNKNOWN_FIELD', `Salesforce has no readable field ${text}`, { field: first.field });
}
