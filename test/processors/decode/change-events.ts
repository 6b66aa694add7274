/** Change events for tests: a schema of the shape Salesforce publishes, and an encoder that knows nothing of the decoder. */
import { foreignType } from '../../../core/foreign-avro.ts';

type Json = Readonly<Record<string, unknown>>;

const optional = (name: string, type: unknown, doc?: string): Json => ({
  name,
  type: ['null', ...(Array.isArray(type) ? type : [type])],
  default: null,
  ...(doc === undefined ? {} : { doc }),
});

const headerField: Json = {
  name: 'ChangeEventHeader',
  doc: 'Data:ComplexValueType',
  type: {
    type: 'record',
    name: 'ChangeEventHeader',
    fields: [
      { name: 'entityName', type: 'string' },
      { name: 'recordIds', type: { type: 'array', items: 'string' } },
      {
        name: 'changeType',
        type: {
          type: 'enum',
          name: 'ChangeType',
          symbols: [
            'CREATE',
            'UPDATE',
            'DELETE',
            'UNDELETE',
            'GAP_CREATE',
            'GAP_UPDATE',
            'GAP_DELETE',
            'GAP_UNDELETE',
            'GAP_OVERFLOW',
            'SNAPSHOT',
          ],
        },
      },
      { name: 'changeOrigin', type: 'string' },
      { name: 'transactionKey', type: 'string' },
      { name: 'sequenceNumber', type: 'int' },
      { name: 'commitTimestamp', type: 'long' },
      { name: 'commitNumber', type: 'long' },
      { name: 'commitUser', type: 'string' },
      { name: 'nulledFields', type: { type: 'array', items: 'string' } },
      { name: 'diffFields', type: { type: 'array', items: 'string' } },
      { name: 'changedFields', type: { type: 'array', items: 'string' } },
    ],
  },
};

export function recordSchema(name: string, fields: readonly Json[]): Json {
  return { type: 'record', name, namespace: 'com.sforce.eventbus', fields: [headerField, ...fields] };
}

const address = {
  type: 'record',
  name: 'Address',
  fields: ['Street', 'City', 'State', 'PostalCode', 'Country']
    .map((part) => optional(part, 'string'))
    .concat(optional('Latitude', 'double')),
};
const personName = (name: string): Json => ({
  type: 'record',
  name,
  fields: ['Salutation', 'FirstName', 'LastName'].map((part) => optional(part, 'string')),
});
const location = {
  type: 'record',
  name: 'Location',
  fields: [optional('Latitude', 'double'), optional('Longitude', 'double')],
};

/** Positions: 1 AccountId, 2 Name, 3 OtherAddress, 4 MailingAddress, 5 Phone, 6 Email … */
export const contactSchema = recordSchema('ContactChangeEvent', [
  optional('AccountId', 'string', 'ForeignKey:EntityId'),
  optional('Name', personName('PersonName'), 'Data:PersonName'),
  optional('OtherAddress', address, 'Data:Address'),
  optional('MailingAddress', 'Address', 'Data:Address'),
  optional('Phone', 'string', 'Data:Phone'),
  optional('Email', 'string', 'Data:Email'),
  optional('Birthdate', 'long', 'Data:DateOnly'),
  optional('Description', 'string', 'Data:StringPlusClob'),
  optional('HasOptedOutOfEmail', 'boolean', 'Data:Boolean'),
  optional('LastModifiedDate', 'long', 'Data:DateTime'),
  optional('Languages__c', 'string', 'Data:MultiEnum:00NDp00000BbvCi'),
  optional('Opens__c', 'long', 'Data:TimeOnly:00NDp00000BbvCj'),
  optional('Seats__c', 'double', 'Data:Double:00NDp00000BbvCk'),
  optional('Place__c', location, 'Data:Location:00NDp00000BbvCl'),
]);

export const accountSchema = recordSchema('AccountChangeEvent', [
  optional('Name', ['string', personName('Switchable_PersonName')], 'Data:Switchable_PersonName'),
  optional('NumberOfEmployees', 'int', 'Data:Integer'),
]);

export const emptyHeader = {
  entityName: 'Contact',
  recordIds: ['003Dp00000A1b2CIAR'],
  changeType: 'UPDATE',
  changeOrigin: '',
  transactionKey: '00021f3c-5a77-9e10-4c2b-7d1e0a9b8c6d',
  sequenceNumber: 1,
  commitTimestamp: 1_772_615_722_000n,
  commitNumber: 1_652_977_933_433_528_300n,
  commitUser: '005Dp000000XyZaIAK',
  nulledFields: [] as readonly string[],
  diffFields: [] as readonly string[],
  changedFields: [] as readonly string[],
};

export interface EventParts {
  readonly header?: Partial<typeof emptyHeader>;
  readonly body?: Json;
}

/** A body with every field of the schema, null where `body` says nothing. */
export function eventValue(schema: Json, { header = {}, body = {} }: EventParts): Json {
  const fields = schema['fields'] as readonly { readonly name: string; readonly type: unknown }[];
  const value: Record<string, unknown> = { ChangeEventHeader: { ...emptyHeader, ...header } };
  for (const field of fields.slice(1)) value[field.name] = body[field.name] ?? null;
  return value;
}

export const encodeEvent = (schema: Json, parts: EventParts): Buffer =>
  foreignType(schema).toBuffer(eventValue(schema, parts));

/** Minimal-length upper-case hex of whole bytes, as captured in real orgs; BigInt here, digits in the decoder. */
export function bitmap(bits: readonly number[]): string {
  let number = 0n;
  for (const bit of bits) number |= 1n << BigInt(bit);
  const hex = number.toString(16).toUpperCase();
  return `0x${hex.length % 2 === 0 ? hex : `0${hex}`}`;
}
