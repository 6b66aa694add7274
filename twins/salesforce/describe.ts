import { defaulted, type Field, type FieldType, type ObjectType } from './metadata.ts';
import type { JsonRow } from './rows.ts';

const soapTypes: Partial<Record<FieldType, string>> = {
  id: 'tns:ID',
  reference: 'tns:ID',
  boolean: 'xsd:boolean',
  int: 'xsd:int',
  double: 'xsd:double',
  currency: 'xsd:double',
  date: 'xsd:date',
  datetime: 'xsd:dateTime',
  address: 'urn:address',
};

function describeField(field: Field): JsonRow {
  const isInteger = field.type === 'int';
  return {
    aggregatable: true,
    autoNumber: false,
    byteLength: (field.length ?? 0) * 3,
    calculated: false,
    calculatedFormula: null,
    cascadeDelete: field.cascade === true,
    caseSensitive: false,
    compoundFieldName: field.compound?.[0] ?? null,
    controllerName: null,
    createable: field.createable,
    custom: field.name.endsWith('__c'),
    defaultValue: field.type === 'boolean' ? field.initial === true : (field.initial ?? null),
    defaultedOnCreate: defaulted(field),
    dependentPicklist: false,
    deprecatedAndHidden: false,
    digits: isInteger ? (field.precision ?? 0) : 0,
    encrypted: false,
    externalId: field.externalId === true,
    filterable: field.type !== 'address',
    groupable: true,
    htmlFormatted: false,
    idLookup: field.idLookup === true,
    label: field.label,
    length: field.length ?? 0,
    mask: null,
    name: field.name,
    nameField: field.name === 'Name',
    nillable: !field.required && !defaulted(field),
    permissionable: !field.required,
    picklistValues: (field.picklist ?? []).map((value) => ({
      active: true,
      defaultValue: value === field.initial,
      label: value,
      validFor: null,
      value,
    })),
    polymorphicForeignKey: false,
    precision: isInteger ? 0 : (field.precision ?? 0),
    queryByDistance: false,
    referenceTo: field.referenceTo ?? [],
    relationshipName: field.relationship ?? null,
    restrictedDelete: false,
    restrictedPicklist: field.restricted === true,
    scale: field.scale ?? 0,
    soapType: soapTypes[field.type] ?? 'xsd:string',
    sortable: field.type !== 'address',
    type: field.type,
    unique: field.unique === true,
    updateable: field.updateable,
  };
}

export function summarizeObject(object: ObjectType, version: string): JsonRow {
  const base = `/services/data/v${version}/sobjects/${object.name}`;
  return {
    activateable: false,
    createable: true,
    custom: object.name.endsWith('__c'),
    deletable: object.deletable,
    keyPrefix: object.keyPrefix,
    label: object.label,
    labelPlural: object.plural,
    layoutable: true,
    mergeable: object.mergeable,
    name: object.name,
    queryable: true,
    replicateable: true,
    retrieveable: true,
    searchable: true,
    triggerable: true,
    undeletable: object.deletable,
    updateable: true,
    urls: { sobject: base, describe: `${base}/describe`, rowTemplate: `${base}/{ID}` },
  };
}

export const describeObject = (object: ObjectType, version: string): JsonRow => ({
  ...summarizeObject(object, version),
  childRelationships: [],
  recordTypeInfos: [],
  fields: object.fields.map(describeField),
});
