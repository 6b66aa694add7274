import type { Transaction } from './dml.ts';
import { RowRefused, refusal } from './errors.ts';
import { findField, type ObjectType } from './metadata.ts';
import type { StoredRecord } from './store.ts';
import { type Row, toJson } from './values.ts';

/** A lead becomes a contact of an account; of those given here, or of new ones. Opportunities are not this double's. */
export interface Conversion {
  readonly op: 'convert';
  readonly object: 'Lead';
  readonly id: string;
  readonly accountId?: string | undefined;
  readonly contactId?: string | undefined;
  readonly status?: string | undefined;
}

/** Where the platform takes a lead's standard fields. Custom ones go where an administrator says; the marker nowhere. */
const targets = {
  Account: {
    Name: 'Company',
    Phone: 'Phone',
    Fax: 'Fax',
    Website: 'Website',
    Industry: 'Industry',
    Rating: 'Rating',
    AnnualRevenue: 'AnnualRevenue',
    NumberOfEmployees: 'NumberOfEmployees',
    AccountSource: 'LeadSource',
    OwnerId: 'OwnerId',
    BillingStreet: 'Street',
    BillingCity: 'City',
    BillingState: 'State',
    BillingPostalCode: 'PostalCode',
    BillingCountry: 'Country',
  },
  Contact: {
    LastName: 'LastName',
    FirstName: 'FirstName',
    Salutation: 'Salutation',
    Title: 'Title',
    Email: 'Email',
    Phone: 'Phone',
    MobilePhone: 'MobilePhone',
    Fax: 'Fax',
    LeadSource: 'LeadSource',
    Description: 'Description',
    OwnerId: 'OwnerId',
    HasOptedOutOfEmail: 'HasOptedOutOfEmail',
    HasOptedOutOfFax: 'HasOptedOutOfFax',
    DoNotCall: 'DoNotCall',
    MailingStreet: 'Street',
    MailingCity: 'City',
    MailingState: 'State',
    MailingPostalCode: 'PostalCode',
    MailingCountry: 'Country',
    Level__c: 'Level__c',
    Newsletter__c: 'Newsletter__c',
  },
} as const;

/**
 * One transaction: Account, Contact, then the Lead, which from then on nobody can change. Of an account or a contact
 * that was there already only empty fields are filled, so that it may have nothing to announce.
 */
export function convertLead(transaction: Transaction, lead: ObjectType, conversion: Conversion): string {
  const { org, options } = transaction;
  const record = transaction.record(lead, conversion.id);
  if (record.values['IsConverted'] === true) {
    throw new RowRefused(record.id, [refusal('CANNOT_UPDATE_CONVERTED_LEAD', 'cannot reference converted lead')]);
  }
  const [accounts, contacts] = [org.object('Account'), org.object('Contact')];
  if (accounts === undefined || contacts === undefined) throw new Error('leads become contacts of accounts');
  const person = conversion.contactId === undefined ? undefined : transaction.record(contacts, conversion.contactId);
  const accountId = conversion.accountId ?? person?.values['AccountId'] ?? undefined;
  const from = rowOf(lead, record);
  const account = takeOver(transaction, accounts, accountId === undefined ? undefined : String(accountId), {
    ...from(targets.Account),
  });
  const contact = takeOver(transaction, contacts, person?.id, { ...from(targets.Contact), AccountId: account.id });
  const values = {
    ...record.values,
    Status: conversion.status ?? 'Closed - Converted',
    IsConverted: true,
    ConvertedDate: new Date(options.now).toISOString().slice(0, 10),
    ConvertedAccountId: account.id,
    ConvertedContactId: contact.id,
  };
  transaction.save(lead, { ...record, values }, record);
  return record.id;
}

function takeOver(transaction: Transaction, object: ObjectType, id: string | undefined, row: Row): StoredRecord {
  // No duplicate rule: it would find the very lead.
  if (id === undefined) return transaction.create(object, row, false);
  const record = transaction.record(object, id);
  const empty = Object.entries(row).filter(([name, value]) => value !== null && record.values[name] === null);
  return empty.length === 0 ? record : transaction.update(object, record, Object.fromEntries(empty), false);
}

/** The lead's values under the names they get, spelled as a row. */
const rowOf =
  (lead: ObjectType, { values }: StoredRecord) =>
  (names: Readonly<Record<string, string>>): Row =>
    Object.fromEntries(
      Object.entries(names).map(([to, name]) => {
        const field = findField(lead, name);
        if (field === undefined) throw new Error(`leads have no ${name}`);
        return [to, toJson(field, values[name] ?? null)];
      }),
    );
