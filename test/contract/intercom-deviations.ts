/**
 * Where Intercom's OpenAPI description says something else than Intercom does, one by one and with the reason. All that is
 * here was met; what is not met any more has to go.
 */
export interface Deviation {
  readonly versions: readonly string[];
  readonly operation: RegExp;
  readonly of: RegExp;
  readonly says: RegExp;
  /** Why it is the description that is wrong. */
  readonly why: string;
}

const every = ['2.14', '2.16'];

export const deviations: readonly Deviation[] = [
  {
    versions: every,
    operation: /compan/,
    of: /^(request|200)$/,
    says: /^(\/requestBody)?\/custom_attributes\/\w+ must be string$/,
    why: "custom attributes of companies are described as texts only; the description's own examples hold numbers and booleans, and its data attributes have those types",
  },
  {
    versions: every,
    operation: /^GET \/contacts\/\{contact_id\}\/companies$/,
    of: /^request$/,
    says: /^\/query must NOT have additional properties \((page|per_page)\)$/,
    why: 'the answer is described as one page of several and no way is described to ask for another; the official client has these two',
  },
  {
    versions: every,
    operation: /^(POST \/contacts|PUT \/contacts\/\{contact_id\})$/,
    of: /^409$/,
    says: /^is not described$/,
    why: 'a contact whose email or external id is taken is refused with 409, which the description has for no contact call; connectors in use rely on it and on its words',
  },
  {
    versions: every,
    operation: /^PUT \/contacts\/\{contact_id\}$/,
    of: /^400$/,
    says: /^is not described$/,
    why: 'the description has no refusal of a value for an update, and 400 with parameter_invalid for those of other objects',
  },
  {
    versions: every,
    operation: /^(GET|PUT) \/contacts\/\{contact_id\}$/,
    of: /^404$/,
    says: /^is not described$/,
    why: 'a contact that is not there is described for the calls below it (its companies, its tags) and not for itself',
  },
  {
    versions: ['2.16'],
    operation: /^PUT \/contacts\/\{contact_id\}$/,
    of: /^410$/,
    says: /^is not described$/,
    why: 'a contact merged away is described as 410 where it is read; writing to it is described nowhere',
  },
];
