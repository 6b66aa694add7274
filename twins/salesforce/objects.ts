import { type Facts, type Field, type FieldType, field, type ObjectType } from './metadata.ts';

/**
 * The org's objects as data: a further object is a further entry in `standardObjects`, never a branch somewhere.
 * Names, lengths and flags are those a describe of a plain org gives.
 */

const text = (name: string, length: number, facts: Facts = {}): Field => field('string', name, { length, ...facts });
const longText = (name: string, length: number): Field =>
  field('textarea', name, { length, ...(length > 255 && { doc: 'StringPlusClob' }) });
const phone = (name: string): Field => field('phone', name, { length: 40 });
const pick = (name: string, length: number, picklist: readonly string[], facts: Facts = {}): Field =>
  field('picklist', name, { length, picklist, ...facts });
const reference = (name: string, referenceTo: string, facts: Facts = {}): Field =>
  field('reference', name, {
    length: 18,
    referenceTo: [referenceTo],
    relationship: name.replace(/Id$/, ''),
    ...facts,
  });
const readOnly = { createable: false, updateable: false } as const;

const address = (name: string): readonly Field[] => {
  const prefix = name.replace(/Address$/, '');
  const part = (type: FieldType, partName: string, facts: Facts): Field =>
    field(type, `${prefix}${partName}`, { ...facts, compound: [name, partName] });
  return [
    part('textarea', 'Street', { length: 255 }),
    part('string', 'City', { length: 40 }),
    part('string', 'State', { length: 80 }),
    part('string', 'PostalCode', { length: 20 }),
    part('string', 'Country', { length: 80 }),
    part('double', 'Latitude', { precision: 18, scale: 15 }),
    part('double', 'Longitude', { precision: 18, scale: 15 }),
    part('picklist', 'GeocodeAccuracy', { length: 40, picklist: accuracies, restricted: true, doc: 'StaticEnum' }),
    field('address', name, readOnly),
  ];
};
const accuracies = [
  'Address',
  'NearAddress',
  'Block',
  'Street',
  'ExtendedZip',
  'Zip',
  'Neighborhood',
  'City',
  'County',
  'State',
  'Unknown',
];

const personName: readonly Field[] = [
  text('LastName', 80, { required: true, compound: ['Name', 'LastName'] }),
  text('FirstName', 40, { compound: ['Name', 'FirstName'] }),
  pick('Salutation', 40, ['Mr.', 'Ms.', 'Mrs.', 'Dr.', 'Prof.'], { compound: ['Name', 'Salutation'] }),
  text('Name', 121, readOnly),
];

const identity: readonly Field[] = [field('id', 'Id', { length: 18, ...readOnly, idLookup: true })];
const deletedFlag = field('boolean', 'IsDeleted', readOnly);
/** The record that a merged one lives on as. Not in events. */
const masterOf = (name: string): Field => reference('MasterRecordId', name, readOnly);
const audit: readonly Field[] = [
  field('datetime', 'CreatedDate', readOnly),
  reference('CreatedById', 'User', readOnly),
  field('datetime', 'LastModifiedDate', readOnly),
  reference('LastModifiedById', 'User', readOnly),
  field('datetime', 'SystemModstamp', readOnly),
];
const auditEvents = ['CreatedDate', 'CreatedById', 'LastModifiedDate', 'LastModifiedById'] as const;
const owner = reference('OwnerId', 'User');
const marker = text('Tributary_Id__c', 36, { unique: true, externalId: true, idLookup: true });
const level = pick('Level__c', 255, ['Primary', 'Secondary', 'Tertiary'], { restricted: true });
const newsletter = field('boolean', 'Newsletter__c');
const sources = ['Web', 'Phone Inquiry', 'Partner Referral', 'Purchased List', 'Other'];

const leadStatuses = ['Open - Not Contacted', 'Working - Contacted', 'Closed - Converted', 'Closed - Not Converted'];
const industries = ['Agriculture', 'Banking', 'Biotechnology', 'Consulting', 'Education', 'Energy', 'Technology'];
const ratings = ['Hot', 'Warm', 'Cold'];

const contact: ObjectType = {
  name: 'Contact',
  label: 'Contact',
  plural: 'Contacts',
  keyPrefix: '003',
  deletable: true,
  mergeable: true,
  fields: [
    ...identity,
    deletedFlag,
    masterOf('Contact'),
    reference('AccountId', 'Account', { cascade: true }),
    ...personName,
    ...address('OtherAddress'),
    ...address('MailingAddress'),
    phone('Phone'),
    phone('Fax'),
    phone('MobilePhone'),
    phone('HomePhone'),
    phone('OtherPhone'),
    phone('AssistantPhone'),
    reference('ReportsToId', 'Contact'),
    field('email', 'Email', { length: 80, idLookup: true }),
    text('Title', 128),
    text('Department', 80),
    text('AssistantName', 40),
    pick('LeadSource', 255, sources),
    field('date', 'Birthdate'),
    longText('Description', 32000),
    owner,
    field('boolean', 'HasOptedOutOfEmail'),
    field('boolean', 'HasOptedOutOfFax'),
    field('boolean', 'DoNotCall'),
    ...audit,
    text('EmailBouncedReason', 255),
    field('datetime', 'EmailBouncedDate'),
    level,
    field('double', 'Seats__c', { precision: 8, scale: 0 }),
    newsletter,
    field('date', 'Renewal_Date__c'),
    field('datetime', 'Last_Order_At__c'),
    field('double', 'Score__c', { precision: 5, scale: 2 }),
    field('multipicklist', 'Languages__c', {
      length: 4099,
      picklist: ['English', 'French', 'German', 'Italian', 'Japanese', 'Portuguese', 'Spanish'],
      restricted: true,
    }),
    marker,
  ],
  events: [
    'AccountId',
    'Name',
    'OtherAddress',
    'MailingAddress',
    'Phone',
    'Fax',
    'MobilePhone',
    'HomePhone',
    'OtherPhone',
    'AssistantPhone',
    'ReportsToId',
    'Email',
    'Title',
    'Department',
    'AssistantName',
    'LeadSource',
    'Birthdate',
    'Description',
    'OwnerId',
    'HasOptedOutOfEmail',
    'HasOptedOutOfFax',
    'DoNotCall',
    ...auditEvents,
    'EmailBouncedReason',
    'EmailBouncedDate',
  ],
};

const account: ObjectType = {
  name: 'Account',
  label: 'Account',
  plural: 'Accounts',
  keyPrefix: '001',
  deletable: true,
  mergeable: true,
  fields: [
    ...identity,
    deletedFlag,
    masterOf('Account'),
    text('Name', 255, { required: true, doc: 'Switchable_PersonName' }),
    pick('Type', 40, ['Prospect', 'Customer - Direct', 'Customer - Channel', 'Technology Partner', 'Other']),
    reference('ParentId', 'Account'),
    ...address('BillingAddress'),
    ...address('ShippingAddress'),
    phone('Phone'),
    phone('Fax'),
    text('AccountNumber', 40),
    field('url', 'Website', { length: 255 }),
    text('Sic', 20),
    pick('Industry', 40, industries),
    field('currency', 'AnnualRevenue', { precision: 18, scale: 0 }),
    field('int', 'NumberOfEmployees', { precision: 8, scale: 0 }),
    pick('Ownership', 40, ['Public', 'Private', 'Subsidiary', 'Other']),
    text('TickerSymbol', 20),
    longText('Description', 32000),
    pick('Rating', 40, ratings),
    text('Site', 80),
    owner,
    ...audit,
    pick('AccountSource', 40, sources),
    pick('Tier__c', 255, ['Bronze', 'Silver', 'Gold', 'Platinum'], { restricted: true }),
    field('currency', 'Contract_Value__c', { precision: 16, scale: 2 }),
    marker,
  ],
  events: [
    'Name',
    'Type',
    'ParentId',
    'BillingAddress',
    'ShippingAddress',
    'Phone',
    'Fax',
    'AccountNumber',
    'Website',
    'Sic',
    'Industry',
    'AnnualRevenue',
    'NumberOfEmployees',
    'Ownership',
    'TickerSymbol',
    'Description',
    'Rating',
    'Site',
    'OwnerId',
    ...auditEvents,
    'AccountSource',
  ],
};

/**
 * The positions of Status (12), of the conversion (19 to 23) and of the audit trail (25 to 28) are those of published
 * events; what follows them is a guess.
 */
const lead: ObjectType = {
  name: 'Lead',
  label: 'Lead',
  plural: 'Leads',
  keyPrefix: '00Q',
  deletable: true,
  mergeable: true,
  fields: [
    ...identity,
    deletedFlag,
    masterOf('Lead'),
    ...personName,
    text('Title', 128),
    text('Company', 255, { required: true }),
    ...address('Address'),
    phone('Phone'),
    phone('MobilePhone'),
    phone('Fax'),
    field('email', 'Email', { length: 80, idLookup: true }),
    field('url', 'Website', { length: 255 }),
    longText('Description', 32000),
    pick('LeadSource', 255, sources),
    pick('Status', 255, leadStatuses, { required: true, initial: 'Open - Not Contacted' }),
    pick('Industry', 255, industries),
    pick('Rating', 255, ratings),
    field('currency', 'AnnualRevenue', { precision: 18, scale: 0 }),
    field('int', 'NumberOfEmployees', { precision: 8, scale: 0 }),
    owner,
    field('boolean', 'HasOptedOutOfEmail'),
    field('boolean', 'IsConverted', { updateable: false }),
    field('date', 'ConvertedDate', readOnly),
    reference('ConvertedAccountId', 'Account', readOnly),
    reference('ConvertedContactId', 'Contact', readOnly),
    reference('ConvertedOpportunityId', 'Opportunity', readOnly),
    field('boolean', 'IsUnreadByOwner', { initial: true }),
    ...audit,
    field('boolean', 'DoNotCall'),
    field('boolean', 'HasOptedOutOfFax'),
    text('EmailBouncedReason', 255),
    field('datetime', 'EmailBouncedDate'),
    level,
    newsletter,
    marker,
  ],
  events: [
    'Name',
    'Title',
    'Company',
    'Address',
    'Phone',
    'MobilePhone',
    'Fax',
    'Email',
    'Website',
    'Description',
    'LeadSource',
    'Status',
    'Industry',
    'Rating',
    'AnnualRevenue',
    'NumberOfEmployees',
    'OwnerId',
    'HasOptedOutOfEmail',
    'IsConverted',
    'ConvertedDate',
    'ConvertedAccountId',
    'ConvertedContactId',
    'ConvertedOpportunityId',
    'IsUnreadByOwner',
    ...auditEvents,
    'DoNotCall',
    'HasOptedOutOfFax',
    'EmailBouncedReason',
    'EmailBouncedDate',
  ],
};

/** Neither the order of the User event's fields nor all its flags could be read in a published schema: the guide's order. */
const user: ObjectType = {
  name: 'User',
  label: 'User',
  plural: 'Users',
  keyPrefix: '005',
  deletable: false,
  mergeable: false,
  fields: [
    ...identity,
    text('Username', 80, { required: true, unique: true, idLookup: true }),
    text('LastName', 80, { required: true, compound: ['Name', 'LastName'] }),
    text('FirstName', 40, { compound: ['Name', 'FirstName'] }),
    text('Name', 121, readOnly),
    text('CompanyName', 80),
    text('Department', 80),
    text('Title', 80),
    field('email', 'Email', { length: 128, required: true }),
    phone('Phone'),
    phone('MobilePhone'),
    text('Alias', 8),
    field('boolean', 'IsActive', { initial: true }),
    pick('UserType', 40, ['Standard', 'AutomatedProcess'], { ...readOnly, doc: 'StaticEnum' }),
    reference('ManagerId', 'User'),
    ...audit,
    text('FederationIdentifier', 512, { unique: true }),
  ],
  events: [
    'Username',
    'Name',
    'CompanyName',
    'Department',
    'Title',
    'Email',
    'Phone',
    'MobilePhone',
    'Alias',
    'IsActive',
    'UserType',
    'ManagerId',
    ...auditEvents,
    'FederationIdentifier',
  ],
};

export const standardObjects: readonly ObjectType[] = [account, contact, user, lead];
