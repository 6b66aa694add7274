/** A small change event of Salesforce's shape, for tests that only need one: header, a compound, four plain fields. */
import avsc from 'avsc';

const texts = { type: 'array', items: 'string' };
const header = {
  type: 'record',
  name: 'ChangeEventHeader',
  fields: [
    { name: 'entityName', type: 'string' },
    { name: 'recordIds', type: texts },
    { name: 'changeType', type: { type: 'enum', name: 'ChangeType', symbols: ['CREATE', 'UPDATE', 'DELETE'] } },
    { name: 'changeOrigin', type: 'string' },
    { name: 'transactionKey', type: 'string' },
    { name: 'sequenceNumber', type: 'int' },
    { name: 'commitTimestamp', type: 'long' },
    { name: 'commitNumber', type: 'long' },
    { name: 'commitUser', type: 'string' },
    { name: 'nulledFields', type: texts },
    { name: 'diffFields', type: texts },
    { name: 'changedFields', type: texts },
  ],
};
const field = (name: string, type: unknown, doc: string) => ({ name, type: ['null', type], doc, default: null });
const person = {
  type: 'record',
  name: 'PersonName',
  fields: [
    field('Salutation', 'string', 'Data:EnumOrId'),
    field('FirstName', 'string', 'Data:Text'),
    field('LastName', 'string', 'Data:Text'),
  ],
};

export const contactSchema = {
  type: 'record',
  name: 'ContactChangeEvent',
  namespace: 'com.sforce.eventbus',
  fields: [
    { name: 'ChangeEventHeader', type: header },
    field('Name', person, 'Data:Name'),
    field('Email', 'string', 'Data:Email'),
    field('Phone', 'string', 'Data:Phone'),
    field('Description', 'string', 'Data:TextArea'),
    field('Seats__c', 'double', 'Data:Double'),
  ],
};

/** An update that gave a first name and an e-mail address, cleared the phone and told a text only as a difference. */
const contactUpdate = {
  ChangeEventHeader: {
    entityName: 'Contact',
    recordIds: ['003000000000001AAA'],
    changeType: 'UPDATE',
    changeOrigin: 'com/salesforce/api/rest/67.0;client=crm-ui',
    transactionKey: '0005163d-1e2a-4c1e-8a58-a1c5c1e5b1a2',
    sequenceNumber: 1,
    commitTimestamp: 1_767_323_045_000,
    commitNumber: 10_585_193_272_713,
    commitUser: '005000000000001AAA',
    nulledFields: ['0x8'],
    diffFields: ['0x10'],
    changedFields: ['0x1C', '1-0x2'],
  },
  Name: { Salutation: null, FirstName: 'Mara', LastName: null },
  Email: 'mara@orchard.example',
  Phone: null,
  Description: '--- a/Description',
  Seats__c: null,
};

export const contactBytes = (): Buffer =>
  avsc.Type.forSchema(contactSchema as avsc.Schema, { wrapUnions: 'never' }).toBuffer(contactUpdate);
