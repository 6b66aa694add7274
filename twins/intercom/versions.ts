/** Versions of the API, oldest first: a call names one, and what it may write and is shown follows from it. */
const versions = [
  '2.7',
  '2.8',
  '2.9',
  '2.10',
  '2.11',
  '2.12',
  '2.13',
  '2.14',
  '2.15',
  '2.16',
  'Preview',
  // The name that Preview had before.
  'Unstable',
];

export const defaultVersion = '2.14';

export const isVersion = (version: string): boolean => versions.includes(version);

export const atLeast = (version: string, first: string): boolean =>
  versions.indexOf(version) >= versions.indexOf(first);
