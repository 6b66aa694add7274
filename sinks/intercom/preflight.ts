/**
 * Before the first command: does every field that the mapping names exist in Intercom, with a type that can hold it?
 * Intercom refuses a whole write for one unknown attribute, so a misspelt name would otherwise refuse every record.
 */
import { askIntercom, type Caller, type IntercomAccess } from '../../connectors/intercom/client.ts';
import { type Config, type FieldMapping, mappedFields } from '../../core/config.ts';
import { TributaryError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { standardFields } from '../../processors/decode/intercom.ts';
import { attributePrefix } from './body.ts';

type Model = 'contact' | 'company';

interface Need {
  /** Where the configuration says so, for the error. */
  readonly place: string;
  readonly model: Model;
  readonly field: string;
  readonly type: FieldMapping['type'];
}

interface Missing {
  readonly need: Need;
  readonly name: string;
  /** Of the attribute that is created. */
  readonly type: string;
}

interface Attribute {
  readonly name: string;
  readonly type: string;
  readonly archived: boolean;
  readonly writable: boolean;
}

/** What an attribute of that mapping type is created as, and what it may already be. */
const attributeTypes: Readonly<
  Record<FieldMapping['type'], { readonly create: string; readonly fits: readonly string[] }>
> = {
  text: { create: 'string', fits: ['string'] },
  email: { create: 'string', fits: ['string'] },
  fullName: { create: 'string', fits: ['string'] },
  owner: { create: 'string', fits: ['string'] },
  set: { create: 'string', fits: ['string'] },
  // Memberships are no attribute: a mapping that says otherwise cannot be served.
  account: { create: '', fits: [] },
  integer: { create: 'integer', fits: ['integer', 'float'] },
  // An integer attribute would cut the fraction, and the value would never agree again.
  number: { create: 'float', fits: ['float'] },
  boolean: { create: 'boolean', fits: ['boolean'] },
  optOut: { create: 'boolean', fits: ['boolean'] },
  date: { create: 'date', fits: ['date', 'datetime'] },
  datetime: { create: 'datetime', fits: ['date', 'datetime'] },
};

function needsOf(config: Config): readonly Need[] {
  const markers = (['customer', 'account'] as const).map((entity): Need => {
    const { object, marker } = config.entities[entity].intercom;
    return { place: `entities.${entity}.intercom.marker`, model: object, field: marker, type: 'text' };
  });
  const fields = mappedFields(config).flatMap(({ entity, mapping, field }): readonly Need[] =>
    field.intercom === undefined
      ? []
      : [
          {
            place: `entities.${entity}.fields`,
            model: mapping.intercom.object,
            field: field.intercom,
            type: field.type,
          },
        ],
  );
  return [...markers, ...fields];
}

/**
 * Checks, and creates missing attributes where the configuration allows it.
 * @throws TributaryError MAPPING_UNKNOWN_FIELD naming the field, or one that passes
 */
export async function preflight(
  config: Config,
  access: IntercomAccess,
  caller: Caller,
  created: (model: Model, name: string) => void,
): Promise<void> {
  for (const { need, name, type } of await missingAttributes(config, access, caller)) {
    await define(access, caller, need, name, type);
    created(need.model, name);
  }
}

/** Attributes to be created; everything else is as the mapping needs it. @throws as `preflight` */
export async function missingAttributes(
  config: Config,
  access: IntercomAccess,
  caller: Caller,
): Promise<readonly Missing[]> {
  const missing: Missing[] = [];
  const needs = needsOf(config);
  const known = new Map<Model, readonly Attribute[]>();
  for (const model of ['contact', 'company'] as const) known.set(model, await attributes(access, caller, model));
  for (const need of needs) {
    if (!need.field.startsWith(attributePrefix)) {
      if (!standardFields[need.model].includes(need.field))
        throw unknown(need, `${need.field} is not a field of an Intercom ${need.model} that can be kept in step`);
      continue;
    }
    const name = need.field.slice(attributePrefix.length);
    const found = known.get(need.model)?.find((attribute) => attribute.name === name);
    const { create, fits } = attributeTypes[need.type];
    if (found === undefined && create !== '' && config.intercom.createAttributes)
      missing.push({ need, name, type: create });
    else checkAttribute(need, found, fits);
  }
  return missing;
}

function checkAttribute(need: Need, found: Attribute | undefined, fits: readonly string[]): void {
  if (fits.length === 0) throw unknown(need, `${need.field} cannot hold a value of the type ${need.type}`);
  if (found === undefined) throw unknown(need, `Intercom has no ${need.model} attribute ${need.field}`);
  if (found.archived) throw unknown(need, `the Intercom ${need.model} attribute ${need.field} is archived`);
  if (!found.writable)
    throw unknown(need, `the Intercom ${need.model} attribute ${need.field} cannot be written by API`);
  if (!fits.includes(found.type))
    throw unknown(
      need,
      `the Intercom ${need.model} attribute ${need.field} is of the type ${found.type}; ${need.type} needs ${fits.join(' or ')}`,
    );
}

const unknown = (need: Need, message: string): TributaryError =>
  new TributaryError('MAPPING_UNKNOWN_FIELD', `${need.place}: ${message}`, { field: need.field });

const isAttribute = (one: unknown): one is Record<string, unknown> & { name: string; data_type: string } =>
  isRecord(one) && typeof one['name'] === 'string' && typeof one['data_type'] === 'string';

async function attributes(access: IntercomAccess, caller: Caller, model: Model): Promise<readonly Attribute[]> {
  const { body } = await askIntercom(access, caller, { kind: 'listAttributes', model });
  const { data } = body;
  // Not a list of attributes is not a workspace without any: each would be made, or the mapping be called wrong.
  if (!Array.isArray(data) || !data.every(isAttribute))
    throw new TributaryError('PLATFORM_NONSENSE', 'Intercom: GET /data_attributes answered no list of attributes');
  return data.map((one) => ({
    name: one.name,
    type: one.data_type,
    archived: one['archived'] === true,
    writable: one['api_writable'] !== false,
  }));
}

/** A name used on the other model is refused by Intercom; its text says so and goes to the operator as it is. */
async function define(access: IntercomAccess, caller: Caller, need: Need, name: string, type: string): Promise<void> {
  try {
    await askIntercom(access, caller, { kind: 'createAttribute', model: need.model, name, type });
  } catch (error) {
    if (!(error instanceof TributaryError) || error.code !== 'PLATFORM_REFUSED') throw error;
    throw unknown(need, `Intercom does not take the ${need.model} attribute ${need.field}: ${error.message}`);
  }
}
