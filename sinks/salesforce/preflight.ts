/**
 * Before the first command: does every object that is written have our marker and every field that the mapping names, and
 * may we write them? Salesforce refuses a whole row for one field that is missing or may not be written.
 */
import { type DescribedField, fieldsOf, type SalesforceOpening } from '../../connectors/salesforce/client.ts';
import type { Config, EntityName } from '../../core/config.ts';
import { TributaryError } from '../../core/errors.ts';
import type { SalesforceObject, SalesforceObjects } from './plan.ts';

/** Given out by the platform, so mapped to be read and never to be asked for. */
const issued = 'Id';

/**
 * The objects that flows write, by name.
 * @throws TributaryError MAPPING_UNKNOWN_FIELD naming the field, or one that passes
 */
export async function writtenObjects(
  { rest }: Pick<SalesforceOpening, 'rest'>,
  config: Config,
): Promise<SalesforceObjects> {
  const objects: Record<string, SalesforceObject> = {};
  const flows = { customer: config.flows['contact-sync'], account: config.flows['account-sync'] } as const;
  for (const name of ['customer', 'account'] satisfies EntityName[]) {
    if (flows[name].salesforce === undefined) continue;
    const { salesforce, fields } = config.entities[name];
    for (const side of ['salesforce', 'lead'] as const) {
      const object = side === 'lead' ? salesforce.lead : salesforce.object;
      if (object === null) continue;
      const described = await fieldsOf(rest, object);
      const marker = described.get(salesforce.marker);
      checkMarker(object, salesforce.marker, marker);
      const mapped = fields.flatMap((field) => {
        const api = field[side];
        if (api === undefined) return [];
        checkField(object, api, described.get(api), field.owner === 'salesforce' || api === issued);
        return [{ api, type: field.type }];
      });
      const names = [...new Set([salesforce.marker, ...mapped.map(({ api }) => api)])];
      objects[object] = {
        marker: salesforce.marker,
        email: mapped.find(({ type }) => type === 'email')?.api ?? null,
        fields: names,
        multiSelects: names.filter((api) => described.get(api)?.type === 'multipicklist'),
      };
    }
  }
  return objects;
}

function checkMarker(object: string, field: string, found: DescribedField | undefined): void {
  if (found === undefined) throw unfit(object, field, 'does not exist, or the user may not see it');
  if (!found.externalId || !found.unique)
    throw unfit(
      object,
      field,
      'is not an external id with unique values: a repeated create would make a second record',
    );
  if (!found.createable || !found.updateable) throw unfit(object, field, 'may not be written by the user');
}

function checkField(object: string, field: string, found: DescribedField | undefined, onlyRead: boolean): void {
  if (found === undefined) throw unfit(object, field, 'does not exist, or the user may not see it');
  if (onlyRead || found.updateable) return;
  throw unfit(object, field, 'may not be written: give it owner: salesforce, or the user the permission to edit it');
}

const unfit = (object: string, field: string, why: string): TributaryError =>
  new TributaryError('MAPPING_UNKNOWN_FIELD', `Salesforce: ${object}.${field} ${why}`, { field });
